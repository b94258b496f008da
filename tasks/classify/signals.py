"""Signals of document types: phrases and patterns of type.yaml, weighed against a document's text."""

import re
from dataclasses import dataclass

from blocks.document_types.schema import DocumentType, Signal

READ_CHARACTERS = 20_000
"""How much of a document's text is searched for signals."""


@dataclass(frozen=True, slots=True)
class CompiledSignal:
    """A signal as a regular expression."""

    pattern: re.Pattern[str]
    weight: float


def compile_signals(document_type: DocumentType) -> tuple[CompiledSignal, ...]:
    """The signals of a type. Phrases match full words, in any case, with any blanks between the words."""
    return tuple(
        CompiledSignal(_compile(signal), signal.weight)
        for signal in document_type.classification.signals
        if signal.phrase or signal.pattern
    )


def signal_evidence(signals: tuple[CompiledSignal, ...], text: str) -> float:
    """The sum of the weights of the signals in the text, each counted once: log odds for the type, uncalibrated."""
    return sum(signal.weight for signal in signals if signal.pattern.search(text))


def _compile(signal: Signal) -> re.Pattern[str]:
    if signal.pattern:
        return re.compile(signal.pattern)
    words = r"\s+".join(re.escape(word) for word in (signal.phrase or "").split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
