"""The Prefect task behind the flow learn: what was learnt, as an artifact."""

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.database.engine import Database
from blocks.document_types.loader import load_document_types
from blocks.settings import load_settings
from tasks.learn.learn import PartLearned, learn, sentence
from tasks.learn.memory import MemoryLearned
from tasks.learn.types import JudgeTypes


@task(name="learn-from-labels", cache_policy=NO_CACHE, persist_result=False)
def learn_from_labels(database: Database, judge: JudgeTypes) -> list[PartLearned]:
    """Learn every type of this checkout, and write what came of it as an artifact. `judge` decides between types."""
    found = learn(database, load_document_types(load_settings().document_types_dir), judge)
    sentences = "\n".join(f"- {sentence(came)}" for came in found)
    create_table_artifact(measured_rows(found), key="winnow-learn", description=sentences)
    return found


def measured_rows(found: Sequence[PartLearned]) -> list[dict[str, str | int | float]]:
    """The artifact's table: a row per field that a memory was measured on."""
    return [
        {
            "document type": came.document_type,
            "field": name,
            "documents": field.documents,
            "right before": field.right_before,
            "right after": field.right_after,
            "better": field.better,
            "worse": field.worse,
            "p of worse by chance": field.p_worse,
        }
        for came in found
        if isinstance(came, MemoryLearned) and came.gate is not None
        for name, field in came.gate.fields.items()
    ]


def closing_learning(found: Sequence[PartLearned], closed: Sequence[str]) -> State[list[PartLearned]]:
    """The flow's final state. `closed`: the types whose promise was closed."""
    new = [came for came in found if came.learned_id is not None]
    used = sum(came.is_used for came in new)
    message = f"{used} of {len(new)} used" if new else "nothing new was decided since"
    message += f"; closed: the promise of {', '.join(closed)}" if closed else ""
    return Completed(message=message, data=list(found))
