"""An item as a person sees it: its place, and for each value the line of the page that holds its evidence."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue
from sqlalchemy import Connection, Select, select

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.database.pipeline.stage_outputs import load_payloads
from blocks.database.review.item_content import load_item
from blocks.database.review.judgements import load_judged
from blocks.database.review.tables import review_answers, review_events
from blocks.evidence.grounding import locate
from blocks.records import Evidence, Extraction, Record, Stage
from blocks.review.history import decision_in_words
from blocks.review.records import Event, Item, ItemStatus, Judged


class ShownField(Record):
    """A field with the value that is shown, and the line of the page that holds its evidence."""

    field: str
    value: JsonValue
    confidence: float | None
    page: int | None = None
    line: str | None = None


class PassedOn(Record):
    """Who sent an open item to a senior or back, and with which note; None: because it was late."""

    by: str | None
    event: Event
    note: str
    at: datetime


class ShownDecision(Record):
    """What a person decided. `changed` has the decided values that are not the shown ones."""

    by: str
    at: datetime
    action: str
    words: str
    note: str
    changed: dict[str, JsonValue] = Field(default_factory=dict)


class ShownItem(Record):
    """An item, where its document was seen last, and its fields, the least certain first.

    `judged` are earlier judgements on single fields; none where two persons must decide, each without the other's.
    `passed_on` are the notes on an open item, the oldest first. `decision` is that on a decided one.
    """

    item: Item
    uri: str
    fields: tuple[ShownField, ...]
    judged: tuple[Judged, ...] = ()
    passed_on: tuple[PassedOn, ...] = ()
    decision: ShownDecision | None = None


@survives_outages
def show_item(database: Database, review_id: int) -> ShownItem:
    """The item as it is now. Raises `ItemMissing`."""
    with database.read() as connection:
        item = load_item(connection, review_id)
        uri = uris_of(connection, [item.document_id])[item.document_id][0]
        payloads = load_payloads(connection, Stage.EXTRACT, [item.document_id])
        judged = () if item.decisions_needed > 1 else tuple(load_judged(connection, item, "").values())
        passed_on, decision = _load_passed_on(connection, item), _load_decision(connection, item)
    pages: dict[int, str] = {}
    if item.document_id in payloads:
        extraction = Extraction.model_validate_json(payloads[item.document_id])
        pages = {page.number: page.text for page in extraction.pages}
    fields = [
        _shown(name, value, item.confidences.get(name), item.evidence.get(name, ()), pages)
        for name, value in item.fields.items()
    ]
    fields.sort(key=lambda shown: 1.0 if shown.confidence is None else shown.confidence)
    return ShownItem(item=item, uri=uri, fields=tuple(fields), judged=judged, passed_on=passed_on, decision=decision)


@survives_outages
def read_before(database: Database, item: Item) -> tuple[tuple[PassedOn, ...], ShownDecision | None]:
    """What others did with the item: `passed_on` and `decision` of a `ShownItem`."""
    with database.read() as connection:
        return _load_passed_on(connection, item), _load_decision(connection, item)


def _load_passed_on(connection: Connection, item: Item) -> tuple[PassedOn, ...]:
    if item.status is not ItemStatus.OPEN:
        return ()
    rows = connection.execute(_events(item, Event.ESCALATED, Event.RETURNED)).all()
    passed_on = [
        PassedOn(by=row.actor, event=row.event, note=str(row.content.get("note") or ""), at=row.happened_at)
        for row in rows
    ]
    return tuple(passed for passed in passed_on if passed.note)


def _load_decision(connection: Connection, item: Item) -> ShownDecision | None:
    if item.status is not ItemStatus.DECIDED:
        return None
    rows = connection.execute(_events(item, Event.DECIDED)).all()
    if not rows:
        return None
    last, answer = rows[-1], review_answers.c
    answers = connection.execute(
        select(answer.field, answer.shown, answer.decided).where(answer.event_id == last.event_id)
    )
    return ShownDecision(
        by=last.actor,
        at=last.happened_at,
        action=str(last.content.get("action", "")),
        words=decision_in_words(last.content),
        note=str(last.content.get("note") or ""),
        changed={row.field: row.decided for row in answers if row.decided != row.shown},
    )


def _events(item: Item, *kinds: Event) -> Select[Any]:
    event = review_events.c
    return (
        select(event.event_id, event.event, event.actor, event.happened_at, event.content)
        .where(event.review_id == item.review_id, event.event.in_(kinds))
        .order_by(event.event_id)
    )


def _shown(
    name: str, value: JsonValue, confidence: float | None, evidence: tuple[Evidence, ...], pages: Mapping[int, str]
) -> ShownField:
    if not evidence:
        return ShownField(field=name, value=value, confidence=confidence)
    first = evidence[0]
    line = _line_of(pages.get(first.page, ""), first.quote)
    return ShownField(field=name, value=value, confidence=confidence, page=first.page, line=line)


def _line_of(text: str, quote: str) -> str:
    """The line of the page in which the quote begins; the quote itself where the page does not have it."""
    span = locate(text, quote)
    if span is None:
        return " ".join(quote.split())
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.start)
    return " ".join(text[start : len(text) if end < 0 else end].split())
