"""`winnow db`: the revision of the database's tables, its size and backup, and the rights of its users."""

import json
from pathlib import Path
from typing import Annotated

import typer

from blocks.database.review.roles import SqlRole
from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import DatabaseOption, open_existing, open_or_create
from deployments.cli.output import OutputFormat, say, show_rows

JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object")]
MB = 1_000_000

app = new_group(COMMANDS["db"].help)


@app.command()
def upgrade(database: DatabaseOption = None) -> None:
    """Bring the tables to the newest revision, and make the view of every document type."""
    from blocks.database.results.views import create_views
    from blocks.database.schema import current_revision
    from blocks.document_types.loader import load_document_types
    from blocks.settings import load_settings

    opened = open_or_create(database)
    create_views(opened, load_document_types(load_settings().document_types_dir))
    say(f"{opened.url} is at revision {current_revision(opened)}")


@app.command()
def grant(
    role: Annotated[
        SqlRole, typer.Argument(help="reader: see the views; reviewer: also decide in their own name; admin: all of it")
    ],
    user: Annotated[str, typer.Argument(metavar="USER", help="a user of the PostgreSQL server")],
    database: DatabaseOption = None,
) -> None:
    """Give a database user a role: what they may see and decide by SQL."""
    from blocks.database.review import roles

    roles.grant(open_or_create(database), role, user)
    say(f"{user} is a {role}; winnow db revoke {role} {user} takes it back")


@app.command()
def revoke(
    role: Annotated[SqlRole, typer.Argument(help="the role to take back; roles that it includes go with it")],
    user: Annotated[str, typer.Argument(metavar="USER", help="a user of the PostgreSQL server")],
    database: DatabaseOption = None,
) -> None:
    """Take a role from a database user."""
    from blocks.database.review import roles

    was_given = roles.revoke(open_or_create(database), role, user)
    say(f"{user} is {'no longer' if was_given else 'not'} a {role}")


@app.command()
def current(database: DatabaseOption = None) -> None:
    """Print the database's revision."""
    from blocks.database.schema import current_revision, head_revision

    opened = open_existing(database)
    revision = current_revision(opened)
    newest = (
        " (the newest)" if revision == head_revision() else f" (the newest is {head_revision()}; winnow db upgrade)"
    )
    say(f"{revision}{newest}")


@app.command()
def size(as_json: JsonOption = False, database: DatabaseOption = None) -> None:
    """Show the rows and bytes of each table, its indexes included, and the bytes per document."""
    from blocks.database.keeping.sizes import table_sizes

    sizes = table_sizes(open_existing(database))
    rows = [{"table": found.table, "rows": found.rows, "bytes": found.size_bytes} for found in sizes.tables]
    per_document = sizes.size_bytes // sizes.documents if sizes.documents else None
    if as_json:
        total = {"documents": sizes.documents, "bytes": sizes.size_bytes, "bytes_per_document": per_document}
        print(json.dumps({"tables": rows} | total))
        return
    shown = [
        {"table": found.table, "rows": f"{found.rows:,}", "MB": f"{found.size_bytes / MB:,.1f}"}
        for found in sizes.tables
        if found.rows
    ]
    show_rows(shown, ("table", "rows", "MB"), OutputFormat.TABLE, "the database is empty")
    if per_document is not None:
        say(f"{sizes.size_bytes / MB:,.1f} MB, {per_document:,} bytes for each of {sizes.documents:,} documents")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the new file; it must not be there yet")],
    database: DatabaseOption = None,
) -> None:
    """Write an SQLite database to a new file, while runs and reviewers work. For PostgreSQL, use pg_dump.

    Copying the file itself would miss what is in the log beside it. The backup is checked before it gets its name.

    Example: winnow db backup backups/winnow-2026-11-29.db
    """
    from blocks.database.keeping.backup import back_up

    size_bytes = back_up(open_existing(database), file)
    say(f"{size_bytes / MB:,.1f} MB in {file}")


@app.command()
def vacuum(database: DatabaseOption = None) -> None:
    """Give the room of deleted rows back to the disk. No run should work meanwhile: it locks the tables."""
    from blocks.database.keeping.sizes import table_sizes
    from blocks.database.keeping.sizes import vacuum as compact

    opened = open_existing(database)
    before = table_sizes(opened).size_bytes
    compact(opened)
    say(f"{before / MB:,.1f} MB before, {table_sizes(opened).size_bytes / MB:,.1f} MB now")
