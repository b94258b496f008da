"""`winnow review next`, `show`, `claim`, `release` and `verify`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.errors import UsageError
from blocks.review.reasons import sentence
from blocks.review.records import Event, ItemStatus
from deployments.cli.options import DatabaseOption, open_existing, open_to_change
from deployments.cli.output import note, say, without_controls
from deployments.cli.review_options import ByOption, IdArgument, JsonOption, person_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.database.engine import Database
    from blocks.database.review.shown import ShownField, ShownItem
    from blocks.review.records import Item

RevealOption = Annotated[
    bool, typer.Option("--reveal", help="show the values of a blind item too; read the document first")
]


MinutesOption = Annotated[
    float, typer.Option("--minutes", min=0.1, max=480, help="for how long nobody else can decide")
]
CLAIM_MINUTES = 10
"""Longer than the page's claim: a command has no heartbeat that renews it."""


def next_(
    minutes: MinutesOption = CLAIM_MINUTES,
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Take the first item of the queue that is free, and show it."""
    from blocks.database.review.claims import claim_next
    from blocks.database.review.shown import show_item

    opened = open_to_change(database)
    claimed = claim_next(opened, person_of(opened, by), lease_s=minutes * 60)
    if claimed is None:
        note("no item waits for you")
        if as_json:
            say("null")
        return
    _print(opened, show_item(opened, claimed.review_id), as_json)


def show(
    review_id: IdArgument,
    reveal: RevealOption = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Show an item: its values, the least certain first, each with the line of the document that holds it."""
    from blocks.database.review.shown import show_item

    opened = open_existing(database)
    _print(opened, show_item(opened, review_id), as_json, reveal=reveal)


def claim(
    review_id: IdArgument,
    minutes: MinutesOption = CLAIM_MINUTES,
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Take an item, so that nobody else decides on it meanwhile, and show it."""
    from blocks.database.review import claims
    from blocks.database.review.shown import show_item

    opened = open_to_change(database)
    claims.claim(opened, review_id, person_of(opened, by), lease_s=minutes * 60)
    _print(opened, show_item(opened, review_id), as_json)


def release(
    review_id: IdArgument, by: ByOption = None, as_json: JsonOption = False, database: DatabaseOption = None
) -> None:
    """End your claim on an item."""
    from blocks.database.engine import now
    from blocks.database.review import claims
    from blocks.database.review.item_content import read_item
    from blocks.review.rules import is_claimed_by_another

    opened = open_to_change(database)
    person = person_of(opened, by)
    is_released = claims.release(opened, review_id, person)
    if as_json:
        say(json.dumps({"review_id": review_id, "is_released": is_released}))
    elif is_released:
        say(f"review item {review_id} is free")
    else:
        item = read_item(opened, review_id)
        held = f"; {item.claimed_by} has it" if is_claimed_by_another(item, person.name, now()) else ""
        say(without_controls(f"{person.name} had no claim on review item {review_id}{held}"))


def verify(
    kept: Annotated[
        str | None,
        typer.Option("--kept", metavar="HASH", help="the hash of an earlier verify; the trail must still have it"),
    ] = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Prove that nobody changed the audit trail, nor what it tells of. Exit code 1 where somebody did.

    Keep the hash that it prints in another place, and give it to a later verify.
    """
    from blocks.database.review.verify import Tampered, verify_trail
    from blocks.review.chain import is_hash

    kept = None if kept is None else kept.strip().lower()
    if kept is not None and not is_hash(kept):
        raise UsageError(
            f"--kept is no hash: {without_controls(repr(kept))}; it takes the one that an earlier verify printed, 64 "
            "digits and letters from a to f"
        )
    found = verify_trail(open_existing(database), kept)
    if isinstance(found, Tampered):
        if as_json:
            say(json.dumps({"is_valid": False, "table": found.table, "id": found.row_id, "why": found.why}))
        else:
            note(without_controls(f"row {found.row_id} of {found.table} was tampered with: {found.why}"), style="red")
        raise typer.Exit(1)
    if as_json:
        say(json.dumps({"is_valid": True, "events": found.event_id, "hash": found.hash}))
    else:
        say(f"the audit trail of {found.event_id:,} events is as it was written; the last hash is {found.hash}")


def _print(database: "Database", shown: "ShownItem", as_json: bool, *, reveal: bool = False) -> None:
    from blocks.database.learning.named import decided_in_words

    is_hidden = shown.item.is_blind and not reveal
    read_as = {} if is_hidden else decided_in_words(database, shown.item.evidence)
    if as_json:
        # An opinion's digests say to the database whether two persons agree; a person can do nothing with them.
        hidden: dict[str, Any] = dict.fromkeys(("fields", "confidences", "evidence"), True)
        hidden["opinions"] = {"__all__": {"outcome", "key"}}
        content = shown.item.model_dump(mode="json", exclude=hidden) | {"uri": shown.uri}
        content |= shown.model_dump(mode="json", include={"judged", "passed_on", "decision"})
        fields = [] if is_hidden else [_as_json(field, read_as) for field in shown.fields]
        say(json.dumps(content | {"fields": fields}, ensure_ascii=False))
        return
    for line in (*_lines(shown, is_hidden, read_as), *_reject_reasons(shown.item)):
        say(without_controls(line))


def _as_json(field: "ShownField", read_as: "Mapping[str, str]") -> dict[str, Any]:
    named = {"read_as_in": read_as[field.field]} if field.field in read_as else {}
    return field.model_dump(mode="json") | named


def _lines(shown: "ShownItem", is_hidden: bool, read_as: "Mapping[str, str]") -> list[str]:
    item = shown.item
    due = f", due {item.due_at:%Y-%m-%d %H:%M} UTC" if item.due_at else ""
    lines = [
        f"review item {item.review_id}, version {item.version}: {shown.uri}",
        f"  {item.status} {item.kind}, {item.document_type}, priority {item.priority}{due}, for a {item.role}",
    ]
    if item.claimed_by is not None and item.claim_expires_at is not None:
        lines.append(f"  claimed by {item.claimed_by} until {item.claim_expires_at:%H:%M} UTC")
    if item.decisions_needed > 1 and item.decided_by is None:
        so_far = f"{len(item.opinions)} decided so far"
        lines.append(f"  {item.decisions_needed} persons must come to the same result; {so_far}")
    lines += [
        f"  {passed.by} {_PASSED_ON[passed.event]} at {passed.at:%Y-%m-%d %H:%M} UTC: {passed.note}"
        for passed in shown.passed_on
    ]
    decision = shown.decision
    if decision is not None:
        lines.append(f"  {decision.by} {decision.words} at {decision.at:%Y-%m-%d %H:%M} UTC")
        lines += [f"  note: {decision.note}"] if decision.note else []
    lines += [f"  {sentence(reason)}" for reason in item.reasons]
    if is_hidden:
        return [*lines, "  a blind audit: read the document, then correct what you read; --reveal shows the values"]
    for field in shown.fields:
        confidence = "" if field.confidence is None else f" ({field.confidence:.2f})"
        lines.append(f"  {field.field}{confidence}: {_text(field.value)}")
        if field.line:
            lines.append(f"      page {field.page}: {field.line}")
        lines += [f"      read as in {read_as[field.field]}"] if field.field in read_as else []
        lines += [
            f"      {found.judgement}, by {found.by} at {found.at:%Y-%m-%d %H:%M} UTC"
            for found in shown.judged
            if found.field == field.field
        ]
        if decision is not None and field.field in decision.changed:
            lines.append(f"      decided: {_text(decision.changed[field.field])}")
    return lines


def _reject_reasons(item: "Item") -> list[str]:
    """What the type offers to who rejects; an item is shown also where its type is gone or has a mistake."""
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings

    if item.status is not ItemStatus.OPEN:
        return []
    try:
        document_type = load_document_types(load_settings().document_types_dir).get(item.document_type)
    except UsageError:
        return []
    reasons = () if document_type is None else document_type.review.reject_reasons
    return [f"  reasons to reject it: {', '.join(reasons)}"] if reasons else []


_PASSED_ON = {Event.ESCALATED: "sent it to a senior", Event.RETURNED: "returned it to the queue"}


def _text(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
