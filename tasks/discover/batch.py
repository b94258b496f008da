"""Sources to a recorded batch, written in groups, so that memory stays flat for a million files."""

import logging
import time
from itertools import islice

from blocks import progress
from blocks.database.pipeline import documents
from blocks.database.review.failure_needs import sync_discovered
from blocks.records import Batch, Stage
from blocks.telemetry.document_spans import DocumentSpans
from blocks.telemetry.telemetry import TELEMETRY
from tasks.discover.discover import discover
from tasks.runs.chunk import raise_if_stopped
from tasks.runs.run import Run

RECORD_EVERY = 500

log = logging.getLogger(__name__)


def record_sources(run: Run, batch: Batch) -> int:
    """Record every document of the batch's sources as a member of the run; returns their number. Erased ones are none.

    Raises `SourceMissing` before anything is recorded, and `SourceEmpty` if the sources have no file.
    """
    found = erased = 0
    listed = discover(batch.sources, run.settings, rows_column=batch.rows_column, limit=batch.limit)
    started_ns = time.time_ns()
    while group := list(islice(listed, RECORD_EVERY)):
        raise_if_stopped(run.run_id)
        recorded = documents.record_batch(
            run.database,
            run.run_id,
            group,
            given_type=batch.document_type,
            rerun=run.context.rerun,
            pipeline_digest=run.pipeline_digest,
            chunk_size=batch.chunk_size or run.settings.chunk_size,
        )
        sync_discovered(run.database, run.run_id, group)
        found += recorded.members
        erased += recorded.erased
        progress.report(run.run_id, Stage.DISCOVER, recorded.members)
        if TELEMETRY.spans is not None:
            failures = {document.document_id: document.failure for document in group if document.failure}
            DocumentSpans(TELEMETRY.spans, run.run_id).discovered(recorded.new, failures, started_ns)
        started_ns = time.time_ns()
    if erased:
        log.info("%d documents were left out, because they were erased", erased)
    return found
