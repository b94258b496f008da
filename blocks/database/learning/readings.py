"""What the machine read of documents, last and before, whatever people decided afterwards."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, case, null, select

from blocks.database.in_list import in_list
from blocks.database.payloads import unpack
from blocks.database.pipeline.chunk_state import FAILED, PROVISIONAL
from blocks.database.tables import columns_of, model_calls, results, runs, stage_outputs
from blocks.records import OUTPUT_STAGES, Stage


@dataclass(frozen=True, slots=True)
class Reading:
    """A document's current outputs. `validation` is that of validate as JSON; None: a stage failed.

    `is_provisional`: a stage will be tried again, so the row is in review. `cost_usd`: all attempts at models for the
    document in the run that its scoring is of. `duration_ms` is that of all stages. `run_id` is the run that made the
    validation. `is_unopened`: its file could not be read.
    """

    validation: bytes | None
    is_provisional: bool
    cost_usd: Decimal
    duration_ms: int
    run_id: str = ""
    is_unopened: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row as the machine wrote it, current or not."""

    document_id: str
    fingerprint: str
    document_type: str
    status: str
    confidence: float
    reasons: list[str]
    fields: dict[str, Any]
    confidences: dict[str, float]
    accepted_by: str | None
    run_id: str
    created_at: datetime


def readings_of(
    connection: Connection, document_ids: Collection[str], ledger: Connection | None = None
) -> dict[str, Reading]:
    """What was read of each document. Those that no run has finished, or whose outputs are gone, are left out.

    `ledger` is the database that has the calls of models, where it is another one.
    """
    by_document = defaultdict(list)
    for row in connection.execute(_OUTPUTS, {"ids": document_ids}):
        by_document[row.document_id].append(row)
    runs_of = {id_: _paying_runs(rows) for id_, rows in by_document.items()}
    costs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for call in (ledger or connection).execute(_CALLS, {"ids": document_ids}):
        if call.run_id in runs_of.get(call.document_id, ()):
            costs[call.document_id] += call.cost_usd
    found = {}
    for id_, rows in by_document.items():
        packed = next((row.payload for row in rows if row.payload is not None), None)
        has_failed = any(row.state == FAILED for row in rows)
        if packed is None and not has_failed:
            continue
        found[id_] = Reading(
            validation=None if packed is None or has_failed else unpack(packed),
            is_provisional=any(row.state == PROVISIONAL for row in rows),
            cost_usd=costs[id_],
            duration_ms=sum(row.duration_ms or 0 for row in rows),
            run_id=next((row.run_id for row in rows if row.stage == Stage.VALIDATE), ""),
            is_unopened=any(row.state == FAILED and row.stage == Stage.EXTRACT for row in rows),
        )
    return found


def verdicts_of(connection: Connection, document_ids: Collection[str]) -> dict[str, list[Verdict]]:
    """Every row that the machine wrote of each document and that is still there, the oldest first."""
    found: dict[str, list[Verdict]] = {}
    for row in connection.execute(_VERDICTS, {"ids": document_ids}):
        found.setdefault(row.document_id, []).append(Verdict(*row))
    return found


def bases_of(connection: Connection, run_ids: Collection[str], document_type: str) -> Mapping[str, str]:
    """By run, the basis under which it read documents of a type; runs that wrote none are left out."""
    found = {}
    for run_id, asked in connection.execute(_ASKED, {"ids": run_ids}).tuples():
        basis = (asked or {}).get(BASES, {}).get(document_type)
        if basis is not None:
            found[run_id] = str(basis)
    return found


BASES = "bases"
"""The key of a run's `asked` with the basis of each document type: see `Run.basis`."""


def has_pages(connection: Connection, document_ids: Collection[str]) -> set[str]:
    """Those of the documents whose pages are stored."""
    return set(connection.execute(_EXTRACTED, {"ids": document_ids}).scalars())


def _paying_runs(rows: Sequence[Row[Any]]) -> set[str]:
    """The runs that asked models for these outputs: score alone does. Without a scoring, all that worked on them."""
    return {row.run_id for row in rows if row.stage == Stage.SCORE} or {row.run_id for row in rows}


_OUTPUTS = select(
    stage_outputs.c.document_id,
    stage_outputs.c.stage,
    stage_outputs.c.state,
    stage_outputs.c.run_id,
    stage_outputs.c.duration_ms,
    case((stage_outputs.c.stage == Stage.VALIDATE.value, stage_outputs.c.payload), else_=null()).label("payload"),
).where(
    in_list(stage_outputs.c.document_id, "ids"),
    stage_outputs.c.stage.in_([stage.value for stage in OUTPUT_STAGES]),
    stage_outputs.c.is_current,
)
_EXTRACTED = select(stage_outputs.c.document_id).where(
    in_list(stage_outputs.c.document_id, "ids"),
    stage_outputs.c.stage == Stage.EXTRACT.value,
    stage_outputs.c.is_current,
    stage_outputs.c.payload.is_not(None),
)
_CALLS = select(model_calls.c.document_id, model_calls.c.run_id, model_calls.c.cost_usd).where(
    in_list(model_calls.c.document_id, "ids")
)
_VERDICTS = (
    select(*columns_of(results, Verdict))
    .where(in_list(results.c.document_id, "ids"), results.c.decided_by.is_(None))
    .order_by(results.c.document_id, results.c.created_at)
)
_ASKED = select(runs.c.run_id, runs.c.asked).where(in_list(runs.c.run_id, "ids"))
