"""Judgements on single fields: one field of many documents is looked at in a row, by its cut-outs.

A judgement decides nothing: the document still waits until a person decides on it. It belongs to the version of the
item that was shown; a later result of the document makes it void.
"""

from collections.abc import Iterable
from datetime import datetime

from pydantic import JsonValue

from blocks.document_types.schema import DocumentType, FieldType
from blocks.review.errors import InvalidDecision, UnknownField
from blocks.review.reasons import fields_named
from blocks.review.records import FieldJudgement, Item, ItemKind, Judged, Person
from blocks.review.rules import check_open


def judgeable_fields(document_type: DocumentType) -> tuple[str, ...]:
    """The fields whose value can be compared with a cut-out at a glance: no tables."""
    return tuple(name for name, field in document_type.fields.items() if field.type is not FieldType.TABLE)


def is_judgeable(item: Item, field: str, document_type: DocumentType) -> bool:
    """Whether the item has a value of the field that is in doubt and stands in a quote of the document.

    Every value of a random audit is in doubt. Values of blind audits are shown to nobody.
    """
    if item.is_blind or item.kind is ItemKind.FAILURE or field not in judgeable_fields(document_type):
        return False
    if item.fields.get(field) is None or not item.evidence.get(field):
        return False
    return item.kind is ItemKind.AUDIT or any(field in fields_named(reason, document_type) for reason in item.reasons)


def judged_value(
    item: Item, given: FieldJudgement, person: Person, document_type: DocumentType | None, at: datetime
) -> JsonValue:
    """The value that the judgement is about. Raises a leaf of `ReviewError` where the judgement is not allowed."""
    check_open(item, person, at)
    if item.is_blind:
        raise InvalidDecision(
            f"review item {item.review_id} is a blind audit: read its values on its own page, before you see these"
        )
    known = () if document_type is None else judgeable_fields(document_type)
    if given.field not in known:
        raise UnknownField(given.field, known)
    value = item.fields.get(given.field)
    if value is None:
        raise InvalidDecision(f"review item {item.review_id} has no value of {given.field} to judge; correct it")
    return value


def that_count(item: Item, judged: Iterable[Judged], name: str) -> dict[str, Judged]:
    """The judgement on each field that counts for this person, of `judged` in the order of time.

    Where two persons must decide, each counts on their own judgements only.
    """
    return {found.field: found for found in judged if item.decisions_needed < 2 or found.by == name}
