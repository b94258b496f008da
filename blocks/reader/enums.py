"""Enum fields: the value printed beside a label, else that of a classifier trained on the type's examples and keywords.

The classifier's value is a judgement. Its evidence is the words with most weight, its confidence a calibrated
probability.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from blocks.document_types.schema import DocumentField, DocumentType, TaughtExample
from blocks.evidence.document_reading import FieldCandidate
from blocks.evidence.grounding import quoted
from blocks.evidence.traces import Remembered
from blocks.reader.lexicon import TypeVersion
from blocks.reader.remembered import held_down
from blocks.reader.votes import with_votes
from blocks.records import Evidence, FieldReading, Page
from blocks.text_classifier.classifier import READ_CHARACTERS, Lesson, TextClassifier
from blocks.text_classifier.features import Span
from blocks.text_classifier.training import train

PRINTED_CONFIDENCE = 0.95
"""A value beside its label is right unless the page was misread."""
EVIDENCE_CHARACTERS = 2_000
QUOTE_WORDS = 12
IDLE_SHARE = 0.1
"""The share of the strongest word's weight that every further word of a quote must exceed."""
KEPT_CLASSIFIERS = 64


def read_enum(
    field_name: str,
    field: DocumentField,
    document_type: DocumentType,
    pages: tuple[Page, ...],
    remembered: Sequence[Remembered] = (),
) -> tuple[FieldReading | None, tuple[FieldCandidate, ...]]:
    """The value of an enum field with its evidence, and every value with its probability.

    `remembered` are decided documents that are like this one. They vote where their texts have not taught the
    classifier: on posts and tickets, votes beside what was taught made more wrong than right. None and no candidate
    where no word of the pages counts for the most probable value.
    """
    printed = _printed_value(field, pages)
    if printed is not None:
        return printed, (FieldCandidate(printed.value, printed.confidence),)
    text = "\n".join(page.text for page in pages)[:READ_CHARACTERS]
    if not text.strip() or not field.enum:
        return None, ()
    version = TypeVersion(document_type.score_digest, document_type)
    classifier = _classifier(field_name, version)
    remembered = () if _has_learnt(field_name, version) else remembered
    plain = classifier.predict([text])[0]
    prediction = with_votes(field_name, plain, remembered)
    evidence = _find_evidence(classifier, prediction.label, pages)
    if evidence is None:
        return None, ()
    candidates = tuple(FieldCandidate(label, probability) for label, probability in prediction.scores.items())
    reading = FieldReading(value=prediction.label, confidence=prediction.confidence, evidence=(evidence,))
    if not remembered:
        return reading, candidates
    without = FieldReading(value=plain.label, confidence=plain.confidence, evidence=(evidence,))
    traces = [(document, document.fields.get(field_name)) for document in remembered]
    support = [document for document, trace in traces if trace is not None and trace.value == reading.value]
    return held_down(field, reading, without, support), candidates


@lru_cache(maxsize=KEPT_CLASSIFIERS)
def _classifier(field_name: str, version: TypeVersion) -> TextClassifier:
    """The trained classifier of an enum field. A value without keywords and examples is known by its own words."""
    field = version.document_type.fields[field_name]
    lessons = [
        Lesson(example.text, example.labels[field_name], is_decided=isinstance(example, TaughtExample))
        for example in version.document_type.examples
        if example.labels.get(field_name) in field.enum
    ]
    taught = {lesson.label for lesson in lessons}
    keywords = {
        value: field.hints.keywords.get(value, () if value in taught else (_as_words(value),)) for value in field.enum
    }
    return train(lessons, keywords, top=field.hints.position == "top")


@lru_cache(maxsize=KEPT_CLASSIFIERS)
def _has_learnt(field_name: str, version: TypeVersion) -> bool:
    """Whether decided texts are among the lessons of a field."""
    examples = version.document_type.examples
    return any(isinstance(example, TaughtExample) and field_name in example.labels for example in examples)


def _find_evidence(classifier: TextClassifier, value: str, pages: tuple[Page, ...]) -> Evidence | None:
    """The words of one line near the document's beginning that count most for a value."""
    left = EVIDENCE_CHARACTERS
    best: tuple[float, Page, Span] | None = None
    for page in pages:
        for line in re.finditer(r"[^\n]+", page.text[: max(left, 0)]):
            found = _strongest_run(classifier.word_weights(line[0], value))
            if found is not None and (best is None or found[0] > best[0]):
                best = found[0], page, Span(line.start() + found[1].start, line.start() + found[1].end)
        left -= len(page.text)
    return quoted(best[1], best[2].start, best[2].end) if best is not None else None


def _strongest_run(weights: list[tuple[Span, float]]) -> tuple[float, Span] | None:
    """The run of up to `QUOTE_WORDS` words with the greatest sum of weights above the idle share, where positive."""
    best: tuple[float, Span] | None = None
    idle = IDLE_SHARE * max((weight for _, weight in weights), default=0.0)
    for first, (span, _) in enumerate(weights):
        total = 0.0
        for last, weight in weights[first : first + QUOTE_WORDS]:
            total += weight - idle
            if total > 0 and (best is None or total > best[0]):
                best = total, Span(span.start, last.end)
    return best


def _printed_value(field: DocumentField, pages: tuple[Page, ...]) -> FieldReading | None:
    """The value that a page prints after one of the field's labels."""
    if not field.aliases or not field.enum:
        return None
    by_words = {_plain(_as_words(value)): value for value in field.enum}
    labels, values = "|".join(map(_pattern, field.aliases)), "|".join(map(_pattern, map(_as_words, field.enum)))
    printed = re.compile(rf"(?<!\w)(?:{labels})\s*[:=#-]*\s*({values})(?!\w)", re.IGNORECASE)
    for page in pages:
        match = printed.search(page.text)
        if match is not None and _plain(match[1]) in by_words:
            evidence = quoted(page, match.start(), match.end())
            value = by_words[_plain(match[1])]
            return FieldReading(value=value, confidence=PRINTED_CONFIDENCE, evidence=(evidence,))
    return None


def _as_words(value: str) -> str:
    return value.replace("_", " ").replace("-", " ")


def _plain(words: str) -> str:
    return " ".join(re.findall(r"\w+", words.casefold().replace("_", " ")))


def _pattern(words: str) -> str:
    return r"[\s_-]+".join(re.escape(word) for word in words.split())
