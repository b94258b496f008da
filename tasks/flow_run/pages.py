"""Reads a list of the Prefect server to its end: the server gives it page by page."""

from collections.abc import Callable
from typing import TypeVar

PAGE = 200
"""The most that a server gives at once, by its default of PREFECT_SERVER_API_DEFAULT_LIMIT."""

Item = TypeVar("Item")


def all_pages(read: Callable[..., list[Item]], **wanted: object) -> list[Item]:
    """Everything that `read`, a method of Prefect's client with a limit and an offset, gives under these filters."""
    found: list[Item] = []
    while len(page := read(**wanted, limit=PAGE, offset=len(found))) == PAGE:
        found += page
    return found + page
