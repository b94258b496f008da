"""The stages that take a run's chunks. `Stage` decides their order, not this table."""

from dataclasses import replace

from blocks.records import Stage
from tasks.classify.task import classify
from tasks.extract.task import extract
from tasks.runs.run import Pipeline
from tasks.score.task import score
from tasks.stage_openers import READ_ONLY
from tasks.store.task import store
from tasks.validate.task import validate

_TASKS = {
    Stage.EXTRACT: extract,
    Stage.CLASSIFY: classify,
    Stage.SCORE: score,
    Stage.VALIDATE: validate,
    Stage.STORE: store,
}
PIPELINE: Pipeline = {stage: replace(part, task=_TASKS[stage]) for stage, part in READ_ONLY.items()}
