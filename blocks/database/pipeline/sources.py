"""Where documents were seen. The same bytes at two places are one document with two sources."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.tables import documents, run_documents, runs, sources
from blocks.records import DiscoveredDocument

latest_uri = (
    select(sources.c.uri)
    .where(sources.c.document_id == documents.c.document_id)
    .order_by(sources.c.seen_at.desc(), sources.c.uri)
    .limit(1)
    .correlate(documents)
    .scalar_subquery()
)
"""Where a row of `documents` was seen last."""


def in_byte_order(database: Database, text: ColumnElement[str]) -> ColumnElement[str]:
    """The text, sorted by its bytes on either database, whatever the language of the server."""
    return text.collate("BINARY" if database.is_sqlite else "C")


def record_sources(
    database: Database, connection: Connection, batch: Sequence[DiscoveredDocument], seen_at: datetime
) -> None:
    """Write where the documents were seen."""
    if not batch:
        return
    upsert = database.insert(sources)
    upsert = upsert.on_conflict_do_update(
        index_elements=[sources.c.document_id, sources.c.uri], set_={"seen_at": upsert.excluded.seen_at}
    )
    places = sorted({(document.document_id, document.uri) for document in batch})
    connection.execute(upsert, [{"document_id": id_, "uri": uri, "seen_at": seen_at} for id_, uri in places])


def uris_of(connection: Connection, document_ids: Sequence[str]) -> dict[str, list[str]]:
    """Every place of each document, the latest first; an empty text alone where none is known."""
    uris: dict[str, list[str]] = {}
    for id_, uri in connection.execute(_URIS, {"ids": document_ids}).all():
        uris.setdefault(id_, []).append(uri)
    return {id_: uris.get(id_) or [""] for id_ in document_ids}


def duplicate_files(database: Database, run_id: str) -> int:
    """How many files the run found beyond the first with the same bytes. Attachments and rows do not count."""
    query = (
        select(func.count(), func.count(sources.c.document_id.distinct()))
        .join(run_documents, run_documents.c.document_id == sources.c.document_id)
        .join(runs, runs.c.run_id == run_documents.c.run_id)
        .join(documents, documents.c.document_id == sources.c.document_id)
        .where(runs.c.run_id == run_id, sources.c.seen_at >= runs.c.started_at, documents.c.parent_id.is_(None))
    )
    with database.read() as connection:
        files, different = connection.execute(query).one()
    return int(files - different)


_URIS = (
    select(sources.c.document_id, sources.c.uri)
    .where(in_list(sources.c.document_id, "ids"))
    .order_by(sources.c.document_id, sources.c.seen_at.desc(), sources.c.uri)
)
