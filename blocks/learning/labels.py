"""Labels: what the fields of a document are as people know it, and which labels count.

A label comes from a final decision of review, or from an imported file. `value` is the typed value as results have it;
None says that the field is not on the document. That a field cannot be read is no label: then there is none.
A rejection says nothing of values, so it makes no label. A reclassification is a label of `TYPE_FIELD`, whose value is
the right type.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType
from blocks.learning.errors import DrawInvalid, LabelRefused
from blocks.records import Record
from blocks.values.given_values import GivenFieldUnknown, GivenValueInvalid, given_value, raw_of_text
from blocks.values.typed_values import NUMERIC

TYPE_FIELD = "document_type"
"""The field of a label that says of which type a document is, unless its type has a field of that name."""
FOLDS = 5


class Origin(StrEnum):
    """How a label came."""

    QUEUE = "queue"
    AUDIT = "audit"
    BLIND_AUDIT = "blind_audit"
    IMPORT = "import"


class Label(Record):
    """A field's value as a person knows it. `type_version` is empty where no run tells it.

    `label_id` is `i` and a number for imported labels, else `d`, the number of the decision's event, and the field.
    `drawn_with` is the probability, in (0, 1], with which the document was drawn from all of its type; None says that
    it was chosen, so that it proves nothing about the others.
    """

    label_id: str
    document_id: str
    document_type: str
    type_version: str
    field: str
    value: JsonValue
    labelled_by: str
    labelled_at: datetime
    origin: Origin
    drawn_with: float | None = None
    import_id: int | None = None


def that_count(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The labels of one document that count, by field.

    The latest label of each field counts, among those of the type that the latest label of the document has. Chance
    drew the document once and for all: a later label that does not say so has the probability of the one before it.
    Otherwise documents that are decided because they are hard would leave the sample.
    """
    by_time = sorted(labels, key=lambda label: label.labelled_at)
    counting: dict[str, Label] = {}
    for label in (each for each in by_time if each.document_type == by_time[-1].document_type):
        before = counting.get(label.field)
        if label.drawn_with is None and before is not None and before.drawn_with is not None:
            label = label.model_copy(update={"drawn_with": before.drawn_with})  # noqa: PLW2901 - the label as it counts
        counting[label.field] = label
    return tuple(counting[name] for name in sorted(counting))


def fold_of(document_id: str, issuer_key: str | None = None, *, folds: int = FOLDS) -> int:
    """The fold of a document, from 0: one for all documents of an issuer. Give twins one `document_id`.

    What was learnt from the other folds is measured on this one.
    """
    key = f"issuer:{issuer_key}" if issuer_key else f"document:{document_id}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % folds


def proves(text_digest: str, issuer_key: str = "") -> bool:
    """Whether a document's labels only prove, where its type asks for a strict split; else they only teach.

    Half of the issuers prove, with all of their documents, and half of the documents without a known issuer. It follows
    from the document alone: no setting and no other document changes it.
    """
    return fold_of(text_digest, issuer_key, folds=2) == 1


def probability_of(text: str) -> float | None:
    """The probability that `all`, `random:P` or `chosen` says; P is a number or a percentage. Raises `DrawInvalid`."""
    word, _, share = text.strip().lower().partition(":")
    if not share:
        if word in {"all", "chosen"}:
            return 1.0 if word == "all" else None
        raise DrawInvalid(text)
    try:
        is_percentage = share.endswith("%")
        probability = float(share.removesuffix("%")) / (100 if is_percentage else 1)
    except ValueError as error:
        raise DrawInvalid(text) from error
    if word != "random" or not 0 < probability <= 1:
        raise DrawInvalid(text)
    return probability


class NewLabel(Record):
    """A label that a row of a file states, before it is known whether it is new.

    What a row may leave open is None: by whom, and when. Without a column, the type's version is today's.
    """

    document_id: str
    document_type: str
    type_version: str
    field: str
    value: JsonValue
    labelled_by: str | None
    labelled_at: datetime | None
    origin: Origin
    drawn_with: float | None


Cells = Mapping[str, JsonValue]
"""A row of a file by the names of its columns; what a csv file has are texts."""

OPTIONAL_COLUMNS = ("document_type", "type_version", "labelled_by", "labelled_at", "origin", "drawn_with")


def new_label(document_id: str, known_type: str, cells: Cells, types: Mapping[str, DocumentType]) -> NewLabel:
    """The label that a row states of a document of `known_type`, unless the row has another type.

    Raises `LabelRefused`, whose message says what is wrong.
    """
    name = _text(cells, "document_type") or known_type
    if name not in types:
        known = ", ".join(sorted(types))
        raise LabelRefused(
            f"the document is of type {name}, which is none of: {known}; name its type in a column document_type"
            if name
            else "the document has no type yet; name it in a column document_type"
        )
    document_type, field = types[name], _text(cells, "field")
    if not field:
        raise LabelRefused("the field is missing")
    if field == TYPE_FIELD and field not in document_type.fields:
        document_type = _named_type(cells["value"], types)
        value: JsonValue = document_type.name
    else:
        value = typed_label(document_type, field, cells["value"])
    return NewLabel(
        document_id=document_id,
        document_type=document_type.name,
        type_version=_text(cells, "type_version") if "type_version" in cells else document_type.version,
        field=field,
        value=value,
        labelled_by=_text(cells, "labelled_by") or None,
        labelled_at=_time(cells),
        origin=_origin(cells),
        drawn_with=_drawn_with(cells),
    )


def typed_label(document_type: DocumentType, field: str, raw: JsonValue) -> JsonValue:
    """The typed value of what a row has for a field; None for an empty cell. Raises `LabelRefused`.

    A table is a list of rows, in a text as JSON; a list is JSON too, or has commas between its entries.
    """
    try:
        if isinstance(raw, str):
            raw = raw_of_text(document_type, field, raw)
        return given_value(document_type, field, raw)
    except (GivenFieldUnknown, GivenValueInvalid) as error:
        raise LabelRefused(str(error)) from error


def written_value(field: DocumentField | None, value: JsonValue) -> JsonValue:
    """A typed value as a file has it: `typed_label` reads it back as the same value in every language.

    1.234 is a thousand in some languages, and 1.2340 in none.
    """
    if field is None:
        return value
    if isinstance(value, list) and field.columns:
        return [written_value(field, row) for row in value]
    if isinstance(value, dict):
        return {name: written_value(field.columns.get(name), cell) for name, cell in value.items()}
    if field.type in NUMERIC and isinstance(value, str) and len(value.partition(".")[2]) == 3:
        return f"{value}0"
    return value


def _text(cells: Cells, column: str) -> str:
    value = cells.get(column)
    return "" if value is None else str(value).strip()


def _named_type(value: JsonValue, types: Mapping[str, DocumentType]) -> DocumentType:
    if not isinstance(value, str) or value.strip() not in types:
        raise LabelRefused(f"no document type is called {value!r}; there are: {', '.join(sorted(types))}")
    return types[value.strip()]


def _time(cells: Cells) -> datetime | None:
    text = _text(cells, "labelled_at")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise LabelRefused(f"labelled_at is {text!r}; write a time such as 2026-11-30T12:00:00+00:00") from error
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if at > datetime.now(UTC):
        raise LabelRefused(f"labelled_at is {text}, which is still to come")
    return at


def _origin(cells: Cells) -> Origin:
    text = _text(cells, "origin")
    try:
        return Origin(text) if text else Origin.IMPORT
    except ValueError as error:
        raise LabelRefused(f"origin is {text!r}; it is one of: {', '.join(Origin)}, or empty") from error


def _drawn_with(cells: Cells) -> float | None:
    text = _text(cells, "drawn_with")
    if not text:
        return None
    try:
        return probability_of(f"random:{text}")
    except DrawInvalid as error:
        raise LabelRefused(
            f"drawn_with is {text!r}; it is a probability over 0 and up to 1, or empty for a chosen document"
        ) from error
