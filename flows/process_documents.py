"""The main sentence: a source in; results, review items and failures out."""

from typing import Annotated

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.records import Batch, Rerun
from tasks.discover.task import discover
from tasks.pipeline import process_chunks
from tasks.report.report import RunReport
from tasks.report.task import closing_state, report
from tasks.run import open_run
from tasks.task import run_name


@flow(name="process-documents", flow_run_name=run_name, persist_result=False)
def process_documents(
    sources: Annotated[tuple[str, ...], Field(title="Sources", description="files, folders, globs or URLs")],
    document_type: Annotated[str | None, Field(description="declare the type of every document")] = None,
    rerun: Annotated[Rerun, Field(description="which documents are computed")] = Rerun.STALE,
    limit: Annotated[int | None, Field(ge=1, description="take so many files at most")] = None,
    rows_column: Annotated[str | None, Field(description="text column; each row is then a document")] = None,
    chunk_size: Annotated[int | None, Field(ge=1, le=10_000, description="documents per task run")] = None,
) -> State[RunReport]:
    """Read, classify, score, validate and store every document of the sources."""
    batch = Batch(
        sources=sources, document_type=document_type, rows_column=rows_column, limit=limit, chunk_size=chunk_size
    )
    with open_run(runtime.flow_run.id, runtime.flow_run.name, batch, rerun) as run:
        discover(run, batch)
        process_chunks(run)
        return closing_state(report(run))
