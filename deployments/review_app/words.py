"""How the page writes values: times, shares, ages, names of fields."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import JsonValue


def shown(value: JsonValue) -> str:
    """A value as a person reads it and types it."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list() if all(isinstance(item, str) for item in value):
            return ", ".join(str(item) for item in value)
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def in_cells(value: JsonValue) -> str:
    """A value as a person reads it: of a table the cells of each row."""
    if isinstance(value, list) and any(isinstance(row, dict) for row in value):
        rows = (row.values() if isinstance(row, dict) else [row] for row in value)
        return "; ".join(" · ".join(shown(cell) or "–" for cell in cells) for cells in rows)
    return shown(value)


def label(name: str) -> str:
    """A field's or a code's name in words."""
    return name.replace("_", " ")


def share(value: float | None) -> str:
    """A probability in per cent, never rounded to certainty."""
    if value is None:
        return "–"
    return f"{min(max(int(value * 100), 0), 100 if value >= 1 else 99)} %"


def ago(at: datetime | str | None) -> str:
    """How long ago a time was, or in how long it will be."""
    if at is None:
        return ""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    seconds = (datetime.now(UTC) - at).total_seconds()
    amount = _duration(abs(seconds))
    return f"{amount} ago" if seconds >= 0 else f"in {amount}"


def moment(at: datetime | str | None) -> str:
    """A time in UTC, to the minute."""
    if at is None:
        return ""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def money(amount: Decimal) -> str:
    """An amount in US dollars, exact."""
    return f"{amount.normalize():f} USD"


def is_past(at: datetime | str | None) -> bool:
    """Whether a time has passed."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at is not None and at <= datetime.now(UTC)


def file_name(uri: str) -> str:
    """The last part of a URI."""
    return uri.rstrip("/").rpartition("/")[2] or uri


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


FILTERS: dict[str, Callable[..., Any]] = {
    "in_cells": in_cells,
    "label": label,
    "share": share,
    "ago": ago,
    "moment": moment,
    "money": money,
    "is_past": is_past,
    "file_name": file_name,
}
