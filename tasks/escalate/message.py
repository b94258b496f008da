"""The message about late review items: which ones, since when, and where. It holds no text of documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.database.review.notices import Notice
from blocks.review.escalation import ESCALATION

MAX_LISTED = 50


@dataclass(frozen=True, slots=True)
class Message:
    """What a notification block sends."""

    subject: str
    body: str


def message_of(notices: Sequence[Notice], review_url: str | None) -> Message:
    """The message about these items, the earliest due first."""
    due = sum(notice.level >= ESCALATION for notice in notices)
    parts = [f"{due} {'is' if due == 1 else 'are'} due"] if due else []
    if soon := len(notices) - due:
        parts.append(f"{soon} {'has' if soon == 1 else 'have'} half of the time left")
    lines = [_line(notice) for notice in notices[:MAX_LISTED]]
    if len(notices) > MAX_LISTED:
        lines.append(f"… and {len(notices) - MAX_LISTED} more")
    where = review_url or "winnow review list"
    return Message(f"Winnow: of the review items, {' and '.join(parts)}", "\n".join([*lines, "", where]))


def _line(notice: Notice) -> str:
    needs = "a senior must decide" if notice.level >= ESCALATION else f"a {notice.role} must decide"
    times = f", notice {notice.level - ESCALATION + 1}" if notice.level > ESCALATION else ""
    return f"- item {notice.review_id}: {notice.document_type}, due {_time(notice.due_at)}, {needs}{times}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
