"""`begins_with`: ids by their first letters, found by the index of the ids."""

from sqlalchemy import ColumnElement, and_

_BEHIND = "zzzz"
"""Behind all that may follow in an id, hexadecimal digits and hyphens, in the order of any collation."""


def begins_with(column: ColumnElement[str], letters: str) -> ColumnElement[bool]:
    """Whether an id begins with these letters.

    LIKE alone reads all ids: SQLite's ignores case, and PostgreSQL's knows no order but that of bytes.
    """
    return and_(column >= letters, column < letters + _BEHIND, column.startswith(letters, autoescape=True))
