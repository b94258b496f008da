"""A database beside the main one, for outputs that are not in force: a schema on PostgreSQL, else a file.

It has all tables, with copies of some documents and their outputs, so that every stage works in it as in the main one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Table, make_url, select, text

from blocks.backfill.comparison import ResultPair
from blocks.database.engine import Database, close_database, open_database
from blocks.database.in_list import in_list
from blocks.database.pipeline.chunk_state import DONE, ENDED
from blocks.database.pipeline.sources import uris_of
from blocks.database.tables import documents, results, sources, stage_outputs
from blocks.secret_url import SecretUrl

COPY_AT_ONCE = 500


def open_beside(database: Database, name: str) -> Database:
    """The database of that name beside the main one, made where there is none."""
    url = _url(database, name)
    if not database.is_sqlite:
        with database.write() as connection:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{_schema(name)}"'))
    return open_database(url, outage_wait_s=database.outage_wait_s, lease_s=database.lease_s)


def drop_beside(database: Database, name: str) -> None:
    """Delete the database of that name with all that is in it. To repeat it changes nothing."""
    beside = open_beside(database, name)
    close_database(beside)
    if database.is_sqlite:
        path = _path(database, name)
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            file.unlink(missing_ok=True)
        return
    with database.write() as connection:
        connection.execute(text(f'DROP SCHEMA "{_schema(name)}" CASCADE'))


def copy_documents(
    database: Database, beside: Database, document_ids: Sequence[str], *, as_settled: bool = True
) -> None:
    """Copy documents with their places and outputs. To repeat it changes nothing.

    Unless `as_settled`, a run asks every stage whether its outputs stand, also of documents that were settled.
    """
    unsettled: dict[str, object] = {} if as_settled else {"settled_under": None, "settled_as": None}
    for start in range(0, len(document_ids), COPY_AT_ONCE):
        ids = document_ids[start : start + COPY_AT_ONCE]
        _copy(database, beside, documents, ids, unsettled)
        for table in (sources, stage_outputs):
            _copy(database, beside, table, ids)


def copy_outputs_back(beside: Database, database: Database, document_ids: Sequence[str]) -> None:
    """Copy what was computed beside into the main database. It is not current there until a run finds it."""
    for start in range(0, len(document_ids), COPY_AT_ONCE):
        _copy(beside, database, stage_outputs, document_ids[start : start + COPY_AT_ONCE], {"is_current": False})


def result_pairs(database: Database, beside: Database, document_ids: Sequence[str]) -> list[ResultPair]:
    """The results of documents in both databases."""
    before, after = _current(database, document_ids), _current(beside, document_ids)
    with database.read() as connection:
        uris = uris_of(connection, document_ids)
    return [ResultPair(id_, uris.get(id_, [""])[0], before.get(id_), after.get(id_)) for id_ in document_ids]


def _copy(
    source: Database,
    target: Database,
    table: Table,
    ids: Sequence[str],
    changed: Mapping[str, object] | None = None,
) -> None:
    query = select(table).where(in_list(table.c.document_id, "ids"))
    if table is stage_outputs:
        states = (DONE,) if changed else ENDED
        query = query.where(table.c.state.in_(states))
    with source.read() as connection:
        rows = [dict(row) | dict(changed or {}) for row in connection.execute(query, {"ids": ids}).mappings()]
    if rows:
        with target.write() as connection:
            connection.execute(target.insert(table).on_conflict_do_nothing(), rows)


def _current(database: Database, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    result = results.c
    columns = (
        result.document_id,
        result.document_type,
        result.status,
        result.confidence,
        result.reasons,
        result.fields,
    )
    query = select(*columns).where(in_list(result.document_id, "ids"), result.is_current)
    with database.read() as connection:
        return {row["document_id"]: dict(row) for row in connection.execute(query, {"ids": ids}).mappings()}


def _url(database: Database, name: str) -> SecretUrl:
    url = make_url(database.url.get_secret_value())
    if database.is_sqlite:
        return SecretUrl(str(url.set(database=str(_path(database, name)))))
    given = url.query.get("options", "")
    options = f"{given} -csearch_path={_schema(name)}".strip()
    return SecretUrl(url.update_query_dict({"options": options}).render_as_string(hide_password=False))


def _path(database: Database, name: str) -> Path:
    path = Path(str(make_url(database.url.get_secret_value()).database))
    return path.with_name(f"{path.stem}.beside-{name[:16]}.db")


def _schema(name: str) -> str:
    return f"winnow_beside_{name[:16]}"
