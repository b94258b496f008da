"""A line of `winnow doctor`."""

from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """A line of the report. `remedy` is empty if all is well; `is_fatal` if runs cannot work at all.

    `fix` does what the remedy says, where that is safe: nothing is lost, and nothing that a person decided changes.
    """

    what: str
    found: str
    remedy: str = ""
    is_fatal: bool = False
    fix: Callable[[], object] | None = None
