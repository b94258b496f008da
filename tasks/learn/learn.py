"""Learns what people decided since the last time, type by type."""

import logging
import time
from collections.abc import Mapping

from blocks.database.engine import Database
from blocks.database.learning.learned import Part, in_use
from blocks.document_types.schema import DocumentType
from blocks.errors import RunError
from tasks.learn.calibration import CalibrationLearned, learn_calibration
from tasks.learn.examples import learn_examples
from tasks.learn.memory import MemoryLearned, OnProgress, learn_memory
from tasks.learn.types import JudgeTypes

PartLearned = MemoryLearned | CalibrationLearned
"""What came of learning a part of a type."""

PROMISED = "the type promises an error, which is bound to the confidences as they are"

log = logging.getLogger(__name__)


def learn(
    database: Database,
    types: Mapping[str, DocumentType],
    judge: JudgeTypes | None = None,
    on_progress: OnProgress = lambda what, documents: None,
    only: str | None = None,
) -> list[PartLearned]:
    """Learn the memory and the calibration of each type, or of one `only`, and log what came of it.

    `judge` is how a run decides between types. Of what a type does not ask for nothing is reported, unless it asks for
    neither. The first calibration of a type that promises an error stays: what is proven is bound to it. Raises as
    the database does.
    """
    found: list[PartLearned] = []
    used = in_use(database)
    for name in sorted(types) if only is None else [only]:
        started = time.monotonic()
        came = learn_memory(database, types, name, judge, on_progress)
        came = came.model_copy(update={"examples_id": learn_examples(database, types[name])})
        asks_for_calibration = types[name].review.calibrate
        if types[name].memory is not None or came.examples_id is not None or not asks_for_calibration:
            found.append(_logged(came, started))
        if asks_for_calibration and types[name].review.accept is not None and (name, Part.CALIBRATION) in used:
            found.append(CalibrationLearned(document_type=name, documents=0, why=PROMISED))
        elif asks_for_calibration:
            started = time.monotonic()
            found.append(_logged(learn_calibration(database, types[name]), started))
    return found


def _logged(came: PartLearned, started: float) -> PartLearned:
    if came.learned_id is not None:
        log.info("%s, in %.1f s", sentence(came), time.monotonic() - started)
    return came


def learn_for_run(database: Database, types: Mapping[str, DocumentType], judge: JudgeTypes | None) -> None:
    """Learn before a run. What goes wrong costs the run nothing but what is new: it uses what was learnt before."""
    try:
        learn(database, types, judge)
    except RunError:
        raise
    except Exception:
        log.exception("nothing new was learnt; the run uses what was learnt before")


def sentence(came: PartLearned) -> str:
    """What came of learning a part of a type, in words."""
    if isinstance(came, CalibrationLearned):
        return _calibration_sentence(came)
    shown = "" if came.examples_id is None else f"; models are shown these documents (no. {came.examples_id})"
    return f"{_memory_sentence(came)}{shown}"


def _memory_sentence(came: MemoryLearned) -> str:
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


def _calibration_sentence(came: CalibrationLearned) -> str:
    if came.learned_id is None or came.gate is None:
        return f"{came.document_type}: no calibration was learnt: {came.why}"
    head = f"{came.document_type}: calibrated by {came.documents:,} decided documents (no. {came.learned_id})"
    if not came.is_used:
        return f"{head}, and not used, because no field loses less than by what is in use"
    changes = [
        f"{name} {field.method} by {field.labels:,} labels, log loss {field.loss_before:.3f} to {field.loss_after:.3f}"
        for name, field in came.gate.changes.items()
    ]
    return f"{head}: {'; '.join(changes)}"
