"""Claims: a run claims a document at a stage by beginning its row of `stage_outputs`.

No table holds claims. A `started` row is a claim of the run that began it, for as long as that run lives. When the run
is dead, any run may claim the document.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.pipeline.chunk_state import STARTED, ChainLink, ChunkState, OutputRow
from blocks.database.pipeline.documents import lock_documents
from blocks.database.pipeline.run_locks import live_runs
from blocks.database.tables import columns_of, stage_outputs
from blocks.records import Stage

NO_RUN = ""
"""The run of a `started` row whose claim was released."""

SeenRows = Mapping[str, Mapping[str, OutputRow]]
"""A stage's rows by document id and fingerprint, at the time when a run decided what to do."""


def claimable(
    database: Database,
    connection: Connection,
    stage: Stage,
    run_id: str,
    fingerprints: Mapping[str, str],
    seen: SeenRows | None,
) -> frozenset[str]:
    """The documents that no other live run has claimed.

    With `seen`, only those whose row is the same as when it was seen.
    """
    rows: dict[str, OutputRow] = {}
    for id_, *row in connection.execute(_ROWS, {"ids": fingerprints, "stage": stage.value}).all():
        if row[0] == fingerprints[id_]:
            rows[id_] = OutputRow(*row)
    others = {row.run_id for row in rows.values() if row.state == STARTED} - {run_id}
    live = live_runs(database, others, connection)

    def is_claimable(id_: str) -> bool:
        row = rows.get(id_)
        if row is not None and row.state == STARTED and row.run_id in live:
            return False
        return seen is None or _is_unchanged(row, seen.get(id_, {}).get(fingerprints[id_]))

    return frozenset(id_ for id_ in fingerprints if is_claimable(id_))


def claimed_elsewhere(
    database: Database, run_id: str, state: ChunkState, fingerprints: Mapping[str, str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The documents that another live run has claimed: at this stage, and at an earlier stage."""
    rows = {id_: state.rows.get(id_, {}).get(fingerprint) for id_, fingerprint in fingerprints.items()}
    claims = {id_: row.run_id for id_, row in rows.items() if row is not None and row.state == STARTED}
    live = live_runs(database, ({*claims.values(), *state.begun_before.values()}) - {run_id})
    return (
        frozenset(id_ for id_, claimant in claims.items() if claimant in live),
        frozenset(id_ for id_, claimant in state.begun_before.items() if claimant in live),
    )


def any_claimed_elsewhere(
    database: Database, connection: Connection, run_id: str, chains: Mapping[str, Mapping[Stage, ChainLink]]
) -> bool:
    """Whether another live run has claimed one of these documents at any stage."""
    links = (link for chain in chains.values() for link in chain.values())
    others = {link.run_id for link in links if link.state == STARTED} - {run_id}
    return bool(live_runs(database, others, connection))


def release_attempts(
    database: Database, stage: Stage, run_id: str, document_ids: Collection[str], *, solo: bool
) -> None:
    """Release the run's claims at a stage and take back their attempts: the work was stopped, no worker died."""
    with database.write() as connection:
        lock_documents(database, connection, document_ids)
        values = {"b_ids": document_ids, "b_run_id": run_id, "b_stage": stage.value, "b_solo": int(solo)}
        connection.execute(_RELEASE_ATTEMPTS, values)


def release_leftovers(database: Database, connection: Connection, run_id: str, document_ids: Collection[str]) -> None:
    """Release what the run has claimed of these documents and does not work on; the attempts keep counting.

    Otherwise two live runs could each wait for a claim of the other.
    """
    if connection.execute(_LEFTOVERS, {"ids": document_ids, "run_id": run_id}).first() is not None:
        lock_documents(database, connection, document_ids)
        connection.execute(_RELEASE_LEFTOVERS, {"b_ids": document_ids, "b_run_id": run_id})


def _is_unchanged(row: OutputRow | None, seen: OutputRow | None) -> bool:
    return bool(_trace(row) == _trace(seen))


def _trace(row: OutputRow | None) -> Any:
    return row and (row.state, row.run_id, row.attempts, row.solo_attempts)


_row = stage_outputs.c

_ROWS = select(_row.document_id, *columns_of(stage_outputs, OutputRow)).where(
    in_list(_row.document_id, "ids"), _row.stage == bindparam("stage")
)

_LEFTOVERS = (
    select(_row.document_id)
    .where(in_list(_row.document_id, "ids"), _row.state == STARTED, _row.run_id == bindparam("run_id"))
    .limit(1)
)

_RELEASE_LEFTOVERS = (
    update(stage_outputs)
    .where(in_list(_row.document_id, "b_ids"), _row.state == STARTED, _row.run_id == bindparam("b_run_id"))
    .values(run_id=NO_RUN)
)

_RELEASE_ATTEMPTS = (
    update(stage_outputs)
    .where(
        in_list(_row.document_id, "b_ids"),
        _row.stage == bindparam("b_stage"),
        _row.state == STARTED,
        _row.run_id == bindparam("b_run_id"),
    )
    .values(run_id=NO_RUN, attempts=_row.attempts - 1, solo_attempts=_row.solo_attempts - bindparam("b_solo"))
)
