"""The ledger of model calls, read for people."""

from typing import Any

from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.first_letters import begins_with
from blocks.database.tables import model_calls

_HIDDEN = ("call_id", "worker_id")


def list_calls(
    database: Database, *, run_id: str | None = None, document_id: str | None = None, newest: int | None = None
) -> list[dict[str, Any]]:
    """The attempts at models, oldest first, ready for JSON; at most the `newest` ones.

    `document_id` may be the first letters of an id. Keys are the columns of `model_calls`; an attempt that is under way
    has the outcome ``open``.
    """
    columns = [column for column in model_calls.columns if column.name not in _HIDDEN]
    when = (model_calls.c.called_at, model_calls.c.call_id)
    query = select(*columns, model_calls.c.call_id).limit(newest)
    if run_id is None and document_id is None:
        # Calls get their ids as they begin. By time, the whole ledger would be sorted.
        query = query.order_by(model_calls.c.call_id.desc())
    else:
        query = query.order_by(*(column.desc() for column in when))
    if run_id is not None:
        query = query.where(model_calls.c.run_id == run_id)
    if document_id is not None:
        query = query.where(begins_with(model_calls.c.document_id, document_id))
    with database.read() as connection:
        rows = connection.execute(query).mappings().all()
    rows = sorted(rows, key=lambda row: tuple(row[column] for column in when))
    shown = [column.name for column in columns]
    return [{name: row[name] for name in shown} | {"called_at": row["called_at"].isoformat()} for row in rows]
