"""What the item page shows: doubtful fields first, each with its value, its evidence and its reasons in words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue

from blocks.database.review.shown_documents import ShownDocument
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.document_reading import DocumentReading
from blocks.evidence.findings import LIKELY_AT
from blocks.evidence.unread_rows import unread_rows
from blocks.records import Evidence
from blocks.review import reasons
from blocks.review.records import Item, ItemKind, Judged, Judgement
from blocks.values.typed_values import NUMERIC
from deployments.review_app import words
from deployments.review_app.page_view import Crop, PageView, crops, page_views, placed
from deployments.review_app.rivals import Choices, choices

LONG_TEXT = 60
MAX_CROPS = 4
NOT_JUDGED: Mapping[str, Judged] = MappingProxyType({})
NOT_READ = DocumentReading(version="")


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column of a table; the rows of a number's column are summed."""

    name: str
    type: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field. `text` is its value as it is typed; `raw` a reading that is no value of the type.

    `judged` is what somebody found about it in a strip.
    """

    name: str
    type: str
    text: str
    value: JsonValue
    raw: str
    confidence: float
    band: str
    is_doubtful: bool
    is_required: bool
    is_long: bool
    hint: str
    reasons: tuple[str, ...]
    options: tuple[str, ...]
    columns: tuple[ColumnView, ...]
    rows: tuple[Mapping[str, str], ...]
    crops: tuple[Crop, ...]
    unread_rows: tuple[str, ...] = ()
    """Lines of the page that look like rows of this table, and were not read."""
    judged: Judged | None = None
    choices: Choices | None = None

    @property
    def is_found_wrong(self) -> bool:
        """Whether the page stops here first."""
        return self.judged is not None and self.judged.judgement is not Judgement.RIGHT


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item with its document. `reasons` are those about the document."""

    item: Item
    name: str
    place: str
    type_title: str
    reasons: tuple[str, ...]
    fields: tuple[FieldView, ...]
    pages: tuple[PageView, ...]
    page_count: int
    reject_reasons: tuple[str, ...]
    has_values: bool
    state: Mapping[str, Any]


def item_view(
    item: Item,
    shown: ShownDocument,
    document_type: DocumentType | None,
    judged: Mapping[str, Judged] = NOT_JUDGED,
    reading: DocumentReading = NOT_READ,
) -> ItemView:
    """The view. In a blind audit, it has neither the values nor where they were read.

    `reading` is the built-in reader's, for the choices of doubtful fields.
    """
    evidence = {} if item.is_blind else item.evidence
    fields = _fields(item, shown, document_type, evidence, judged) if item.kind is not ItemKind.FAILURE else ()
    if document_type is not None and not item.is_blind:
        fields = tuple(
            replace(field, choices=choices(document_type, field.name, field.value, reading))
            if field.is_doubtful
            else field
            for field in fields
        )
    names = {view.name for view in fields}
    about_document = [
        reason
        for reason in item.reasons
        if names.isdisjoint(reasons.fields_named(reason, document_type))  # those stand at their fields
    ]
    document = shown.document
    name = words.file_name(document.uri) + (f" · {document.part}" if document.part else "")
    return ItemView(
        item=item,
        name=name,
        place=document.uri,
        type_title=document_type.title if document_type is not None else words.label(item.document_type),
        reasons=tuple(reasons.sentence(reason) for reason in about_document),
        fields=fields,
        pages=tuple(page_views(shown, evidence)),
        page_count=len(shown.pages),
        reject_reasons=document_type.review.reject_reasons if document_type is not None else (),
        has_values=bool(fields),
        state=_state(item, shown, fields, evidence),
    )


def _fields(
    item: Item,
    shown: ShownDocument,
    document_type: DocumentType | None,
    evidence: Mapping[str, Sequence[Evidence]],
    judged: Mapping[str, Judged],
) -> tuple[FieldView, ...]:
    if document_type is None:
        return ()
    views = [
        replace(
            _field(item, shown, document_type, name, field, evidence.get(name, ())),
            judged=judged.get(name),
            unread_rows=_unread_rows(name, shown, evidence) if field.type is FieldType.TABLE else (),
        )
        for name, field in document_type.fields.items()
    ]
    doubtful = [view for view in views if view.is_doubtful]
    doubtful.sort(key=lambda view: (not view.is_found_wrong, view.judged is not None, view.confidence))
    return (*doubtful, *(view for view in views if not view.is_doubtful))


def _unread_rows(name: str, shown: ShownDocument, evidence: Mapping[str, Sequence[Evidence]]) -> tuple[str, ...]:
    others = [quote for other, quotes in evidence.items() if other != name for quote in quotes]
    return tuple(line for page in shown.pages for line in unread_rows(page, evidence.get(name, ()), others))


def _field(
    item: Item,
    shown: ShownDocument,
    document_type: DocumentType,
    name: str,
    field: DocumentField,
    quotes: Sequence[Evidence],
) -> FieldView:
    value = None if item.is_blind else item.fields.get(name)
    confidence = item.confidences.get(name, 0.0)
    own = [reason for reason in item.reasons if name in reasons.fields_named(reason, document_type)]
    raw = next(filter(None, map(reasons.raw_of, own)), "")
    rows = value if field.type is FieldType.TABLE and isinstance(value, list) else []
    text = words.shown(value) or raw
    return FieldView(
        name=name,
        type=str(field.type),
        text="" if field.type is FieldType.TABLE else text,
        value=value,
        raw=raw,
        confidence=confidence,
        band=_band(confidence, document_type.review.accept_at) if own or value is not None else "unread",
        is_doubtful=bool(own) or item.kind is ItemKind.AUDIT,
        is_required=field.required,
        is_long=field.written or len(text) > LONG_TEXT,
        hint=field.description,
        reasons=tuple(_in_words(reason, confidence, document_type) for reason in own),
        options=field.enum,
        columns=tuple(
            ColumnView(column, str(known.type), known.type in NUMERIC) for column, known in field.columns.items()
        ),
        rows=tuple({key: words.shown(cell) for key, cell in row.items()} for row in rows if isinstance(row, dict)),
        crops=tuple(crops(shown, quotes[:MAX_CROPS])),
    )


def _in_words(reason: str, confidence: float, document_type: DocumentType) -> str:
    if reason.startswith("low_confidence:"):
        needed = document_type.review.accept_at
        return f"Right with {words.share(confidence)}; the type asks for {words.share(needed)}."
    sentence = reasons.sentence(reason)
    for name in document_type.fields if reason.startswith("contradiction:") else ():
        sentence = re.sub(rf"\b{re.escape(name)}\b", words.label(name), sentence)
    return sentence


def _band(confidence: float, accept_at: float) -> str:
    if confidence >= accept_at:
        return "sure"
    return "unsure" if confidence >= LIKELY_AT else "doubt"


def _state(
    item: Item, shown: ShownDocument, fields: Sequence[FieldView], evidence: Mapping[str, Sequence[Evidence]]
) -> Mapping[str, Any]:
    """What the page's script needs to know."""
    by_number = {page.number: page for page in shown.pages}
    return {
        "id": item.review_id,
        "version": item.version,
        "is_open": item.status == "open",
        "is_blind": item.is_blind,
        "fields": {
            field.name: {
                "type": field.type,
                "text": field.text,
                "rows": list(field.rows),
                "options": list(field.options),
                "evidence": [_located(found, by_number) for found in evidence.get(field.name, ())],
            }
            for field in fields
        },
    }


def _located(found: Evidence, by_number: Mapping[int, Any]) -> dict[str, Any]:
    page = by_number.get(found.page)
    box = placed(page, found) if page is not None else found.box
    return {"page": found.page, "quote": found.quote, "box": box}
