"""Strips: one field of one type over the next items, as cut-outs with the value under each. One key judges a field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Response
from pydantic import ValidationError

from blocks.database.review import claims
from blocks.database.review.item_content import read_item
from blocks.database.review.judgements import judge, undo_judgement
from blocks.database.review.queue import count_open_by_type
from blocks.database.review.strips import STRIP_ITEMS, Strip, count_audits, count_unsure_fields, strip_items
from blocks.review.errors import InvalidDecision
from blocks.review.judgements import judgeable_fields
from blocks.review.records import FieldJudgement, Item
from deployments.review_app import words
from deployments.review_app.call import Call
from deployments.review_app.page_view import Crop, crops

BEAT_S = claims.CLAIM_S / 4


@dataclass(frozen=True, slots=True)
class CutOut:
    """A field of an item: where it stands, and what was read there."""

    item: Item
    name: str
    text: str
    confidence: float | None
    crop: Crop


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """A field that a strip may have, and in how many items it is not sure enough."""

    field: str
    items: int


@dataclass(frozen=True, slots=True)
class TypeChoices:
    """The strips of a type."""

    name: str
    title: str
    items: int
    audits: int
    fields: tuple[FieldChoice, ...]


def strip(call: Call) -> Response:
    """A strip of the field that the address names; without one, the fields to choose from."""
    type_name = call.query.get("type", "")
    if not type_name or not call.query.get("field"):
        return call.page("strips.html", types=_choices(call))
    document_type = call.site.types.get(type_name)
    if document_type is None or call.query["field"] not in judgeable_fields(document_type):
        raise InvalidDecision("there is no strip of this field; /strip shows the fields to choose from")
    wanted = _wanted(call)
    items = strip_items(call.site.database, wanted, document_type, call.who)
    shown = [cut for item in items if (cut := _cut_out(call, item, wanted.field)) is not None]
    return call.page(
        "strip.html",
        wanted=wanted,
        title=document_type.title,
        hint=document_type.fields[wanted.field].description,
        cuts=shown,
        without_place=len(items) - len(shown),
        more=_address(wanted, after=items[-1].review_id) if len(items) == STRIP_ITEMS else None,
        first=_address(wanted),
        is_behind=wanted.after is not None,
        beat_s=BEAT_S,
    )


def claim_strip(call: Call) -> Response:
    """Take the items of the strip that nobody else has, or renew the claims; the versions by id."""
    versions = claims.claim_all(call.site.database, _ids(call), call.who)
    return call.answer({"versions": {str(review_id): version for review_id, version in versions.items()}})


def release_strip(call: Call) -> Response:
    """Let others have the items."""
    return call.answer({"released": claims.release_all(call.site.database, _ids(call), call.who)})


def cutout(call: Call) -> Response:
    """The cut-out of a field as JPEG, or the reason why there is none. A blind audit has none."""
    item = read_item(call.site.database, int(call.path["id"]))
    crop = _crop(call, item, str(call.path["field"]))
    if crop is None or crop.view is None:
        return call.answer({"error": "there is no picture of this field", "kind": "no_picture"}, 404)
    shown = call.site.documents.get(item.document_id, item.fingerprint)
    return call.jpeg(call.site.documents.cutout(shown, crop.page, crop.view, crop.size[0]))


def judge_field(call: Call) -> Response:
    """Record what the person found about a field of the version on the screen."""
    given = call.given(FieldJudgement, "judgement")
    judged = judge(call.site.database, given, call.who, call.site.types)
    return call.answer({"judgement": str(judged.judgement)})


def undo_field(call: Call) -> Response:
    """Take the person's last judgement on a field back."""
    undo_judgement(call.site.database, int(call.path["id"]), str(call.json.get("field", "")), call.who)
    return call.answer({})


def _choices(call: Call) -> list[TypeChoices]:
    database, types = call.site.database, call.site.types
    unsure = count_unsure_fields(database, types, call.who)
    audits = count_audits(database, call.who)
    choices = []
    for count in count_open_by_type(database):
        document_type = types.get(count.document_type)
        if document_type is None:
            continue
        counts = {found.field: found.items for found in unsure if found.document_type == count.document_type}
        fields = [FieldChoice(name, counts.get(name, 0)) for name in judgeable_fields(document_type)]
        fields.sort(key=lambda choice: -choice.items)
        choices.append(
            TypeChoices(
                document_type.name, document_type.title, count.items, audits.get(document_type.name, 0), tuple(fields)
            )
        )
    return choices


def _wanted(call: Call) -> Strip:
    query = call.query
    given: dict[str, Any] = {"document_type": query["type"], "field": query["field"]}
    given |= {name: query[name] for name in ("kind", "after") if query.get(name)}
    try:
        return Strip.model_validate(given)
    except ValidationError as error:
        raise InvalidDecision("this strip has no meaning; /strip shows the fields to choose from") from error


def _address(wanted: Strip, after: int | None = None) -> str:
    parts = {"type": wanted.document_type, "field": wanted.field, "kind": wanted.kind, "after": after}
    return f"/strip?{urlencode({name: value for name, value in parts.items() if value is not None})}"


def _cut_out(call: Call, item: Item, field: str) -> CutOut | None:
    crop = _crop(call, item, field)
    if crop is None:
        return None
    document = call.site.documents.get(item.document_id, item.fingerprint).document
    name = words.file_name(document.uri) + (f" · {document.part}" if document.part else "")
    return CutOut(item, name, words.shown(item.fields[field]), item.confidences.get(field), crop)


def _crop(call: Call, item: Item, field: str) -> Crop | None:
    """The first place of the field that can be shown."""
    if item.is_blind:
        return None
    shown = call.site.documents.get(item.document_id, item.fingerprint)
    found = crops(shown, item.evidence.get(field, ()))
    return next((crop for crop in found if crop.view is not None or crop.quote), None)


def _ids(call: Call) -> Sequence[int]:
    ids = call.json.get("ids")
    found = [id_ for id_ in ids if isinstance(id_, int)] if isinstance(ids, list) else []
    if len(found) > STRIP_ITEMS:
        raise InvalidDecision(f"a strip has at most {STRIP_ITEMS} items")
    return found
