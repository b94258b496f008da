"""The `winnow` command: one edge where errors become an exit code.

0: done, with or without failures of single documents. 1: the run failed. 2: wrong usage. 130: stopped by Ctrl-C.
143: stopped by SIGTERM.
"""

import sys
import warnings
from typing import Annotated

import typer

from deployments.cli.lazy_group import LazyGroup
from deployments.cli.output import note, warn

app = typer.Typer(
    name="winnow",
    cls=LazyGroup,
    help="Read batches of documents, store what is sure, and send the rest to people for review.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(version("winnow"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="print the version and end", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Read batches of documents, store what is sure, and send the rest to people for review."""


def main() -> None:
    """Run the command and end the process with its exit code."""
    warnings.simplefilter("ignore")  # those of libraries say nothing to the user of a command
    try:
        try:
            app()
        finally:
            _name_misspelt_settings()
    except BrokenPipeError:  # the reader of our output, such as head, has ended
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - raised again unless it is an error of ours
        sys.exit(_exit_code(error))


def _name_misspelt_settings() -> None:
    """Name variables that are nearly settings, where the command has read the settings: their import takes long."""
    if "blocks.settings" in sys.modules:
        from blocks.settings import misspelt_variables

        for sentence in misspelt_variables():
            warn(sentence)


def _exit_code(error: Exception) -> int:
    """Print the error and return the exit code. Raises `error` itself if it is a defect."""
    from blocks.errors import UsageError, WinnowError

    if isinstance(error, UnicodeEncodeError) and (wrong := _not_text(sys.argv)):
        note(f"error: {wrong} is not UTF-8; only paths of files may be so", style="red")
        return 2
    if not isinstance(error, WinnowError):
        raise error
    note(f"error: {error}", style="red")
    return 2 if isinstance(error, UsageError) else 1


def _not_text(words: list[str]) -> str:
    """The words that are not UTF-8, which no database takes, as they can be printed."""
    shown = [word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for word in words]
    return ", ".join(text for text, word in zip(shown, words, strict=True) if text != word)
