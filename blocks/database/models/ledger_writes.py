"""Writing rows of the ledger in groups: one statement with all rows on PostgreSQL, one per row on SQLite.

On PostgreSQL each statement is a message of its own, on which psycopg spends more time than on all else about a call.
SQLite runs in the process and inserts single rows faster than it parses JSON. The rows go to its driver directly:
SQLAlchemy would process each parameter of each row, which takes four times as long as SQLite takes to write it.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, TextClause, delete, text
from sqlalchemy.dialects import postgresql

from blocks.database.column_types import storable
from blocks.database.in_list import in_list
from blocks.database.tables import model_calls

_INSERTED = tuple(column.name for column in model_calls.columns if column.name != "call_id")
_KEPT_BY_UPDATES = {"call_id", "call_key", "run_id", "document_id", "called_at", "worker_id"}
_UPDATED = tuple(column.name for column in model_calls.columns if column.name not in _KEPT_BY_UPDATES)
_ENDED = ("outcome", "unconfirmed_usd", "reserved_usd")


def insert_calls(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which have a value for every column but `call_id`."""
    if connection.dialect.name == "sqlite":
        _row_by_row(connection, _INSERT_ONE, rows, _INSERTED)
    else:
        connection.execute(_INSERT, {"rows": _as_json(rows, _INSERTED)})


def update_calls(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update calls by their keys: every column that the reservation did not decide."""
    _update(connection, rows, _UPDATED)


def end_calls(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write how calls ended, by their keys: outcome, unconfirmed_usd and reserved_usd."""
    _update(connection, rows, _ENDED)


def delete_calls(connection: Connection, call_keys: Collection[str]) -> None:
    """Delete rows of reservations that were released unanswered, so that they can be inserted again."""
    if call_keys:
        connection.execute(_DELETE, {"b_keys": set(call_keys)})


def _update(connection: Connection, rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    if connection.dialect.name == "sqlite":
        _row_by_row(connection, _UPDATES_ROW_BY_ROW[columns], rows, (*columns, "call_key"))
    else:
        connection.execute(_UPDATES[columns], {"rows": _as_json(rows, ("call_key", *columns))})


def _row_by_row(
    connection: Connection, statement: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> None:
    """Execute a statement of SQLite's for each row, with the values of these columns as SQLite keeps them."""
    kept = [(column, _written_by(column, connection.dialect)) for column in columns]
    values = [tuple(row[column] if write is None else write(row[column]) for column, write in kept) for row in rows]
    connection.exec_driver_sql(statement, values)


@cache
def _written_by(column: str, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Converts a column's value for the dialect; None where no conversion is needed."""
    write = model_calls.c[column].type.dialect_impl(dialect).bind_processor(dialect)
    return lru_cache(maxsize=1)(write) if write and column == "called_at" else write  # the same in all rows of a group


def _as_json(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    return json.dumps([{column: _plain(row[column]) for column in columns} for row in rows])


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, datetime) else value


def _recordset(columns: Sequence[str]) -> str:
    """The rows of the parameter `rows`, as a table with these columns."""
    compiler = postgresql.dialect().type_compiler_instance  # type: ignore[no-untyped-call] # SQLAlchemy has no types here
    typed = ", ".join(f"{column} {compiler.process(model_calls.c[column].type)}" for column in columns)
    return f"json_to_recordset(CAST(:rows AS json)) AS r ({typed})"


def _update_of(columns: Sequence[str]) -> TextClause:
    changes = ", ".join(f"{column} = r.{column}" for column in columns)
    source = _recordset(("call_key", *columns))
    return text(f"UPDATE model_calls SET {changes} FROM {source} WHERE model_calls.call_key = r.call_key")


_INSERT = text(f"INSERT INTO model_calls ({', '.join(_INSERTED)}) SELECT * FROM {_recordset(_INSERTED)}")
_DELETE = delete(model_calls).where(in_list(model_calls.c.call_key, "b_keys"))
_UPDATES = {columns: _update_of(columns) for columns in (_UPDATED, _ENDED)}
_INSERT_ONE = f"INSERT INTO model_calls ({', '.join(_INSERTED)}) VALUES ({', '.join('?' * len(_INSERTED))})"
_UPDATES_ROW_BY_ROW = {
    columns: f"UPDATE model_calls SET {', '.join(f'{column} = ?' for column in columns)} WHERE call_key = ?"
    for columns in (_UPDATED, _ENDED)
}
