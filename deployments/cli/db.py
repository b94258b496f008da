"""`winnow db`: the database's revision."""

import typer

from blocks.database.engine import current_revision, head_revision
from blocks.database.results.views import create_views
from blocks.document_types.loader import load_document_types
from blocks.settings import load_settings
from deployments.cli.options import DatabaseOption, open_existing, open_or_create
from deployments.cli.output import stdout

app = typer.Typer(help="The database's tables and views.", no_args_is_help=True)


@app.command()
def upgrade(database: DatabaseOption = None) -> None:
    """Bring the tables to the newest revision and make the views of every document type."""
    opened = open_or_create(database)
    create_views(opened, load_document_types(load_settings().document_types_dir))
    stdout.print(f"{opened.safe_url} is at revision {current_revision(opened)}", highlight=False, soft_wrap=True)


@app.command()
def current(database: DatabaseOption = None) -> None:
    """Print the database's revision."""
    opened = open_existing(database)
    revision = current_revision(opened)
    newest = " (newest)" if revision == head_revision() else f" (newest is {head_revision()})"
    stdout.print(f"{revision}{newest}", highlight=False)
