"""Reads every field of a document by the type's own description: deterministic, offline, free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.document_reading import DocumentReading, FieldCandidate
from blocks.evidence.grounding import quoted
from blocks.evidence.traces import Remembered
from blocks.reader.agreement import agree
from blocks.reader.calibration import calibrated
from blocks.reader.charged_sums import charge_rows
from blocks.reader.fields import FieldRanker
from blocks.reader.lexicon import Lexicon, TypeVersion
from blocks.reader.lists import read_list
from blocks.reader.odds import weigh
from blocks.reader.persons import is_wanted
from blocks.reader.ranking import Ranked, shares
from blocks.reader.remembered import Memory, held_down
from blocks.reader.rubric import grade
from blocks.reader.several import other_documents
from blocks.reader.sheet import Sheet, open_sheet
from blocks.reader.sums import rates
from blocks.reader.tables import TableReader
from blocks.records import FieldReading, Page

VERSION = "11"
"""Raise it when pages may be read differently: it is part of fingerprints, and of the reader's name in rows."""
SEVERAL_DOCUMENTS = "several_documents"
"""The reason of a file that holds several documents of the type, with their numbers."""
MIN_CONFIDENCE = 0.1
"""Values with less are left out: in review they would only be noise."""
MIN_UNLABELLED = 0.5
"""The same for optional fields whose value is a guess: no label of the field stands beside it, a sentence states it, or
it is the name at the top.
"""
MIN_IBAN = 0.05
"""The same for an account number, which is known by its form: a mistyped one is shown, and never accepted."""
DEFAULT_CONFIDENCE = 0.3
TYPES_KEPT = 64
NOT_RANKED = frozenset({FieldType.ENUM, FieldType.LIST, FieldType.TABLE})


def read(
    document_type: DocumentType, pages: tuple[Page, ...], remembered: Sequence[Remembered] = ()
) -> DocumentReading:
    """Read every field that the pages show, and grade the criteria.

    The reader writes no text: written fields, and the criteria that judge them, are left out. `remembered` are decided
    documents that are like this one; without any, the reading depends on the pages and the type alone.
    """
    tools = _tools(TypeVersion(document_type.score_digest, document_type))
    sheet = open_sheet(document_type, tools.lexicon, pages)
    tables = {name: reader.read(sheet) for name, reader in tools.tables.items()}
    ranking = _Ranking(document_type, sheet, frozenset(row for _, rows in tables.values() for row in rows))
    fields = {name: rules for name, rules in document_type.fields.items() if not rules.written}
    ranked, several = ranking.ranked()
    best = ranking.best(ranked)
    if remembered:
        memory, plain = Memory(remembered, sheet), best
        ranked, found = ranking.ranked(memory)
        best = _held_down(fields, ranking.best(ranked), plain, ranked, memory)
        several = several or found
    candidates = weigh(fields, ranked, sheet)
    for name, rules in fields.items():
        if rules.type is FieldType.ENUM:
            from blocks.reader.enums import read_enum  # brings NumPy

            best[name], candidates[name] = read_enum(name, rules, document_type, pages, remembered)
        elif rules.type in NOT_RANKED:
            reading = tables[name][0] if rules.type is FieldType.TABLE else read_list(name, rules, sheet)
            best[name] = reading
            candidates[name] = () if reading is None else (FieldCandidate(reading.value, reading.confidence),)
    readings = ((name, best[name] or _default(rules)) for name, rules in fields.items())
    return DocumentReading(
        version=VERSION,
        fields={name: reading for name, reading in readings if reading is not None},
        criteria=grade(document_type.rubric, pages) if document_type.rubric is not None else (),
        candidates=candidates,
        doubts=(f"{SEVERAL_DOCUMENTS}:{','.join(several)}",) if several else (),
    )


@dataclass(frozen=True, slots=True)
class _Tools:
    """What is prepared once for all documents of a type."""

    lexicon: Lexicon
    tables: Mapping[str, TableReader]


class _Ranking:
    """Ranks the fields of one document: by its pages alone, and with the decided documents that are like it."""

    def __init__(self, document_type: DocumentType, sheet: Sheet, table_rows: frozenset[int]) -> None:
        self._type, self._sheet = document_type, sheet
        self._ranker = FieldRanker(document_type, sheet, table_rows)
        self._fields = {
            name: rules
            for name, rules in document_type.fields.items()
            if rules.type not in NOT_RANKED and not rules.written
        }
        self._printed = rates([page.text for page in sheet.pages])
        self._charges = charge_rows(sheet.rows, sheet.notation)

    def ranked(self, memory: Memory | None = None) -> tuple[dict[str, list[Ranked]], tuple[str, ...]]:
        """The values of each field, best first, after sums and parties agree, and the file's other documents."""
        found = {name: self._ranker.ranked(name, memory) for name in self._fields}
        several = other_documents(self._type.fields, found)
        agree(self._type, found, self._sheet.rate_rows, self._printed, self._charges)
        return found, several

    def best(self, ranked: Mapping[str, list[Ranked]]) -> dict[str, FieldReading | None]:
        """The value of each field that ranks first."""
        return {name: _best(self._fields[name], found, self._sheet.pages) for name, found in ranked.items()}


def _held_down(
    fields: Mapping[str, DocumentField],
    best: Mapping[str, FieldReading | None],
    plain: Mapping[str, FieldReading | None],
    ranked: Mapping[str, list[Ranked]],
    memory: Memory,
) -> dict[str, FieldReading | None]:
    """What was read with the memory, where few documents speak for it with less confidence; `plain` is without it."""
    support = {name: memory.support(name, fields[name], found[0].best) for name, found in ranked.items() if found}
    return {name: held_down(fields[name], best[name], plain[name], support.get(name, ())) for name in best}


@lru_cache(maxsize=TYPES_KEPT)
def _tools(version: TypeVersion) -> _Tools:
    fields = version.document_type.fields
    tables = {name: TableReader(rules) for name, rules in fields.items() if rules.type is FieldType.TABLE}
    return _Tools(Lexicon(version.document_type), tables)


def _best(rules: DocumentField, ranked: list[Ranked], pages: tuple[Page, ...]) -> FieldReading | None:
    """The value that ranks first, with its evidence, where it is sure enough."""
    if not ranked:
        return None
    confidence = min(calibrated(shares(ranked)[0]), _share_of_figures(ranked))
    if confidence < _min_confidence(rules, ranked[0]):
        return None
    best = ranked[0].best
    page = next(page for page in pages if page.number == best.cell.page)
    first = quoted(page, best.cell.start + best.start, best.cell.start + best.end)
    more = (quoted(page, cell.start, cell.end) for cell in best.more)
    printed = best.quote if best.is_written_otherwise else None
    return FieldReading(value=best.value, confidence=confidence, evidence=(first, *more), printed=printed)


def _share_of_figures(ranked: list[Ranked]) -> float:
    """How likely the best value is among those that the same figures may mean: nothing else in the document helps."""
    rivals = [
        value for value in ranked if value.best.place == ranked[0].best.place and value.best.end == ranked[0].best.end
    ]
    return shares(rivals)[0] if len(rivals) > 1 else 1.0


def _min_confidence(rules: DocumentField, ranked: Ranked) -> float:
    if rules.required:
        return MIN_CONFIDENCE
    if rules.type is FieldType.IBAN:
        return MIN_IBAN
    is_guess = bool(rules.aliases) and not ranked.places[0].is_labelled
    return MIN_UNLABELLED if is_guess or rules.hints.stated or is_wanted(rules) else MIN_CONFIDENCE


def _default(rules: DocumentField) -> FieldReading | None:
    return None if rules.default is None else FieldReading(value=rules.default, confidence=DEFAULT_CONFIDENCE)
