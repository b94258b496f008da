"""A pipeline whose stages run without Prefect, in this process, for what is no run of a user: a sample, a benchmark."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tasks.runs.chunk import Chunk
from tasks.runs.run import Pipeline, Run


@dataclass(frozen=True, slots=True)
class Ended:
    """What a stage returned for a chunk, or the exception that it raised."""

    value: object

    def result(self, *, raise_on_failure: bool) -> object:
        """The value. An exception is never raised."""
        assert not raise_on_failure
        return self.value


def without_prefect(pipeline: Pipeline) -> Pipeline:
    """The pipeline with the functions of its Prefect tasks. A chunk is tried once."""
    return {stage: replace(part, task=_plain(part.task)) for stage, part in pipeline.items()}


def _plain(task: Any) -> Callable[..., Ended]:
    def work(run: Run, chunk: Chunk, *, return_state: bool) -> Ended:
        assert return_state
        try:
            return Ended(task.fn(run, chunk).data)
        except Exception as error:  # noqa: BLE001 - as Prefect does
            return Ended(error)

    return work
