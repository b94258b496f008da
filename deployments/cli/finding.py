"""A line of `winnow doctor`."""

from typing import NamedTuple


class Finding(NamedTuple):
    """A line of the report. `remedy` is empty if all is well; `is_fatal` if runs cannot work at all."""

    what: str
    found: str
    remedy: str = ""
    is_fatal: bool = False
