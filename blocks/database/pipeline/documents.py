"""Documents, where they were seen, and the members of a run, cut into chunks that are numbered from 1."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from blocks.database.engine import Database, now
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.failures import FailedDocument, record_failures, resolve_unread
from blocks.database.pipeline.sources import record_sources
from blocks.database.tables import columns_of, documents, results, run_documents
from blocks.files.sources import folders_of
from blocks.records import DiscoveredDocument, Rerun

SKIPPED, FAILED = "skipped", "failed"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch added to a run: new members, and how many of them have their outcome already.

    `erased` documents were left out. `new` are the members that are not skipped.
    """

    members: int = 0
    skipped: int = 0
    failed: int = 0
    erased: int = 0
    new: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class _Known:
    given_type: str | None
    is_type_decided: bool = False
    settled_under: str | None = None
    settled_as: str | None = None
    erased_at: datetime | None = None

    def is_changed_by(self, given_type: str) -> bool:
        """Whether a run that gives this type changes the document."""
        return not self.is_type_decided and self.given_type != given_type


@survives_outages
def record_batch(
    database: Database,
    run_id: str,
    batch: Sequence[DiscoveredDocument],
    *,
    given_type: str | None,
    rerun: Rerun,
    pipeline_digest: str,
    chunk_size: int,
) -> Recorded:
    """Record what discover found, and make it part of the run. To repeat it changes nothing.

    `given_type`, unless it is None, replaces the type that a run gave a document earlier, but none that a person
    decided. A document that is settled
    under `pipeline_digest` gets its outcome at once, unless `rerun` asks for its work again. The others fill chunks of
    `chunk_size`, from where the run's last batch ended. Documents that were erased are left out.
    """
    ids = sorted({document.document_id for document in batch})
    seen_at = now()
    with database.write() as connection:
        known = {id_: _Known(*row) for id_, *row in connection.execute(_KNOWN, {"ids": ids}).all()}
        erased = {id_ for id_, document in known.items() if document.erased_at is not None}
        batch, ids = [d for d in batch if d.document_id not in erased], [id_ for id_ in ids if id_ not in erased]
        found = {document.document_id: document for document in batch}
        _insert_documents(database, connection, [d for d in found.values() if d.document_id not in known], seen_at)
        record_sources(database, connection, batch, seen_at)
        # A table that was split into rows before may be wanted as one document.
        connection.execute(_NO_CONTAINER, {"b_ids": [d.document_id for d in batch if d.is_member]})
        if given_type is not None:
            changed = [id_ for id_ in ids if id_ not in known or known[id_].is_changed_by(given_type)]
            known |= {id_: _Known(given_type) for id_ in changed}
            lock_documents(database, connection, changed)
            connection.execute(_GIVE_TYPE, {"b_ids": changed, "b_type": given_type})
        failed = {d.document_id: FailedDocument(d.document_id, d.failure) for d in found.values() if d.failure}
        record_failures(database, connection, run_id, list(failed.values()), seen_at)
        readable = {d.uri for d in batch if d.failure is None}
        folders = {folder for d in batch if d.parent_id is None for folder in folders_of(d.uri)}
        resolve_unread(connection, sorted(readable | folders), seen_at)

        already = set(connection.execute(_MEMBERS, {"ids": ids, "run_id": run_id}).scalars())
        members = [d.document_id for d in found.values() if d.is_member and d.document_id not in already]
        with_result: set[str] = set()
        if rerun is Rerun.NEVER:
            with_result.update(connection.execute(_WITH_RESULT, {"ids": members}).scalars())
        outcomes = {
            id_: FAILED if id_ in failed else _known_outcome(known.get(id_), id_ in with_result, rerun, pipeline_digest)
            for id_ in members
        }
        _insert_members(connection, run_id, outcomes, chunk_size)
    counts = list(outcomes.values())
    new = tuple(id_ for id_, outcome in outcomes.items() if outcome != SKIPPED)
    return Recorded(len(members), counts.count(SKIPPED), counts.count(FAILED), len(erased), new)


@survives_outages
def chunk_count(database: Database, run_id: str) -> int:
    """How many chunks the run has; they are numbered from 1 to this."""
    with database.read() as connection:
        return connection.execute(_LAST_CHUNK, {"run_id": run_id}).scalar_one() or 0


@survives_outages
def chunk_document_ids(database: Database, run_id: str, chunk: int) -> tuple[str, ...]:
    """The ids of a chunk's documents, sorted."""
    member = run_documents.c
    # With ORDER BY, SQLite reads every member of the run in the order of its primary key.
    query = select(member.document_id).where(member.run_id == run_id, member.chunk == chunk)
    with database.read() as connection:
        return tuple(sorted(connection.execute(query).scalars()))


def part_content(database: Database, document_id: str) -> bytes:
    """The bytes of a part. Raises KeyError for a document that has none in the database."""
    return part_contents(database, (document_id,))[document_id]


@survives_outages
def part_contents(database: Database, document_ids: Collection[str]) -> dict[str, bytes]:
    """The bytes of those of these documents that are parts, by one query."""
    with database.read() as connection:
        rows = connection.execute(_CONTENTS, {"ids": document_ids}).all()
    return {id_: zlib.decompress(content) for id_, content in rows}


def erased_among(connection: Connection, document_ids: Collection[str]) -> set[str]:
    """Those of the documents that were erased."""
    query = select(documents.c.document_id).where(
        in_list(documents.c.document_id, "ids"), documents.c.erased_at.is_not(None)
    )
    return set(connection.execute(query, {"ids": document_ids}).scalars())


def lock_documents(database: Database, connection: Connection, document_ids: Collection[str]) -> None:
    """Make runs that claim the same documents do so one after the other. SQLite has a single writer anyway."""
    if not database.is_sqlite:
        connection.execute(_LOCK, {"ids": document_ids})


def settle(connection: Connection, pipeline_digest: str, settled: Mapping[str, str | None]) -> None:
    """Write which documents have nothing left to compute under this pipeline: {document_id: status, else None}."""
    for status in sorted(set(settled.values()), key=str):
        under = None if status is None else pipeline_digest
        ids = [id_ for id_, settled_as in settled.items() if settled_as == status]
        connection.execute(_SETTLE, {"b_ids": ids, "b_under": under, "b_as": status})


def _insert_documents(
    database: Database, connection: Connection, new: Sequence[DiscoveredDocument], seen_at: datetime
) -> None:
    if not new:
        return
    rows = [
        {
            "document_id": document.document_id,
            "media_type": document.media_type,
            "size_bytes": document.size_bytes,
            "parent_id": document.parent_id,
            "part": document.part,
            "is_container": not document.is_member,
            "content": None if document.content is None else zlib.compress(document.content, 1),
            "first_seen_at": seen_at,
        }
        for document in sorted(new, key=lambda document: document.document_id)
    ]
    connection.execute(database.insert(documents).on_conflict_do_nothing(), rows)


def _known_outcome(known: _Known | None, has_result: bool, rerun: Rerun, pipeline_digest: str) -> str | None:
    if rerun is Rerun.NEVER and has_result:
        return SKIPPED
    if known is None or known.settled_under != pipeline_digest or rerun is Rerun.ALL:
        return None
    if known.settled_as == FAILED:
        return None if rerun is Rerun.FAILED else FAILED
    return None if rerun is Rerun.NEVER else SKIPPED


def _insert_members(connection: Connection, run_id: str, outcomes: Mapping[str, str | None], chunk_size: int) -> None:
    if not outcomes:
        return
    chunk = connection.execute(_LAST_CHUNK, {"run_id": run_id}).scalar_one() or 1
    filled = connection.execute(_FILLED, {"run_id": run_id, "chunk": chunk}).scalar_one()
    rows = []
    for id_, outcome in outcomes.items():
        if outcome is None:
            if filled >= chunk_size:
                chunk, filled = chunk + 1, 0
            filled += 1
        member = {"run_id": run_id, "document_id": id_, "outcome": outcome}
        rows.append(member | {"chunk": chunk if outcome is None else None})
    connection.execute(insert(run_documents), rows)


_KNOWN = select(documents.c.document_id, *columns_of(documents, _Known)).where(in_list(documents.c.document_id, "ids"))

_GIVE_TYPE = (
    update(documents)
    .where(in_list(documents.c.document_id, "b_ids"), documents.c.is_type_decided.is_(False))
    .values(given_type=bindparam("b_type"), settled_under=None, settled_as=None)
)

# The order prevents deadlocks. KEY SHARE lets transactions go on that only refer to the documents.
_LOCK = (
    select(documents.c.document_id)
    .where(in_list(documents.c.document_id, "ids"))
    .order_by(documents.c.document_id)
    .with_for_update(key_share=True)
)

_CONTENTS = select(documents.c.document_id, documents.c.content).where(
    in_list(documents.c.document_id, "ids"), documents.c.content.is_not(None)
)

_NO_CONTAINER = (
    update(documents)
    .where(in_list(documents.c.document_id, "b_ids"), documents.c.is_container)
    .values(is_container=False)
)

_SETTLE = (
    update(documents)
    .where(
        in_list(documents.c.document_id, "b_ids"),
        or_(
            documents.c.settled_under.is_distinct_from(bindparam("b_under")),
            documents.c.settled_as.is_distinct_from(bindparam("b_as")),
        ),
    )
    .values(settled_under=bindparam("b_under"), settled_as=bindparam("b_as"))
)

_MEMBERS = select(run_documents.c.document_id).where(
    run_documents.c.run_id == bindparam("run_id"), in_list(run_documents.c.document_id, "ids")
)

_WITH_RESULT = select(results.c.document_id).where(in_list(results.c.document_id, "ids"), results.c.is_current)

_LAST_CHUNK = select(func.max(run_documents.c.chunk)).where(run_documents.c.run_id == bindparam("run_id"))

_FILLED = (
    select(func.count())
    .select_from(run_documents)
    .where(run_documents.c.run_id == bindparam("run_id"), run_documents.c.chunk == bindparam("chunk"))
)
