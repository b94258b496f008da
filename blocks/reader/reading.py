"""Reads a whole document out of a type's own description: deterministic, offline, free."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.document_reading import DocumentReading, FieldCandidate
from blocks.evidence.grounding import quoted
from blocks.reader.agreement import agree
from blocks.reader.calibration import calibrated
from blocks.reader.fields import FieldRanker
from blocks.reader.lexicon import Lexicon
from blocks.reader.lists import read_list
from blocks.reader.odds import weigh
from blocks.reader.persons import is_wanted
from blocks.reader.ranking import Ranked, confidence
from blocks.reader.sheet import open_sheet
from blocks.reader.tables import TableReader
from blocks.records import CriterionReading, FieldReading, Page

VERSION = "2"
"""Raised whenever the same pages may be read differently: it is part of fingerprints, and of the name in rows."""
MIN_CONFIDENCE = 0.1
"""Values less sure than this are left out: in review they would only be noise."""
MIN_UNLABELLED = 0.5
"""The same for an optional field that has labels, none of which stands beside the value, that sentences state, or that
is the name at the top.
"""
DEFAULT_CONFIDENCE = 0.3
TYPES_KEPT = 64
NOT_RANKED = frozenset({FieldType.ENUM, FieldType.LIST, FieldType.TABLE})


def read(document_type: DocumentType, pages: tuple[Page, ...]) -> DocumentReading:
    """Read every field that the pages show, and grade the criteria, in one pass.

    It writes no text: written fields, and the criteria that judge them, are left out.
    """
    tools = _tools(_TypeVersion(document_type.score_digest, document_type))
    sheet = open_sheet(document_type, tools.lexicon, pages)
    ranker = FieldRanker(document_type, sheet)
    fields = {name: rules for name, rules in document_type.fields.items() if not rules.written}
    ranked = {name: ranker.ranked(name) for name, rules in fields.items() if rules.type not in NOT_RANKED}
    agree(document_type, ranked)
    best = {name: _best(fields[name], found, pages) for name, found in ranked.items()}
    candidates = weigh(fields, ranked, sheet)
    for name, rules in fields.items():
        if rules.type is FieldType.TABLE:
            best[name] = tools.tables[name].read(sheet.rows, sheet.table_ends(), pages, sheet.number_languages)
        elif rules.type is FieldType.LIST:
            best[name] = read_list(rules, sheet.rows, sheet.labels_of(name), pages)
        elif rules.type is FieldType.ENUM:
            best[name], candidates[name] = _read_enum(name, rules, document_type, pages)
        if rules.type in {FieldType.TABLE, FieldType.LIST}:
            candidates[name] = only_candidate(best[name])
    readings = ((name, best[name] or _default(rules)) for name, rules in fields.items())
    return DocumentReading(
        version=VERSION,
        fields={name: reading for name, reading in readings if reading is not None},
        criteria=_grade(document_type, pages),
        candidates=candidates,
    )


def only_candidate(reading: FieldReading | None) -> tuple[FieldCandidate, ...]:
    """The candidates of a field for which nothing but its best value is weighed."""
    return () if reading is None else (FieldCandidate(reading.value, reading.confidence),)


@dataclass(frozen=True, slots=True)
class _TypeVersion:
    """A type, equal to any other of which the reader reads the same."""

    digest: str
    document_type: DocumentType = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Tools:
    """What is prepared once for all documents of a type."""

    lexicon: Lexicon
    tables: Mapping[str, TableReader]


@lru_cache(maxsize=TYPES_KEPT)
def _tools(version: _TypeVersion) -> _Tools:
    fields = version.document_type.fields
    tables = {name: TableReader(rules) for name, rules in fields.items() if rules.type is FieldType.TABLE}
    return _Tools(Lexicon(version.document_type), tables)


def _best(rules: DocumentField, ranked: list[Ranked], pages: tuple[Page, ...]) -> FieldReading | None:
    """The value that ranks first, with its evidence, where it is sure enough."""
    if not ranked:
        return None
    sure = calibrated(confidence(ranked))
    if sure < _min_confidence(rules, ranked[0]):
        return None
    best = ranked[0].best
    page = next(page for page in pages if page.number == best.cell.page)
    first = quoted(page, best.cell.start + best.start, best.cell.start + best.end)
    more = (quoted(page, cell.start, cell.end) for cell in best.more)
    return FieldReading(value=best.value, confidence=sure, evidence=(first, *more))


def _min_confidence(rules: DocumentField, ranked: Ranked) -> float:
    if rules.required:
        return MIN_CONFIDENCE
    is_guess = bool(rules.aliases) and not ranked.places[0].is_labelled
    return MIN_UNLABELLED if is_guess or rules.hints.stated or is_wanted(rules) else MIN_CONFIDENCE


def _default(rules: DocumentField) -> FieldReading | None:
    return None if rules.default is None else FieldReading(value=rules.default, confidence=DEFAULT_CONFIDENCE)


def _read_enum(
    name: str, rules: DocumentField, document_type: DocumentType, pages: tuple[Page, ...]
) -> tuple[FieldReading | None, tuple[FieldCandidate, ...]]:
    from blocks.reader.enums import read_enum  # brings scikit-learn

    return read_enum(name, rules, document_type, pages)


def _grade(document_type: DocumentType, pages: tuple[Page, ...]) -> tuple[CriterionReading, ...]:
    rubric = document_type.rubric
    criteria = tuple(criterion for criterion in rubric.criteria if criterion.judges is None) if rubric else ()
    if rubric is None or not criteria:
        return ()
    from blocks.reader.rubric import grade

    return grade(rubric.model_copy(update={"criteria": criteria}), pages)
