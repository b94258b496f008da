"""The five stages in order, over every chunk of a run."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from blocks import progress
from blocks.database.address import connect
from blocks.database.pipeline import documents
from blocks.settings import Settings, load_settings
from tasks.classify.task import classify, classify_stage
from tasks.extract.task import extract, extract_stage
from tasks.runs.chunk import Chunk, RunContext, raise_if_stopped, stop_run
from tasks.runs.task import StageTask
from tasks.score.task import score, score_stage
from tasks.store.store import STORE_VERSION
from tasks.store.task import store
from tasks.validate.task import validate, validate_stage

STAGES = (extract, classify, score, validate, store)


def pipeline_digest(settings: Settings, run: RunContext) -> str:
    """Digest of all that fingerprints hold beside a document's own digests.

    A document that was settled under it has nothing to compute, and is skipped at discovery.
    """
    parts = (
        extract_stage(settings).configuration,
        classify_stage(settings).configuration,
        score_stage(settings, run).configuration,
        validate_stage(settings).configuration,
        STORE_VERSION,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def process_chunks(run: RunContext, stages: Sequence[StageTask] = STAGES) -> None:
    """Take every chunk of the run through the stages, a few chunks at once.

    A stage that fails for good ends neither its chunk nor the run: the next stage goes on with what is ready, and the
    run's counts tell the rest. Raises `RunInterrupted` when somebody stopped the run.
    """
    settings = load_settings()
    database = connect(settings)
    of = documents.chunk_count(database, run.run_id)
    progress.plan(run.run_id, documents.planned_count(database, run.run_id))
    if of and validate in stages:
        validate_stage(settings).warm_up()

    def process_chunk(number: int) -> None:
        ids = documents.chunk_document_ids(database, run.run_id, number)
        chunk = Chunk(number=number, of=of, document_ids=ids)
        for stage in stages:
            raise_if_stopped(run.run_id)
            stage(run, chunk, return_state=True)

    with ThreadPoolExecutor(settings.chunks_in_flight, thread_name_prefix="chunk") as pool:
        try:
            in_flight = [pool.submit(copy_context().run, process_chunk, number) for number in range(1, of + 1)]
            for future in in_flight:
                future.result()
        except BaseException:  # Ctrl-C and Prefect's cancellation too: what is in work must not go on behind our back
            stop_run(run.run_id)
            pool.shutdown(cancel_futures=True)
            raise
