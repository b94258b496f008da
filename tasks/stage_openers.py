"""What opens each stage for a run: it joins the stage to the database, the models and the processes of this one.

Without Prefect, whose import takes as long as the plan of a small backfill: a plan asks stages for fingerprints only.
"""

from collections.abc import Sequence
from functools import cache, partial

from blocks.database.engine import Database
from blocks.database.learning.learned import Part, latest_remembered, load_memories
from blocks.database.learning.texts import decided_texts
from blocks.database.pipeline import documents
from blocks.database.pipeline.last_scorings import DatabaseLastScorings
from blocks.files.page_images import draw_pages
from blocks.learning.evaluation import deciding_fields
from blocks.learning.lessons import MAX_OF_TYPE
from blocks.learning.promised import Promise
from blocks.records import Stage
from tasks.classify.judge import judge_types
from tasks.classify.lessons import TypeLessons
from tasks.classify.stage import ClassifyStage
from tasks.extract.stage import ExtractStage
from tasks.learn.labelled import decided_documents
from tasks.runs.chunk import raise_if_stopped
from tasks.runs.run import Pipeline, PipelineStage, Run, TaskState
from tasks.score.memory import RunMemory
from tasks.score.models import DatabaseModels
from tasks.score.stage import ScoreRules, ScoreStage
from tasks.store.store import STORE_VERSION
from tasks.validate.calibration import RunCalibrations
from tasks.validate.promises import TypePromise
from tasks.validate.stage import ValidateStage


def open_extract(run: Run) -> ExtractStage:
    """The extract stage of a run, with the parsing and OCR processes of this process."""
    return ExtractStage(
        run.settings,
        fetch_part=partial(documents.part_content, run.database),
        raise_if_stopped=partial(raise_if_stopped, run.run_id),
        fetch_parts=partial(documents.part_contents, run.database),
    )


def open_classify(run: Run) -> ClassifyStage:
    """The classify stage of a run."""
    return ClassifyStage(
        run.types, TypeLessons(run.learned, partial(_latest_texts, run.ledger)), relearns=run.context.relearn
    )


def _latest_texts(database: Database, document_type: str, learned_id: int) -> Sequence[str]:
    latest = latest_remembered(database, document_type, learned_id, MAX_OF_TYPE)
    return list(decided_texts(database, [document_id for document_id, _ in latest]).values())


def open_score(run: Run) -> ScoreStage:
    """The score stage of a run. It opens the gateway of this process with the first document that needs it."""
    settings, database = run.settings, run.database
    fetch_part = partial(documents.part_content, database)
    return ScoreStage(
        run.types,
        DatabaseModels(run),
        run.run_id,
        ScoreRules(
            run.context.models,
            settings.budget_per_document_usd,
            settings.outage_wait_limit_s,
            relearn=run.context.relearn,
        ),
        load_last=DatabaseLastScorings(database).load,
        draw=lambda document, pages: draw_pages(document, pages, settings, fetch_part),
        memory=RunMemory(
            run.learned,
            partial(load_memories, run.ledger),
            partial(decided_texts, run.ledger),
            partial(decided_documents, run.ledger),
        ),
    )


def open_validate(run: Run) -> ValidateStage:
    """The validate stage of a run."""

    def promise_of(name: str) -> TypePromise | None:
        rules = run.accept_rules(name)
        if rules is None:
            return None
        deciding, own = deciding_fields(run.types[name]), run.promises.get(name)
        if own is None:
            return TypePromise(rules, deciding)
        return TypePromise(rules, deciding, Promise.model_validate_json(own.content), own.learned_id)

    fits = {name: row for (name, part), row in run.learned.items() if part is Part.CALIBRATION}
    return ValidateStage(run.types, RunCalibrations(run.types, fits), cache(promise_of), relearn=run.context.relearn)


def _works_no_chunk(*_: object, **__: object) -> TaskState:
    raise RuntimeError("this run is open for reading only")


READ_ONLY: Pipeline = {
    Stage.EXTRACT: PipelineStage(_works_no_chunk, open_extract),
    Stage.CLASSIFY: PipelineStage(_works_no_chunk, open_classify, judges=judge_types),
    Stage.SCORE: PipelineStage(_works_no_chunk, open_score),
    Stage.VALIDATE: PipelineStage(_works_no_chunk, open_validate),
    Stage.STORE: PipelineStage(_works_no_chunk, version=STORE_VERSION),
}
"""The stages of a run that is planned and not worked: they give fingerprints, and take no chunk."""
