"""The stages that take a run's chunks. `Stage` decides their order, not this table."""

from blocks.records import Stage
from tasks.classify.task import classify, open_classify
from tasks.extract.task import extract, open_extract
from tasks.runs.run import Pipeline, PipelineStage
from tasks.score.task import open_score, score
from tasks.store.store import STORE_VERSION
from tasks.store.task import store
from tasks.validate.task import open_validate, validate

PIPELINE: Pipeline = {
    Stage.EXTRACT: PipelineStage(extract, open_extract),
    Stage.CLASSIFY: PipelineStage(classify, open_classify),
    Stage.SCORE: PipelineStage(score, open_score),
    Stage.VALIDATE: PipelineStage(validate, open_validate),
    Stage.STORE: PipelineStage(store, version=STORE_VERSION),
}
