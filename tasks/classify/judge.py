"""Decides the type of a text: by signals, then by a classifier trained on the types' examples and on ordinary texts.

Signals count as log odds. The classifier adds the log odds of a type against texts of no type, corrected for the
numbers of examples, which say nothing about the documents of a run. The sums compete with a constant for "no type", so
a text without evidence has no type, whatever types there are.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from blocks.document_types.schema import DocumentType
from blocks.records import UNKNOWN_TYPE, Classification
from blocks.text_classifier.classifier import Lesson, TextClassifier
from blocks.text_classifier.features import words
from blocks.text_classifier.training import train
from tasks.classify.signals import READ_CHARACTERS, CompiledSignal, compile_signals, signal_evidence

ORDINARY_TEXTS = Path(__file__).with_name("ordinary_texts.txt")
"""Texts of no type, a line each, written for Winnow."""

NO_TYPE = 2.5
"""Log odds that signals and examples must outweigh together."""

DECISIVE = 4.0
"""If a type's signals lead by this much, they decide without the classifier."""

MAX_FOR, MAX_AGAINST = 4.0, 1.5
"""Bounds of the classifier's log odds. A few examples are weak evidence against a type: each shop's receipt is new."""

MIN_WORDS = 2
_FLOOR = 1e-4


@dataclass(frozen=True)
class TypeJudge:
    """Decides between the given types. Thread-safe."""

    types: Mapping[str, DocumentType]

    def judge(self, texts: Sequence[str]) -> list[Classification]:
        """A classification per text; the classifier predicts once, for all texts that signals do not decide."""
        texts = [text[:READ_CHARACTERS] for text in texts]
        by_signals = [
            {name: signal_evidence(signals, text) for name, signals in self._signals.items()} for text in texts
        ]
        verdicts: list[Classification | None] = [
            self._decide(evidence, "signals") if _is_decided(evidence) else None for evidence in by_signals
        ]
        undecided = [position for position, verdict in enumerate(verdicts) if verdict is None]
        added = self._by_examples([texts[position] for position in undecided])
        for position, more in zip(undecided, added, strict=True):
            evidence = {name: weight + more.get(name, 0.0) for name, weight in by_signals[position].items()}
            verdicts[position] = self._decide(evidence, "classifier" if more else "signals")
        return [verdict for verdict in verdicts if verdict is not None]

    def get_ready(self) -> None:
        """Load the classifier, or train it, where types have examples."""
        if self._lesson_counts:
            _ = self._classifier

    def _decide(self, evidence: Mapping[str, float], method: str) -> Classification:
        shares = {name: math.exp(min(weight, 50.0)) for name, weight in {**evidence, UNKNOWN_TYPE: NO_TYPE}.items()}
        total = sum(shares.values())
        scores = {name: round(share / total, 4) for name, share in shares.items()}
        best = max(evidence, key=lambda name: (evidence[name], name), default=UNKNOWN_TYPE)
        confidence = scores[best]
        if best == UNKNOWN_TYPE or confidence < self.types[best].classification.threshold:
            best, confidence = UNKNOWN_TYPE, confidence if best == UNKNOWN_TYPE else round(1 - confidence, 4)
        return Classification.model_validate(
            {"document_type": best, "confidence": confidence, "method": method, "scores": scores}
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
    def _signals(self) -> dict[str, tuple[CompiledSignal, ...]]:
        return {name: compile_signals(document_type) for name, document_type in sorted(self.types.items())}

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
            Lesson(example.text, name) for name, known in sorted(self.types.items()) for example in known.examples
        ]
        return train([*lessons, *(Lesson(text, UNKNOWN_TYPE) for text in ordinary_texts())])


def ordinary_texts() -> list[str]:
    """The texts of no type."""
    return [line for line in ORDINARY_TEXTS.read_text(encoding="utf-8").splitlines() if line.strip()]


def _is_decided(evidence: Mapping[str, float]) -> bool:
    leader, second = sorted([*evidence.values(), NO_TYPE, NO_TYPE], reverse=True)[:2]
    return leader - second >= DECISIVE
