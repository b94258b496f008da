"""`winnow review`: the documents that wait for a person."""

from datetime import timedelta
from typing import Annotated

import typer

from blocks.review.records import ItemKind, ItemStatus, Role
from deployments.cli import review_decide, review_files, review_look
from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import DatabaseOption, FormatOption, LimitOption, TypeOption, open_existing
from deployments.cli.output import OutputFormat, note, show_rows
from deployments.cli.review_serve import serve
from deployments.cli.review_stats import stats
from deployments.cli.review_users import app as users

COLUMNS = ("review_id", "priority", "due_at", "uri", "document_type", "confidence", "reasons", "fields")

app = new_group(COMMANDS["review"].help)
app.command("next")(review_look.next_)
app.command("show")(review_look.show)
app.command("claim")(review_look.claim)
app.command("release")(review_look.release)
app.command("accept")(review_decide.accept)
app.command("correct")(review_decide.correct)
app.command("reject")(review_decide.reject)
app.command("reclassify")(review_decide.reclassify)
app.command("unreadable")(review_decide.unreadable)
app.command("escalate")(review_decide.escalate)
app.command("return")(review_decide.return_)
app.command("undo")(review_decide.undo)
app.command("export")(review_files.export)
app.command("import")(review_files.import_)
app.command("apply")(review_decide.apply)
app.command("stats")(stats)
app.command("verify")(review_look.verify)
app.command("serve")(serve)
app.add_typer(users, name="user")


@app.callback()
def _group() -> None:
    """The documents that wait for a person."""


@app.command("list")
def list_items(
    status: Annotated[ItemStatus, typer.Option("--status", help="only items of this status")] = ItemStatus.OPEN,
    document_type: TypeOption = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="CODE", help="only with this reason, such as low_confidence")
    ] = None,
    priority: Annotated[int | None, typer.Option("--priority", metavar="N", help="only of this priority")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="only items whose due time has passed")] = False,
    due_within: Annotated[
        float | None, typer.Option("--due-within", metavar="HOURS", help="only items that are due within these hours")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="HOURS", help="only items that have waited longer")
    ] = None,
    claimed_by: Annotated[
        str | None, typer.Option("--claimed-by", metavar="NAME", help="only items that this person has now")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="only documents with this text in their place")] = None,
    kind: Annotated[ItemKind | None, typer.Option("--kind", help="only items of this kind")] = None,
    role: Annotated[Role | None, typer.Option("--role", help="only items that wait for this role")] = None,
    limit: LimitOption = None,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="ID", help="only items behind this one, the last one of an earlier list"),
    ] = None,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List review items in the order in which a reviewer would work."""
    from blocks.database.engine import now
    from blocks.database.review import queue

    opened, at = open_existing(database), now()
    due_before = at if overdue else None if due_within is None else at + timedelta(hours=due_within)
    wanted = queue.QueueFilter(
        status=status,
        document_type=document_type,
        reason=reason,
        priority=priority,
        due_before=due_before,
        opened_before=None if older_than is None else at - timedelta(hours=older_than),
        claimed_by=claimed_by,
        text=text,
        kind=kind,
        role=role,
    )
    rows = queue.list_items(opened, wanted, limit, after)
    is_all = wanted == queue.QueueFilter(status=status) and after is None
    empty = f"no {status} review items" if is_all else f"no {status} review items match these options"
    show_rows(rows, COLUMNS, output_format, empty)
    if limit is not None and len(rows) == limit:
        note(f"more: --after {rows[-1]['review_id']}", style="dim")
