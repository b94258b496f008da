"""Whose rows of `stage_outputs` are: those that a live run has begun are its own, those of a dead one anybody's.

The database has no row for it: a row that is `started` belongs to the run that began it for as long as that run lives.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from blocks.database.engine import Database
from blocks.database.one_of import one_of
from blocks.database.pipeline.chunk_state import STARTED, ChainLink, ChunkState, OutputRow
from blocks.database.pipeline.documents import lock_documents
from blocks.database.pipeline.live_runs import live_runs
from blocks.database.tables import stage_outputs
from blocks.records import Stage

NOBODY = ""
"""The run of a row that was begun and given back."""

SeenRows = Mapping[str, Mapping[str, OutputRow]]
"""A stage's rows by document id and fingerprint, as they were when a run decided what to do."""


def free_to_begin(
    database: Database,
    connection: Connection,
    stage: Stage,
    run_id: str,
    fingerprints: Mapping[str, str],
    seen: SeenRows | None,
) -> frozenset[str]:
    """The documents whose row no other live run is working and, with `seen`, none has written since it was seen."""
    rows: dict[str, OutputRow] = {}
    for id_, *row in connection.execute(_ROWS, {"ids": fingerprints, "stage": stage.value}).all():
        if row[0] == fingerprints[id_]:
            rows[id_] = OutputRow(*row)
    others = {row.run_id for row in rows.values() if row.state == STARTED} - {run_id}
    live = live_runs(database, others, connection)

    def is_free(id_: str) -> bool:
        row = rows.get(id_)
        if row is not None and row.state == STARTED and row.run_id in live:
            return False
        return seen is None or _is_as_seen(row, seen.get(id_, {}).get(fingerprints[id_]))

    return frozenset(id_ for id_ in fingerprints if is_free(id_))


def held_elsewhere(
    database: Database, run_id: str, state: ChunkState, fingerprints: Mapping[str, str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Documents that another live run is working: at this stage, and at a stage before it."""
    own = {id_: state.rows.get(id_, {}).get(fingerprint) for id_, fingerprint in fingerprints.items()}
    here = {id_: row.run_id for id_, row in own.items() if row is not None and row.state == STARTED}
    live = live_runs(database, ({*here.values(), *state.begun_before.values()}) - {run_id})
    return (
        frozenset(id_ for id_, owner in here.items() if owner in live),
        frozenset(id_ for id_, owner in state.begun_before.items() if owner in live),
    )


def are_worked_elsewhere(
    database: Database, connection: Connection, run_id: str, chains: Mapping[str, Mapping[Stage, ChainLink]]
) -> bool:
    """Whether another live run is working a stage of one of these documents."""
    links = (link for chain in chains.values() for link in chain.values())
    others = {link.run_id for link in links if link.state == STARTED} - {run_id}
    return bool(live_runs(database, others, connection))


def give_back(database: Database, stage: Stage, run_id: str, document_ids: Collection[str], *, solo: bool) -> None:
    """Take back an attempt that was stopped before it had an outcome: no worker died, and nobody is at it."""
    with database.write() as connection:
        lock_documents(database, connection, document_ids)
        values = {"b_ids": document_ids, "b_run_id": run_id, "b_stage": stage.value, "b_solo": int(solo)}
        connection.execute(_GIVE_BACK, values)


def disown(database: Database, connection: Connection, run_id: str, document_ids: Collection[str]) -> None:
    """Give back what the run once began of these documents and is not working; the attempts keep counting.

    Without it two live runs could wait for each other's leavings.
    """
    if connection.execute(_LEAVINGS, {"ids": document_ids, "run_id": run_id}).first() is not None:
        lock_documents(database, connection, document_ids)
        connection.execute(_DISOWN, {"b_ids": document_ids, "b_run_id": run_id})


def _is_as_seen(row: OutputRow | None, seen: OutputRow | None) -> bool:
    return bool(_trace(row) == _trace(seen))


def _trace(row: OutputRow | None) -> Any:
    return row and (row.state, row.run_id, row.attempts, row.solo_attempts)


_row = stage_outputs.c

_ROWS = select(
    _row.document_id,
    _row.fingerprint,
    _row.state,
    _row.is_current,
    _row.run_id,
    _row.retry,
    _row.attempts,
    _row.solo_attempts,
).where(one_of(_row.document_id, "ids"), _row.stage == bindparam("stage"))

_LEAVINGS = (
    select(_row.document_id)
    .where(one_of(_row.document_id, "ids"), _row.state == STARTED, _row.run_id == bindparam("run_id"))
    .limit(1)
)

_DISOWN = (
    update(stage_outputs)
    .where(one_of(_row.document_id, "b_ids"), _row.state == STARTED, _row.run_id == bindparam("b_run_id"))
    .values(run_id=NOBODY)
)

_GIVE_BACK = (
    update(stage_outputs)
    .where(
        one_of(_row.document_id, "b_ids"),
        _row.stage == bindparam("b_stage"),
        _row.state == STARTED,
        _row.run_id == bindparam("b_run_id"),
    )
    .values(run_id=NOBODY, attempts=_row.attempts - 1, solo_attempts=_row.solo_attempts - bindparam("b_solo"))
)
