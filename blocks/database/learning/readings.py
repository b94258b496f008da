"""What the machine read of documents last, whatever people decided afterwards."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, case, null, select

from blocks.database.in_list import in_list
from blocks.database.payloads import unpack
from blocks.database.pipeline.chunk_state import FAILED, PROVISIONAL
from blocks.database.tables import model_calls, stage_outputs
from blocks.records import OUTPUT_STAGES, Stage


@dataclass(frozen=True, slots=True)
class Reading:
    """A document's current outputs. `validation` is that of validate as JSON; None: a stage failed.

    `is_provisional`: a stage will be tried again, so the row is in review. `cost_usd`: all attempts at models for the
    document in the runs that its outputs are of. `duration_ms` is that of all stages.
    """

    validation: bytes | None
    is_provisional: bool
    cost_usd: Decimal
    duration_ms: int


def readings_of(connection: Connection, document_ids: Collection[str]) -> dict[str, Reading]:
    """What was read of each document. Those that no run has finished, or whose outputs are gone, are left out."""
    by_document = defaultdict(list)
    for row in connection.execute(_OUTPUTS, {"ids": document_ids}):
        by_document[row.document_id].append(row)
    runs_of = {id_: {row.run_id for row in rows} for id_, rows in by_document.items()}
    costs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for call in connection.execute(_CALLS, {"ids": document_ids}):
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
        )
    return found


_OUTPUTS = select(
    stage_outputs.c.document_id,
    stage_outputs.c.state,
    stage_outputs.c.run_id,
    stage_outputs.c.duration_ms,
    case((stage_outputs.c.stage == Stage.VALIDATE.value, stage_outputs.c.payload), else_=null()).label("payload"),
).where(
    in_list(stage_outputs.c.document_id, "ids"),
    stage_outputs.c.stage.in_([stage.value for stage in OUTPUT_STAGES]),
    stage_outputs.c.is_current,
)
_CALLS = select(model_calls.c.document_id, model_calls.c.run_id, model_calls.c.cost_usd).where(
    in_list(model_calls.c.document_id, "ids")
)
