"""Decides the type of a text: by what the types say of themselves, by signals, then by a classifier.

A type's title, labels and typical words count as log odds (evidence.py), and so do signals. The classifier, trained on
the types' examples and on ordinary texts, adds the log odds of a type against texts of no type, corrected for the
numbers of examples, which say nothing about the documents of a run. The sums compete with a constant for "no type", so
a text without evidence has no type, whatever types there are.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from blocks.document_types.schema import DocumentType, TaughtExample
from blocks.records import UNKNOWN_TYPE, Classification
from blocks.text_classifier.classifier import Lesson, TextClassifier
from blocks.text_classifier.features import words
from blocks.text_classifier.training import train
from tasks.classify.evidence import TypeEvidence, bounded
from tasks.classify.outline import outline_of
from tasks.classify.papers import Title
from tasks.classify.signals import READ_CHARACTERS, CompiledSignal, compile_signals, signal_evidence

ORDINARY_TEXTS = Path(__file__).with_name("ordinary_texts.txt")
"""Texts of no type, a line each, written for Winnow."""

NO_TYPE = 2.5
"""Log odds that signals and examples must outweigh together."""

DECISIVE = 4.0
"""If a type's signals lead by this much, they decide without the classifier."""

MAX_FOR, MAX_AGAINST = 4.0, 1.5
"""Bounds of the classifier's log odds. A few examples are weak evidence against a type: each shop's receipt is new."""

DOUBTED = 0.5
"""The confidence, at most, of a paper that is marked as void, or that is an invoice titled "Receipt", and of one whose
title contradicts the type that it was given.
"""

USUAL = 0.03
"""A word that stands in a larger share of the ordinary texts says nothing of a type."""

MIN_WORDS = 2
_FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class _Case:
    """A text's evidence: log odds by type, the titles that contradict types, and what lets types be doubted."""

    weights: dict[str, float]
    contradictions: Mapping[str, Title]
    doubts: Mapping[str, str]

    def remark_on(self, name: str) -> str | None:
        """What the text says against being used as a paper of this type, in words."""
        if name in self.contradictions:
            return f"titled {self.contradictions[name].name}"
        return self.doubts.get(name)


@dataclass(frozen=True)
class TypeJudge:
    """Decides between the given types. Thread-safe."""

    types: Mapping[str, DocumentType]

    def judge(self, texts: Sequence[str]) -> list[Classification]:
        """A classification per text; the classifier predicts once, for all texts that are undecided without it."""
        texts = [text[:READ_CHARACTERS] for text in texts]
        judged = [self._look(text) for text in texts]
        undecided = [position for position, case in enumerate(judged) if not _is_decided(self._bounded(case))]
        added = self._by_examples([texts[position] for position in undecided])
        by_classifier = set()
        for position, more in zip(undecided, added, strict=True):
            for name, weight in more.items():
                judged[position].weights[name] += weight
            if more:
                by_classifier.add(position)
        return [
            self._decide(case, "classifier" if position in by_classifier else "signals")
            for position, case in enumerate(judged)
        ]

    def check_given(self, text: str, name: str) -> Classification:
        """The classification of a text whose type was given: doubted where the paper's title or mark contradicts it."""
        remark = self._look(text[:READ_CHARACTERS]).remark_on(name)
        confidence = 1.0 if remark is None else DOUBTED
        return Classification(document_type=name, confidence=confidence, method="given", remark=remark)

    def get_ready(self) -> None:
        """Load the classifier, or train it, where types have examples."""
        if self._lesson_counts:
            _ = self._classifier

    def _look(self, text: str) -> "_Case":
        """The text's evidence without the classifier."""
        outline = outline_of(text)
        findings = self._evidence.findings(outline)
        weights = {
            name: signal_evidence(signals, text) + findings[name].weight for name, signals in self._signals.items()
        }
        contradictions = {
            name: finding.contradiction for name, finding in findings.items() if finding.contradiction is not None
        }
        doubts = {name: finding.doubt for name, finding in findings.items() if finding.doubt}
        return _Case(weights, contradictions, doubts)

    def _bounded(self, case: "_Case") -> dict[str, float]:
        """The weights after what contradicts a type."""
        return {name: bounded(weight, case.contradictions.get(name)) for name, weight in case.weights.items()}

    def _is_described(self, name: str) -> bool:
        """Whether a type without evidence is no candidate: others would lose confidence to it."""
        return name in self.types and self.types[name].classification.by_description

    def _decide(self, case: "_Case", method: str) -> Classification:
        evidence = self._bounded(case)
        shares = {
            name: math.exp(min(weight, 50.0)) if weight or not self._is_described(name) else 0.0
            for name, weight in {**evidence, UNKNOWN_TYPE: NO_TYPE}.items()
        }
        total = sum(shares.values())
        scores = {name: round(share / total, 4) for name, share in shares.items()}
        best = max(evidence, key=lambda name: (evidence[name], name), default=UNKNOWN_TYPE)
        confidence = scores[best]
        remark = case.remark_on(best)
        if best not in case.contradictions and remark is not None:
            confidence = min(confidence, DOUBTED)
        if best == UNKNOWN_TYPE or confidence < self.types[best].classification.threshold:
            best, confidence = UNKNOWN_TYPE, confidence if best == UNKNOWN_TYPE else round(1 - confidence, 4)
        return Classification.model_validate(
            {"document_type": best, "confidence": confidence, "method": method, "scores": scores, "remark": remark}
        )

    def _by_examples(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """The classifier's log odds of each type with examples, for each text; empty for a text of few words."""
        asked = [position for position, text in enumerate(texts) if len(words(text[:200])) >= MIN_WORDS]
        added: list[dict[str, float]] = [{} for _ in texts]
        if not self._lesson_counts or not asked:
            return added
        ordinary = self._lesson_counts[UNKNOWN_TYPE]
        predictions = self._classifier.predict([texts[position] for position in asked])
        for position, prediction in zip(asked, predictions, strict=True):
            none = math.log(prediction.scores[UNKNOWN_TYPE] + _FLOOR)
            for name, count in self._lesson_counts.items():
                if name != UNKNOWN_TYPE:
                    odds = math.log(prediction.scores[name] + _FLOOR) - none - math.log(count / ordinary)
                    added[position][name] = min(MAX_FOR, max(-MAX_AGAINST, odds))
        return added

    @cached_property
    def _evidence(self) -> TypeEvidence:
        return TypeEvidence(self.types, usual_stems())

    @cached_property
    def _signals(self) -> dict[str, tuple[CompiledSignal, ...]]:
        texts = {name: [example.text for example in known.examples] for name, known in self.types.items()}
        texts[UNKNOWN_TYPE] = ordinary_texts()
        return {
            name: compile_signals(known, {other: found for other, found in texts.items() if found and other != name})
            for name, known in sorted(self.types.items())
        }

    @cached_property
    def _lesson_counts(self) -> Counter[str]:
        """Number of examples by type, with ordinary texts; empty if no type has examples."""
        counts = Counter({name: len(known.examples) for name, known in sorted(self.types.items()) if known.examples})
        if counts:
            counts[UNKNOWN_TYPE] = len(ordinary_texts())
        return counts

    @cached_property
    def _classifier(self) -> TextClassifier:
        lessons = [
            Lesson(example.text, name, is_decided=isinstance(example, TaughtExample))
            for name, known in sorted(self.types.items())
            for example in known.examples
        ]
        return train([*lessons, *(Lesson(text, UNKNOWN_TYPE) for text in ordinary_texts())])


def judge_types(types: Mapping[str, DocumentType], texts: Sequence[str]) -> list[str]:
    """The type of each text, decided between the given types."""
    return [found.document_type for found in TypeJudge(types).judge(texts)]


def ordinary_texts() -> list[str]:
    """The texts of no type."""
    return [line for line in ORDINARY_TEXTS.read_text(encoding="utf-8").splitlines() if line.strip()]


@cache
def usual_stems() -> frozenset[str]:
    """The beginnings of words that a text of any kind may have."""
    texts = ordinary_texts()
    counts = Counter(found for text in texts for found in outline_of(text).stems)
    return frozenset(found for found, count in counts.items() if count > USUAL * len(texts))


def _is_decided(evidence: Mapping[str, float]) -> bool:
    leader, second = sorted([*evidence.values(), NO_TYPE, NO_TYPE], reverse=True)[:2]
    return leader - second >= DECISIVE
