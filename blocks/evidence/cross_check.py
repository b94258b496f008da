"""Compares a language model's reply with the built-in reader's reading of the same document.

The built-in reader shares no weights with any model and reads the same pages by labels, places and sums. All its
candidates count, not only the best: it often ranks the true value second, but rarely misses it, and a value from
elsewhere on the page has next to no odds.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.confidence import MIN_PROBABILITY, cross_check_log_odds
from blocks.evidence.document_reading import DocumentReading
from blocks.evidence.quoted_values import letters
from blocks.records import FieldReading, Signals
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import fold, typed_value

MIN_FUZZY_RATIO, MIN_FUZZY_LETTERS = 90.0, 8
"""The similarity (rapidfuzz ratio, of 100) from which on two names of at least eight letters are the same."""
PART_OF_NAME = 0.5
"""The share of a name's letters that a shorter form of it must have."""
PEER_WEIGHT = 0.5
"""The weight of each other field of a reply: its fields may be wrong together."""
_FIGURE = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Support:
    """The reader's probability of a value, and of the best other value; 0 where it sees none."""

    probability: float
    rival: float

    @property
    def log_odds(self) -> float:
        """The log odds by which the reader prefers the value (above 0) or another one (below 0)."""
        return cross_check_log_odds(self.probability, self.rival)


def cross_check(
    readings: Mapping[str, FieldReading], document_type: DocumentType, reading: DocumentReading
) -> dict[str, FieldReading]:
    """A model's readings, with the reader's support of each value and of the rest of the reply among their signals.

    Written fields stay as they are: no text on the page supports them.
    """
    supports = {
        name: support(document_type, reading, name, field_reading.value)
        for name, field_reading in readings.items()
        if name in document_type.fields and not document_type.fields[name].written and field_reading.value is not None
    }
    requires_any = any(field.required for field in document_type.fields.values())
    log_odds = {
        name: PEER_WEIGHT * found.log_odds
        for name, found in supports.items()
        if document_type.fields[name].required or not requires_any
    }
    checked = dict(readings)
    for name, found in supports.items():
        others = [weight for other, weight in log_odds.items() if other != name]
        peers = 1.0 / (1.0 + math.exp(-sum(others))) if others else None
        signals = readings[name].signals or Signals()
        update = {"witness": found.probability, "rival": found.rival, "peers": peers}
        checked[name] = readings[name].model_copy(update={"signals": signals.model_copy(update=update)})
    return checked


def support(document_type: DocumentType, reading: DocumentReading, name: str, value: JsonValue) -> Support:
    """The support of a reading for a value of the field `name`. Values are compared as results hold them.

    An enum's value is a judgement, and the reader's classifier is small: where it prefers another label, the lead of
    that label is halved (in log odds).
    """
    field = document_type.fields[name]
    try:
        typed = typed_value(field, value, document_type.languages)
    except InvalidValue:
        typed = value
    probability = rival = 0.0
    for candidate in reading.candidates.get(name, ()):
        share = similarity(field, candidate.value, typed)
        probability = min(probability + share * candidate.probability, 1.0)
        rival = max(rival, (1.0 - share) * candidate.probability)
    if field.type is FieldType.ENUM and rival > probability:
        rival = math.sqrt(max(probability, MIN_PROBABILITY) * rival)
    return Support(probability, rival)


def similarity(field: DocumentField, first: JsonValue, second: JsonValue) -> float:
    """How far two typed values of a field are the same, in [0, 1]: for lists and tables the share of common entries.

    Two names are the same where the shorter begins or ends the longer and has at least half of its letters, or where
    they differ in a few misread letters.
    """
    if isinstance(first, list) and isinstance(second, list):
        entries, others = [_key(entry) for entry in first], [_key(entry) for entry in second]
        shared = sum(entry in others for entry in entries)
        return shared / max(len(entries), len(others), 1)
    if field.type is FieldType.TEXT:
        return float(_is_same_name(str(first), str(second)))
    return float(str(first) == str(second))


def _key(entry: JsonValue) -> str:
    """An entry of a list or a table in comparable form: of a row the figures, in which readers differ least."""
    if isinstance(entry, dict):
        figures = [str(cell) for cell in entry.values() if _FIGURE.fullmatch(str(cell))]
        return "|".join(figures or [fold(str(cell)) for cell in entry.values()])
    return fold(str(entry))


def _is_same_name(first: str, second: str) -> bool:
    short, long = sorted((letters(first), letters(second)), key=len)
    if short == long:
        return True
    if not short or [c for c in short if c.isdigit()] != [c for c in long if c.isdigit()]:
        return False
    if (long.startswith(short) or long.endswith(short)) and len(short) >= PART_OF_NAME * len(long):
        return True
    return len(short) >= MIN_FUZZY_LETTERS and fuzz.ratio(short, long) >= MIN_FUZZY_RATIO
