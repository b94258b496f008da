"""`winnow review`: the documents that wait for a person."""

from enum import StrEnum
from typing import Annotated

import typer

from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import DatabaseOption, FormatOption, open_existing
from deployments.cli.output import OutputFormat, show_rows
from deployments.cli.review_serve import serve
from deployments.cli.review_users import app as users

COLUMNS = ("review_id", "priority", "due_at", "uri", "document_type", "confidence", "reasons", "fields")

app = new_group(COMMANDS["review"].help)
app.command("serve")(serve)
app.add_typer(users, name="user")


class ReviewStatus(StrEnum):
    """Whether a review item still waits for a person."""

    OPEN = "open"
    DECIDED = "decided"
    SUPERSEDED = "superseded"


@app.callback()
def _group() -> None:
    """The documents that wait for a person."""


@app.command("list")
def list_items(
    status: Annotated[
        ReviewStatus, typer.Option("--status", help="only items of this status; deciding items is not built yet")
    ] = ReviewStatus.OPEN,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List review items in the order in which a reviewer would work."""
    from blocks.database.review.queue import list_review

    rows = list_review(open_existing(database), status=status)
    show_rows(rows, COLUMNS, output_format, f"no {status} review items")
