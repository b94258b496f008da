"""`winnow results` and `winnow failures`: what the database has, as rows."""

from typing import Annotated

import typer

from blocks.database import failures as failures_queries
from blocks.database import results as results_queries
from blocks.records import Status
from deployments.cli.options import DatabaseOption, FormatOption, RunOption, TypeOption, open_existing
from deployments.cli.output import OutputFormat, show_rows

RESULT_COLUMNS = ("uri", "document_type", "status", "confidence", "score", "reasons", "fields")
FAILURE_COLUMNS = ("uri", "stage", "kind", "message", "attempts", "retry")


def results(
    document_type: TypeOption = None,
    status: Annotated[Status | None, typer.Option("--status", help="only documents of this status")] = None,
    run: RunOption = None,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List results, one row per document."""
    rows = results_queries.list_results(open_existing(database), document_type=document_type, status=status, run_id=run)
    show_rows(rows, RESULT_COLUMNS, output_format, "no results yet; winnow run SOURCE makes some")


def failures(
    run: RunOption = None,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List documents that failed, with what to do about each."""
    rows = failures_queries.list_failures(open_existing(database), run_id=run)
    show_rows(rows, FAILURE_COLUMNS, output_format, "no failures")
