"""How commands write amounts, times and columns of text."""

import shutil
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal

WIDEST = 120
"""Lines are not longer than this where the terminal is wider, or is none."""


def money(usd: Decimal) -> str:
    """USD to a hundredth of a cent; an amount under a cent in full."""
    if usd == 0:
        return "0.00"
    return f"{usd:.4f}" if usd >= Decimal("0.01") else f"{usd.normalize():f}"


def took(ms: int | None) -> str:
    """A duration in its two largest units."""
    if ms is None:
        return "–"
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, hours = ms // 60_000, ms // 3_600_000
    if hours == 0:
        return f"{minutes} min {ms % 60_000 // 1000} s"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def moment(at: datetime) -> str:
    """A time in UTC, to the minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 document, 2 documents, 1 retry, 2 retries."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def width() -> int:
    """How long a line may be."""
    return min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)


def cut(text: str, room: int, *, keep_end: bool = False) -> str:
    """The text, with … where it was cut to fit."""
    if len(text) <= room:
        return text
    return f"…{text[len(text) - room + 1 :]}" if keep_end else f"{text[: room - 1]}…"


def aligned(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[str], droppable: Sequence[str] = ()
) -> list[str]:
    """Lines of a table; columns in `left` begin at the left. Droppable columns go, the first one first, until it fits.

    The last column that is left is cut where it is too long.
    """
    shown = list(range(len(head)))
    widths = [max(len(row[column]) for row in (head, *rows)) for column in shown]
    for name in droppable:
        if sum(widths[column] + 2 for column in shown) - 2 <= width():
            break
        shown.remove(head.index(name))
    lines = []
    for row in (head, *rows):
        cells = [
            row[column].ljust(widths[column]) if head[column] in left else row[column].rjust(widths[column])
            for column in shown
        ]
        lines.append(cut("  ".join(cells).rstrip(), width()))
    return lines
