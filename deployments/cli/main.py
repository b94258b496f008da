"""The `winnow` command: one edge where errors become an exit code.

0: done, with or without failures of single documents. 1: the run failed. 2: wrong usage. 130: stopped by Ctrl-C.
"""

import sys
import warnings
from importlib.metadata import version
from typing import Annotated

import typer

from blocks.errors import UsageError, WinnowError
from deployments.cli import db, doctor, extract, models, results, review, run, server, types
from deployments.cli.output import stderr

app = typer.Typer(
    name="winnow",
    help="Read a pile of documents, store what is sure, and hand people only the rows that need them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(version("winnow"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="print the version and end", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Read a pile of documents, store what is sure, and hand people only the rows that need them."""


app.command("run")(run.run)
app.command("extract")(extract.extract)
app.command("results")(results.results)
app.add_typer(review.app, name="review")
app.command("failures")(results.failures)
app.add_typer(types.app, name="types")
app.add_typer(models.app, name="models")
app.add_typer(server.app, name="server")
app.command("doctor")(doctor.doctor)
app.add_typer(db.app, name="db")


def main() -> None:
    """Run the command and end the process with its exit code."""
    warnings.simplefilter("ignore")  # those of libraries say nothing to the user of a command
    try:
        app()
    except WinnowError as error:
        stderr.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:  # the reader of our output has gone, as head does
        sys.stderr.close()
        sys.exit(0)
