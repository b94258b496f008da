"""Learns what people decided since the last time, type by type."""

import logging
import time
from collections.abc import Mapping

from blocks.database.engine import Database
from blocks.document_types.schema import DocumentType
from blocks.errors import RunError
from tasks.learn.memory import MemoryLearned, OnProgress, learn_memory

log = logging.getLogger(__name__)


def learn(
    database: Database,
    types: Mapping[str, DocumentType],
    on_progress: OnProgress = lambda what, documents: None,
) -> list[MemoryLearned]:
    """Learn the memory of each type, and log what came of it. Raises as the database does."""
    found = []
    for name in sorted(types):
        started = time.monotonic()
        came = learn_memory(database, types[name], on_progress)
        found.append(came)
        if came.learned_id is not None:
            log.info("%s, in %.1f s", sentence(came), time.monotonic() - started)
    return found


def learn_for_run(database: Database, types: Mapping[str, DocumentType]) -> None:
    """Learn before a run. What goes wrong costs the run nothing but what is new: it uses what was learnt before."""
    try:
        learn(database, types)
    except RunError:
        raise
    except Exception:
        log.exception("nothing new was learnt; the run uses what was learnt before")


def sentence(came: MemoryLearned) -> str:
    """What came of learning a type's memory, in words."""
    if came.learned_id is None or came.gate is None:
        return f"{came.document_type}: nothing was learnt: {came.why}"
    changes = [
        f"{name} {field.right_before} to {field.right_after} of {field.documents} right"
        for name, field in came.gate.changes.items()
    ]
    measured = "; ".join(changes) or "no field is read otherwise"
    head = f"{came.document_type}: learnt from {came.documents:,} decided documents (no. {came.learned_id})"
    if came.is_used:
        return f"{head}: {measured}"
    worse = ", ".join(came.gate.worse_fields)
    return f"{head}, and not used, because it reads {worse} worse: {measured}"
