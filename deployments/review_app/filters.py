"""The queue's filter in an address: which items a person works through, from page to page."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from pydantic import ValidationError

from blocks.database.review.queue import QueueFilter
from blocks.review.errors import InvalidDecision
from blocks.review.records import ItemStatus

KEYS = ("type", "reason", "priority", "kind", "role", "late", "older", "mine", "text", "status")


def query_of(query: Mapping[str, str], **changed: object) -> str:
    """The filter's part of an address, with its question mark; empty without a filter."""
    kept = {name: query[name] for name in KEYS if query.get(name)}
    kept |= {name: str(value) for name, value in changed.items() if value}
    kept = {name: value for name, value in kept.items() if name not in changed or changed[name]}
    return f"?{urlencode(kept)}" if kept else ""


def filter_of(query: Mapping[str, str], person: str) -> QueueFilter:
    """The filter that an address has. Raises `InvalidDecision` where it has no meaning."""
    at = datetime.now(UTC)
    older_h = query.get("older", "")
    try:
        return QueueFilter.model_validate(
            {
                "status": query.get("status") or ItemStatus.OPEN,
                "document_type": query.get("type") or None,
                "reason": query.get("reason") or None,
                "priority": query.get("priority") or None,
                "kind": query.get("kind") or None,
                "role": query.get("role") or None,
                "due_before": at if query.get("late") else None,
                "opened_before": at - timedelta(hours=float(older_h)) if older_h else None,
                "claimed_by": person if query.get("mine") else None,
                "text": query.get("text") or None,
            }
        )
    except (ValidationError, ValueError, OverflowError) as error:
        raise InvalidDecision("this filter has no meaning; the queue without it is at /") from error
