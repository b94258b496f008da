"""The local model: answers the Model protocol out of a type's own description."""

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.grounding import quoted
from blocks.gateway.model import ModelReply, ModelRequest, Usage
from blocks.reader.agreement import agree
from blocks.reader.calibration import calibrated
from blocks.reader.fields import FieldRanker
from blocks.reader.lexicon import Lexicon
from blocks.reader.lists import read_list
from blocks.reader.persons import is_wanted
from blocks.reader.ranking import Ranked, confidence
from blocks.reader.sheet import open_sheet
from blocks.reader.tables import TableReader
from blocks.records import LOCAL, CriterionReading, FieldReading, Page

MIN_CONFIDENCE = 0.1
"""Readings less sure than this are left out: in review they would only be noise."""
MIN_UNLABELLED = 0.5
"""The same for an optional field that has labels, none of which stands beside the value, that sentences state, or that
is the name at the top.
"""
DEFAULT_CONFIDENCE = 0.3
KEPT_LEXICONS = 64


class LocalModel:
    """Deterministic, offline, free. `version` stands for the code of this package."""

    name = LOCAL
    version = "2"

    def __init__(self) -> None:
        self._lexicons: dict[str, Lexicon] = {}
        self._tables: dict[tuple[str, str], TableReader] = {}

    def answer(self, request: ModelRequest) -> ModelReply:
        """Read every field that the pages show, and grade the criteria. It writes no text, and so judges none."""
        return ModelReply(
            model=self.name,
            model_version=self.version,
            fields=self._read(request.document_type, request.pages),
            criteria=_grade(request.document_type, request.pages),
            usage=Usage(input_characters=sum(len(page.text) for page in request.pages)),
        )

    def _lexicon(self, document_type: DocumentType) -> Lexicon:
        key = document_type.score_digest
        if key not in self._lexicons:
            if len(self._lexicons) >= KEPT_LEXICONS:
                self._lexicons.clear()
            self._lexicons[key] = Lexicon(document_type)
        return self._lexicons[key]

    def _table(self, document_type: DocumentType, name: str) -> TableReader:
        key = (document_type.score_digest, name)
        if key not in self._tables:
            if len(self._tables) >= KEPT_LEXICONS:
                self._tables.clear()
            self._tables[key] = TableReader(document_type.fields[name])
        return self._tables[key]

    def _read(self, document_type: DocumentType, pages: tuple[Page, ...]) -> dict[str, FieldReading]:
        sheet = open_sheet(document_type, self._lexicon(document_type), pages)
        ranker = FieldRanker(document_type, sheet)
        special = {FieldType.ENUM, FieldType.LIST, FieldType.TABLE}
        fields = {name: field for name, field in document_type.fields.items() if not field.written}
        ranked = {name: ranker.ranked(name) for name, field in fields.items() if field.type not in special}
        agree(document_type, ranked)
        readings: dict[str, FieldReading] = {}
        for name, field in fields.items():
            reading: FieldReading | None
            if field.type is FieldType.TABLE:
                reading = self._table(document_type, name).read(
                    sheet.rows, sheet.table_ends(), pages, sheet.number_languages
                )
            elif field.type is FieldType.LIST:
                reading = read_list(field, sheet.rows, sheet.labels_of(name), pages)
            elif field.type is FieldType.ENUM:
                reading = _read_enum(name, field, document_type, pages)
            else:
                reading = _scalar(field, ranked[name], pages)
            if reading is None and field.default is not None:
                reading = FieldReading(value=field.default, confidence=DEFAULT_CONFIDENCE)
            if reading is not None:
                readings[name] = reading
        return readings


def _scalar(field: DocumentField, ranked: list[Ranked], pages: tuple[Page, ...]) -> FieldReading | None:
    if not ranked:
        return None
    sure = calibrated(confidence(ranked))
    if sure < _needed(field, ranked[0]):
        return None
    best = ranked[0].best
    page = next(page for page in pages if page.number == best.cell.page)
    first = quoted(page, best.cell.start + best.start, best.cell.start + best.end)
    more = (quoted(page, cell.start, cell.end) for cell in best.more)
    return FieldReading(value=best.value, confidence=sure, evidence=(first, *more))


def _needed(field: DocumentField, ranked: Ranked) -> float:
    if field.required:
        return MIN_CONFIDENCE
    is_guess = bool(field.aliases) and not ranked.places[0].is_labelled
    return MIN_UNLABELLED if is_guess or field.hints.stated or is_wanted(field) else MIN_CONFIDENCE


def _read_enum(
    name: str, field: DocumentField, document_type: DocumentType, pages: tuple[Page, ...]
) -> FieldReading | None:
    from blocks.reader.enums import read_enum

    return read_enum(name, field, document_type, pages)


def _grade(document_type: DocumentType, pages: tuple[Page, ...]) -> tuple[CriterionReading, ...]:
    rubric = document_type.rubric
    criteria = tuple(one for one in rubric.criteria if one.judges is None) if rubric is not None else ()
    if rubric is None or not criteria:
        return ()
    from blocks.reader.rubric import grade

    return grade(rubric.model_copy(update={"criteria": criteria}), pages)
