"""The built-in reader as a witness of what a language model read.

It shares no weights with any model, reads the same pages by labels, places and sums, and costs milliseconds. Asked for
the odds of a given value, it says more than its own first choice does: a true value that it ranks second is common, one
that it does not see at all is rare, and a value taken from somewhere else on the page has next to no odds.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.confidence import SMALLEST, witness_log_odds
from blocks.evidence.quoted_values import letters
from blocks.gateway.routing.sums import ADDS_UP, borne_out, rates, rounded_from
from blocks.reader.agreement import agree
from blocks.reader.calibration import calibrated
from blocks.reader.candidates import Candidate
from blocks.reader.fields import FieldRanker
from blocks.reader.lexicon import Lexicon
from blocks.reader.lists import read_list
from blocks.reader.name_shapes import (
    MOST_LETTERS,
    clean_name,
    has_legal_form,
    is_address,
    is_contact,
)
from blocks.reader.ranking import Place, Ranked
from blocks.reader.sheet import Sheet, open_sheet
from blocks.reader.tables import TableReader
from blocks.records import FieldReading, Page, Signals
from blocks.text_classifier.classifier import READ_CHARACTERS
from blocks.values.typed_values import InvalidValue, fold, typed_value

LIKE_AT = 90.0
"""Least similarity (rapidfuzz ratio, of 100) of two names' letters that a scan may have bent."""
SHORTEST_LIKE = 8
PART_OF_NAME = 0.5
"""Least share of a longer name's letters that a shorter one at its beginning or end has."""
PEER_WEIGHT = 0.5
"""Weight of each other field's log odds in what the rest of a reply says: its fields may err together."""
HEAD_ROWS, HEAD, HEAD_PER_ROW = 4, 0.6, 0.3
"""Log odds of a line at the head of a document that the built-in reader does not take for a name, less by each row."""
REGISTERED = 0.4
"""Log odds that a legal form lends to a name: who is paid is a company; the sign above its name need not be."""
MOST_WEIGHT = 30.0
"""Weights above it are all certainty; their exponentials need not overflow."""
KEPT_LEXICONS = 64
_FIGURE = re.compile(r"-?\d+(?:\.\d+)?")
WHOLE = frozenset({FieldType.ENUM, FieldType.LIST, FieldType.TABLE})


@dataclass(frozen=True, slots=True)
class Seen:
    """A value that the built-in reader sees for a field, typed, and the probability that it is the right one."""

    value: JsonValue
    probability: float


class Witness:
    """The built-in reader's view of one document."""

    def __init__(self, document_type: DocumentType, seen: Mapping[str, tuple[Seen, ...]]) -> None:
        self._type = document_type
        self._seen = dict(seen)

    def of(self, field: str, value: JsonValue) -> tuple[float, float]:
        """The probability that the field has this very value, and that of the best other one; each 0 if it sees none.

        Values are compared as results hold them. An enum's value is a judgement, in which a small classifier counts for
        less than a reading: where it prefers another label, that one's lead is halved (in log odds).
        """
        rules = self._type.fields[field]
        try:
            typed = typed_value(rules, value, self._type.languages)
        except InvalidValue:
            typed = value
        same = rival = 0.0
        for one in self._seen.get(field, ()):
            share = alike(rules, one.value, typed)
            same = min(same + share * one.probability, 1.0)
            rival = max(rival, (1.0 - share) * one.probability)
        if rules.type is FieldType.ENUM and rival > same:
            rival = math.sqrt(max(same, SMALLEST) * rival)
        return same, rival


def bear_out(
    readings: Mapping[str, FieldReading], document_type: DocumentType, seen: Witness
) -> dict[str, FieldReading]:
    """A model's readings with what the witness says of each, and of the rest of the reply, among their signals.

    Written fields stand as they are: nothing on the page bears them out.
    """
    odds: dict[str, float] = {}
    views: dict[str, tuple[float, float]] = {}
    for name, reading in readings.items():
        field = document_type.fields.get(name)
        if field is None or field.written or reading.value is None:
            continue
        views[name] = seen.of(name, reading.value)
        if field.required or not _requires(document_type):
            odds[name] = PEER_WEIGHT * witness_log_odds(*views[name])
    told: dict[str, FieldReading] = {}
    for name, reading in readings.items():
        if name not in views:
            told[name] = reading
            continue
        others = [log_odds for other, log_odds in odds.items() if other != name]
        peers = _probability(sum(others)) if others else None
        witness, rival = views[name]
        signals = (reading.signals or Signals()).model_copy(update={"witness": witness, "rival": rival, "peers": peers})
        told[name] = reading.model_copy(update={"signals": signals})
    return told


def control_fields(document_type: DocumentType, asked: Collection[str]) -> tuple[str, ...]:
    """The fields to ask besides `asked`, whose answers are known well enough to judge the reply by: the required ones.

    A reply about unsure fields alone has no rest that could speak for it, and its true values are mostly doubted too.
    """
    return tuple(
        name
        for name, field in document_type.fields.items()
        if field.required and not field.written and name not in asked
    )


def witness(document_type: DocumentType, pages: tuple[Page, ...]) -> Witness:
    """Read a document once with the built-in reader and keep all that it weighed."""
    sheet = open_sheet(document_type, _lexicon(document_type), pages)
    ranker = FieldRanker(document_type, sheet)
    fields = {name: field for name, field in document_type.fields.items() if not field.written}
    ranked = {name: ranker.ranked(name) for name, field in fields.items() if field.type not in WHOLE}
    agree(document_type, ranked)
    _add_up(fields, ranked, pages)
    _head(fields, ranked, sheet)
    _registered(fields, ranked)
    seen = {name: _weighed(found) for name, found in ranked.items()}
    for name, field in fields.items():
        if field.type is FieldType.ENUM:
            seen[name] = _labels(name, document_type, pages)
        elif field.type is FieldType.LIST:
            seen[name] = _one(read_list(field, sheet.rows, sheet.labels_of(name), pages))
        elif field.type is FieldType.TABLE:
            table = _table(document_type, name).read(sheet.rows, sheet.table_ends(), pages, sheet.number_languages)
            seen[name] = _one(table)
    return Witness(document_type, seen)


def alike(field: DocumentField, seen: JsonValue, value: JsonValue) -> float:
    """How far two typed values of a field are the same, in [0, 1]: for lists and tables by the entries that they share.

    Names are the same where one begins or ends with the other, which has at least half of its letters, or where a scan
    bent them.
    """
    if isinstance(seen, list) and isinstance(value, list):
        mine, theirs = [_key(one) for one in seen], [_key(one) for one in value]
        shared = sum(one in theirs for one in mine)
        return shared / max(len(mine), len(theirs), 1)
    if field.type is FieldType.TEXT:
        return float(_same_text(str(seen), str(value)))
    return float(str(seen) == str(value))


def _key(entry: JsonValue) -> str:
    """An entry of a list or a table as it is compared: a row by its figures, in which readers differ least."""
    if isinstance(entry, dict):
        figures = [str(cell) for cell in entry.values() if _FIGURE.fullmatch(str(cell))]
        return "|".join(figures or [fold(str(cell)) for cell in entry.values()])
    return fold(str(entry))


def _same_text(one: str, other: str) -> bool:
    left, right = sorted((letters(one), letters(other)), key=len)
    if left == right:
        return True
    if not left or [c for c in left if c.isdigit()] != [c for c in right if c.isdigit()]:
        return False
    if (right.startswith(left) or right.endswith(left)) and len(left) >= PART_OF_NAME * len(right):
        return True
    return len(left) >= SHORTEST_LIKE and fuzz.ratio(left, right) >= LIKE_AT


def _add_up(fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]], pages: tuple[Page, ...]) -> None:
    """Let what adds up speak for the amounts that it makes, in fields that hold a whole sum. Changes `ranked`."""
    shares = rates([page.text for page in pages])
    for name, found in ranked.items():
        field = fields[name]
        if field.type is not FieldType.MONEY or not (field.hints.sum_of or field.hints.settled_below):
            continue
        places = sorted(_places(found))
        wholes, parts = borne_out([amount for _, amount in places], shares)
        for one in found:
            amount = Decimal(one.value)
            one.weight += ADDS_UP if amount in wholes else -ADDS_UP if amount in parts else 0.0
        rounded = rounded_from({Decimal(one.value): one.weight for one in found})
        for one in found:
            one.weight = max(one.weight, rounded.get(Decimal(one.value), one.weight))


def _head(fields: Mapping[str, DocumentField], ranked: dict[str, list[Ranked]], sheet: Sheet) -> None:
    """Let the first lines of a document be names too, though they do not look like one. Changes `ranked`."""
    for name, found in ranked.items():
        hints = fields[name].hints
        if hints.kind != "organisation" or hints.position != "top":
            continue
        known = {letters(one.value) for one in found}
        for at, row in enumerate(sheet.rows[:HEAD_ROWS]):
            cell = row.cells[0]
            text = clean_name(cell.text)
            if not _could_be_name(text) or any(letters(text) in one for one in known):
                continue
            weight = HEAD - HEAD_PER_ROW * at
            found.append(Ranked(text, [Place(Candidate(cell, 0, len(cell.text), text), weight)], weight))


def _registered(fields: Mapping[str, DocumentField], ranked: Mapping[str, list[Ranked]]) -> None:
    """Let a legal form speak for the name of who issues a document. Changes `ranked`."""
    for name, found in ranked.items():
        hints = fields[name].hints
        if hints.kind == "organisation" and hints.position == "top":
            for one in found:
                one.weight += REGISTERED if has_legal_form(one.value) else 0.0


def _could_be_name(text: str) -> bool:
    words = sum(c.isalpha() for c in text)
    is_wordy = words >= 3 and words >= 0.5 * len(text.replace(" ", "")) and len(text) <= MOST_LETTERS
    return is_wordy and not is_address(text) and not is_contact(text) and ":" not in text


def _places(ranked: list[Ranked]) -> Iterator[tuple[tuple[int, int], Decimal]]:
    for one in ranked:
        for place in one.places:
            yield (place.candidate.cell.row, place.candidate.cell.start + place.candidate.start), Decimal(one.value)


def _weighed(ranked: list[Ranked]) -> tuple[Seen, ...]:
    total = 1.0 + sum(math.exp(min(one.weight, MOST_WEIGHT)) for one in ranked)
    return tuple(Seen(one.value, calibrated(math.exp(min(one.weight, MOST_WEIGHT)) / total)) for one in ranked)


def _one(reading: FieldReading | None) -> tuple[Seen, ...]:
    return (Seen(reading.value, reading.confidence),) if reading is not None else ()


def _labels(name: str, document_type: DocumentType, pages: tuple[Page, ...]) -> tuple[Seen, ...]:
    """Every label of an enum field that the built-in classifier weighs; the printed one where one is printed."""
    from blocks.reader.enums import PRINTED_CONFIDENCE, enum_classifier, read_enum

    field = document_type.fields[name]
    reading = read_enum(name, field, document_type, pages)
    if reading is None or reading.confidence == PRINTED_CONFIDENCE:
        return _one(reading)
    text = "\n".join(page.text for page in pages)[:READ_CHARACTERS]
    scores = enum_classifier(name, field, document_type).predict([text])[0].scores
    return tuple(Seen(label, probability) for label, probability in scores.items())


_lexicons: dict[str, Lexicon] = {}
_tables: dict[str, TableReader] = {}


def _lexicon(document_type: DocumentType) -> Lexicon:
    """A type's lexicon, kept in the process."""
    key = document_type.score_digest
    known = _lexicons.get(key)
    if known is None:
        if len(_lexicons) >= KEPT_LEXICONS:
            _lexicons.clear()
        known = _lexicons[key] = Lexicon(document_type)
    return known


def _table(document_type: DocumentType, name: str) -> TableReader:
    """The reader of a type's table field, kept in the process."""
    key = f"{document_type.score_digest}:{name}"
    known = _tables.get(key)
    if known is None:
        if len(_tables) >= KEPT_LEXICONS:
            _tables.clear()
        known = _tables[key] = TableReader(document_type.fields[name])
    return known


def _requires(document_type: DocumentType) -> bool:
    return any(field.required for field in document_type.fields.values())


def _probability(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))
