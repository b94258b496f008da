"""Enum fields: what the document prints beside a label, else a classifier trained on the type's examples and keywords.

A classifier's value is a judgement; its evidence is the words that spoke most for it, its confidence the calibrated
probability.
"""

import re
import threading
from collections.abc import Iterator

from blocks.document_types.schema import DocumentField, DocumentType
from blocks.evidence.document_reading import FieldCandidate
from blocks.evidence.grounding import quoted
from blocks.records import Evidence, FieldReading, Page
from blocks.text_classifier.classifier import READ_CHARACTERS, Lesson, TextClassifier
from blocks.text_classifier.features import Span
from blocks.text_classifier.training import train

PRINTED_CONFIDENCE = 0.95
"""A value that stands beside its label is right unless the page was misread."""

EVIDENCE_CHARACTERS = 2_000
QUOTE_WORDS = 12
IDLE_SHARE = 0.1
KEPT_CLASSIFIERS = 64

_classifiers: dict[tuple[str, str], TextClassifier] = {}
_lock = threading.Lock()


def read_enum(
    field_name: str, field: DocumentField, document_type: DocumentType, pages: tuple[Page, ...]
) -> tuple[FieldReading | None, tuple[FieldCandidate, ...]]:
    """The value of an enum field with its evidence, and every value with its probability.

    None and no candidate where no word of the pages speaks for any value.
    """
    printed = _printed_value(field, pages)
    if printed is not None:
        return printed, (FieldCandidate(printed.value, printed.confidence),)
    text = "\n".join(page.text for page in pages)[:READ_CHARACTERS]
    if not text.strip() or not field.enum:
        return None, ()
    classifier = enum_classifier(field_name, field, document_type)
    prediction = classifier.predict([text])[0]
    evidence = find_evidence(classifier, prediction.label, pages)
    if evidence is None:
        return None, ()
    candidates = tuple(FieldCandidate(label, probability) for label, probability in prediction.scores.items())
    return FieldReading(value=prediction.label, confidence=prediction.confidence, evidence=(evidence,)), candidates


def enum_classifier(field_name: str, field: DocumentField, document_type: DocumentType) -> TextClassifier:
    """The trained classifier of an enum field. A value without keywords and examples is known by its own words."""
    key = document_type.score_digest, field_name
    with _lock:
        classifier = _classifiers.get(key)
        if classifier is None:
            lessons = [
                Lesson(example.text, example.labels[field_name])
                for example in document_type.examples
                if example.labels.get(field_name) in field.enum
            ]
            taught = {lesson.label for lesson in lessons}
            keywords = {
                value: field.hints.keywords.get(value, () if value in taught else (_spoken(value),))
                for value in field.enum
            }
            classifier = train(lessons, keywords, top=field.hints.position == "top")
            while len(_classifiers) >= KEPT_CLASSIFIERS:
                del _classifiers[next(iter(_classifiers))]
            _classifiers[key] = classifier
        return classifier


def find_evidence(classifier: TextClassifier, value: str, pages: tuple[Page, ...]) -> Evidence | None:
    """The words in a row, on one line near the document's beginning, that speak most for a value."""
    left = EVIDENCE_CHARACTERS
    best: tuple[float, Page, Span] | None = None
    for page in pages:
        for line in _lines(page.text[: max(left, 0)]):
            weights = classifier.word_weights(page.text[line.start : line.end], value)
            found = _strongest_run(weights)
            if found is not None and (best is None or found[0] > best[0]):
                best = found[0], page, Span(line.start + found[1].start, line.start + found[1].end)
        left -= len(page.text)
    return quoted(best[1], best[2].start, best[2].end) if best is not None else None


def _strongest_run(weights: list[tuple[Span, float]]) -> tuple[float, Span] | None:
    """The run of up to `QUOTE_WORDS` words with the greatest sum, where any word weighs more than nothing.

    Words that weigh next to nothing beside the strongest do not lengthen a run.
    """
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
    by_words = {_plain(_spoken(value)): value for value in field.enum}
    labels, values = "|".join(map(_pattern, field.aliases)), "|".join(map(_pattern, map(_spoken, field.enum)))
    printed = re.compile(rf"(?<!\w)(?:{labels})\s*[:=#-]*\s*({values})(?!\w)", re.IGNORECASE)
    for page in pages:
        match = printed.search(page.text)
        if match is not None and _plain(match[1]) in by_words:
            evidence = quoted(page, match.start(), match.end())
            value = by_words[_plain(match[1])]
            return FieldReading(value=value, confidence=PRINTED_CONFIDENCE, evidence=(evidence,))
    return None


def _lines(text: str) -> Iterator[Span]:
    return (Span(*match.span()) for match in re.finditer(r"[^\n]+", text))


def _spoken(value: str) -> str:
    return value.replace("_", " ").replace("-", " ")


def _plain(words: str) -> str:
    return " ".join(re.findall(r"\w+", words.casefold().replace("_", " ")))


def _pattern(words: str) -> str:
    return r"[\s_-]+".join(re.escape(word) for word in words.split())
