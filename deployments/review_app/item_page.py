"""The item page: a document beside its fields, and what its script asks for."""

import re
from functools import partial
from typing import Any

from fastapi import Response

from blocks.database.learning.named import decided_in_words
from blocks.database.review import claims
from blocks.database.review.decide import decide, undo
from blocks.database.review.item_content import changes_since, read_item
from blocks.database.review.judgements import read_judged
from blocks.database.review.shown import read_before
from blocks.database.review.shown_documents import ShownDocument
from blocks.evidence.document_reading import DocumentReading
from blocks.evidence.relations import contradictions
from blocks.review.corrections import corrected_cell, corrected_value
from blocks.review.errors import InvalidDecision, ReviewError
from blocks.review.records import Decision, Event, Item, ItemStatus, Role
from blocks.review.rules import UNDO_S
from deployments.review_app import words
from deployments.review_app.call import Call
from deployments.review_app.filters import filter_of, query_of
from deployments.review_app.item_view import NOT_READ, item_view

CAN_BE_UNDONE = {Event.DECIDED, Event.SEEN_ONCE}
"""A decision, and the first of two."""


def show_item(call: Call) -> Response:
    """The page of an item. Looking claims nothing: the page's script does, so that a link can be followed safely."""
    item, site = _item(call), call.site
    shown = site.documents.get(item.document_id, item.fingerprint)
    judged = read_judged(site.database, item, call.who.name)
    view = item_view(item, shown, site.types.get(item.document_type), judged, _reading(call, item, shown))
    passed_on, decision = read_before(site.database, item)
    return call.page(
        "item.html",
        view=view,
        item=item,
        passed_on=passed_on,
        decision=decision,
        read_as={} if item.is_blind else decided_in_words(site.database, item.evidence),
        query=query_of(call.query),
        types=[(name, known.title) for name, known in sorted(site.types.items())],
        may_decide=call.who.role.covers(item.role) and call.who.role.covers(Role.REVIEWER),
        undo_s=UNDO_S,
        beat_s=claims.CLAIM_S / 4,
    )


def page_picture(call: Call) -> Response:
    """A page as JPEG, or the reason why there is none."""
    item, site = _item(call), call.site
    shown = site.documents.get(item.document_id, item.fingerprint)
    return call.jpeg(site.documents.picture(shown, int(call.path["page"])))


def page_words(call: Call) -> Response:
    """The words of a page with their boxes, for clicks."""
    item = _item(call)
    shown = call.site.documents.get(item.document_id, item.fingerprint)
    for page in shown.pages:
        if page.number == int(call.path["page"]):
            pairs = zip(page.words.spans, page.words.boxes, strict=False)
            return call.answer({"words": [[page.text[start:end], *box] for (start, end), box in pairs]})
    return call.answer({"words": []})


def original(call: Call) -> Response:
    """The document's bytes, only ever as a download."""
    item = _item(call)
    shown = call.site.documents.get(item.document_id, item.fingerprint)
    content = call.site.documents.original(shown)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", words.file_name(shown.document.uri))
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name or "document"}"'},
    )


def claim_item(call: Call) -> Response:
    """Take the item, or renew the claim. Says what a run changed since the version on the screen."""
    item = claims.claim(call.site.database, int(call.path["id"]), call.who)
    shown_version = call.json.get("version")
    changes: tuple[str, ...] = ()
    if isinstance(shown_version, int) and shown_version != item.version:
        changes = changes_since(call.site.database, item, shown_version)
    return call.answer({"version": item.version, "changes": list(changes), "since": words.moment(item.claimed_at)})


def release_item(call: Call) -> Response:
    """Let others have the item."""
    return call.answer({"released": claims.release(call.site.database, int(call.path["id"]), call.who)})


def look_ahead(call: Call) -> Response:
    """Claim the item that comes after this one, so that it is loaded before it is asked for.

    The claim has no heartbeat: it ends by itself if the person is long about the item before. Until then no second
    person loads the same one.
    """
    return call.answer(_opening(call, _claim_next(call, int(call.path["id"]), besides=int(call.path["id"]))))


def next_item(call: Call) -> Response:
    """Take the next item behind this one, or the first of the queue."""
    after = call.json.get("after")
    return call.answer(_opening(call, _claim_next(call, after if isinstance(after, int) else None)))


def start(call: Call) -> Response:
    """Take the first item of the queue's filter and open it."""
    return call.redirect(_address(call, _claim_next(call, None)))


def check(call: Call) -> Response:
    """The typed value of what was typed, by the rules of a correction, and what does not agree with it."""
    item = _item(call)
    document_type = call.site.types.get(item.document_type)
    if document_type is None:
        raise InvalidDecision("the document is of no known type")
    name, raw, column = str(call.json.get("field", "")), call.json.get("value"), call.json.get("column")
    if column is not None:
        cell = corrected_cell(document_type, name, str(column), raw)
        return call.answer({"value": cell, "text": words.shown(cell)})
    value = corrected_value(document_type, name, raw)
    shown = call.site.documents.get(item.document_id, item.fingerprint)
    values = {} if item.is_blind else item.fields
    given = call.json.get("values")
    values = values | (given if isinstance(given, dict) else {}) | {name: value}
    found = contradictions(document_type, values, {} if item.is_blind else item.evidence, shown.pages)
    answer: dict[str, Any] = {
        "value": value,
        "text": words.shown(value),
        "problems": [contradiction.why for contradiction in found if name in contradiction.fields],
    }
    if item.is_blind:  # a blind audit shows the machine's value after the person's
        machine = item.fields.get(name)
        answer |= {"machine": words.in_cells(machine), "is_equal": machine == value}
    return call.answer(answer)


def decide_item(call: Call) -> Response:
    """Apply a decision, and take the next item: the one that is loaded already, if it is still to be had."""
    review_id = int(call.path["id"])
    filter_of(call.query, call.who.name)  # a filter without meaning is refused before anything is decided
    decision = call.given(Decision, "decision", leave_out="next")
    decided = decide(call.site.database, decision, call.who, call.site.types)
    following = _claim_loaded(call) or _claim_next(call, review_id)
    came_of_it = {"event": str(decided.event), "can_undo": decided.event in CAN_BE_UNDONE}
    return call.answer(came_of_it | _opening(call, following))


def undo_decision(call: Call) -> Response:
    """Take a decision back, and open the item again."""
    review_id = int(call.path["id"])
    undo(call.site.database, review_id, call.who)
    return call.answer(_opening(call, read_item(call.site.database, review_id)))


def _reading(call: Call, item: Item, shown: ShownDocument) -> DocumentReading:
    """The built-in reader's reading of an item, where the page may show it."""
    document_type = call.site.types.get(item.document_type)
    if document_type is None or item.is_blind or item.status is not ItemStatus.OPEN:
        return NOT_READ
    return call.site.documents.reading(shown, document_type)


def _item(call: Call) -> Item:
    return read_item(call.site.database, int(call.path["id"]))


def _claim_loaded(call: Call) -> Item | None:
    """The item that the page has loaded ahead; None where somebody else has it now, or where it is decided."""
    loaded = call.json.get("next")
    try:
        return claims.claim(call.site.database, loaded, call.who) if isinstance(loaded, int) else None
    except ReviewError:
        return None


def _claim_next(call: Call, after: int | None, besides: int | None = None) -> Item | None:
    """The next item behind `after`; where there is none, the first one. Never the item `besides`."""
    wanted = filter_of(call.query, call.who.name)
    if wanted.status is not ItemStatus.OPEN:
        wanted = wanted.model_copy(update={"status": ItemStatus.OPEN})
    take = partial(claims.claim_next, call.site.database, call.who, wanted=wanted, besides=besides)
    found = take(after=after)
    return take() if found is None and after is not None else found


def _opening(call: Call, item: Item | None) -> dict[str, Any]:
    """Where the page's script goes on: at an item in a version, or at the queue."""
    of_item = {} if item is None else {"id": item.review_id, "version": item.version}
    return {"to": _address(call, item), "id": None, **of_item}


def _address(call: Call, item: Item | None) -> str:
    query = query_of(call.query)
    return f"/items/{item.review_id}{query}" if item is not None else f"/{query}"
