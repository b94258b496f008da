"""`winnow results` and `winnow failures`: what the database has, as rows."""

from typing import TYPE_CHECKING, Annotated

import typer

from blocks.records import Status
from deployments.cli.options import (
    AfterOption,
    DatabaseOption,
    FormatOption,
    LimitOption,
    RunOption,
    TypeOption,
    chosen_run,
    open_existing,
)
from deployments.cli.output import OutputFormat, show_rows

if TYPE_CHECKING:
    from blocks.database.engine import Database

RESULT_COLUMNS = ("uri", "document_type", "status", "confidence", "score", "reasons", "fields")
SHOWN_LETTERS = 12
"""So many letters of a document's id are shown; commands take them for the whole."""
FAILURE_COLUMNS = ("uri", "document_id", "stage", "kind", "message", "attempts", "retry")


def results(
    document_type: TypeOption = None,
    status: Annotated[Status | None, typer.Option("--status", help="only documents of this status")] = None,
    run: RunOption = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List results, one row per document."""
    from blocks.database.results import results as results_queries

    opened = open_existing(database)
    run_id = chosen_run(opened, run)
    rows = results_queries.list_results(
        opened,
        document_type=document_type,
        status=status,
        run_id=run_id,
        limit=limit,
        after=after,
    )
    if document_type and not rows:
        _check_type(opened, document_type)
    is_chosen = any(option is not None for option in (document_type, status, run, after))
    empty = "no results match these options" if is_chosen else "no results yet; winnow run SOURCE makes them"
    show_rows(rows, RESULT_COLUMNS, output_format, empty)


def failures(
    run: RunOption = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List documents that failed, with what to do about each."""
    from blocks.database.pipeline import failures as failures_queries
    from blocks.database.pipeline.known_ids import find_document

    opened = open_existing(database)
    run_id = chosen_run(opened, run)
    if after is not None:
        after = find_document(opened, after)
    rows = failures_queries.list_failures(opened, run_id=run_id, limit=limit, after=after)
    shown = [row | {"document_id": str(row["document_id"])[:SHOWN_LETTERS]} for row in rows]
    is_table = output_format is OutputFormat.TABLE
    show_rows(shown if is_table else rows, FAILURE_COLUMNS, output_format, "no failures")


def _check_type(database: "Database", name: str) -> None:
    """Raise `DocumentTypeUnknown` for a name that no type has and no result, such as that of a deleted type."""
    from blocks.database.results import results as results_queries
    from blocks.document_types.loader import load_document_types
    from blocks.errors import DocumentTypeUnknown
    from blocks.settings import load_settings

    types = load_document_types(load_settings().document_types_dir)
    if name not in types and not results_queries.list_results(database, document_type=name, limit=1):
        raise DocumentTypeUnknown(name, tuple(sorted(types)))
