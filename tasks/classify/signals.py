"""Signals of document types: phrases and patterns of type.yaml, weighed against a document's text."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blocks.document_types.schema import DocumentType, Signal

READ_CHARACTERS = 20_000
"""How much of a document's text is searched for signals."""


MAX_ESTIMATED, MIN_ESTIMATED = 1.6, 0.3
"""Bounds of the weights that are estimated: two signals decide, and none decides alone."""
EXPECTED_SHARE = 0.5
"""An estimate takes a signal to stand in so many documents of its type."""


@dataclass(frozen=True, slots=True)
class CompiledSignal:
    """A signal as a regular expression."""

    pattern: re.Pattern[str]
    weight: float


def compile_signals(
    document_type: DocumentType, other_texts: Mapping[str, Sequence[str]] | None = None
) -> tuple[CompiledSignal, ...]:
    """The signals of a type. Phrases match full words, in any case, with any blanks between the words.

    `other_texts`, texts of no type and of other types by type, are what a weight is estimated from that is not given.
    """
    patterns = [
        (_compile(signal), signal.weight)
        for signal in document_type.classification.signals
        if signal.phrase or signal.pattern
    ]
    return tuple(
        CompiledSignal(pattern, _estimate(pattern, other_texts or {}) if weight is None else weight)
        for pattern, weight in patterns
    )


def _estimate(pattern: re.Pattern[str], other_texts: Mapping[str, Sequence[str]]) -> float:
    """The log of how much more frequent the signal is in its type than in that other kind of text that has it most."""
    shares = [sum(pattern.search(text) is not None for text in texts) / len(texts) for texts in other_texts.values()]
    worst = max(shares, default=0.0)
    estimated = math.log(EXPECTED_SHARE / worst) if worst else MAX_ESTIMATED
    return min(MAX_ESTIMATED, max(MIN_ESTIMATED, estimated))


def signal_evidence(signals: tuple[CompiledSignal, ...], text: str) -> float:
    """The sum of the weights of the signals in the text, each counted once: log odds for the type, uncalibrated."""
    return sum(signal.weight for signal in signals if signal.pattern.search(text))


def _compile(signal: Signal) -> re.Pattern[str]:
    if signal.pattern:
        return re.compile(signal.pattern)
    words = r"\s+".join(re.escape(word) for word in (signal.phrase or "").split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
