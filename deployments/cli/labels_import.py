"""`winnow labels import`: labels from a csv or jsonl file."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from deployments.cli.options import DatabaseOption, open_existing, open_to_change
from deployments.cli.output import OutputFormat, note, say, show_rows
from deployments.cli.progress_bars import count_progress
from deployments.cli.review_options import JsonOption, person_of
from deployments.cli.words import counted

if TYPE_CHECKING:
    from blocks.database.learning.imports import Imported

REFUSED_COLUMNS = ("line", "place", "field", "why")
SHOWN = 20
"""So many bad rows are printed; --json has all."""


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a csv or jsonl file; - reads from standard input")],
    drawn: Annotated[
        str | None,
        typer.Option(
            "--drawn",
            metavar="all|random:P|chosen",
            help="how the file's documents were picked: all of their type, at random with the probability P each, or "
            "chosen; by default as the column drawn_with says, or chosen",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="NAME", help="who labelled; by default as the column labelled_by says, or the system's user"
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="import nothing where a row is wrong")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check the file, and import nothing")] = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Import labels from a csv or jsonl file.

    A label says what a field of a document is, as people know it. Winnow must have read the document before. The file
    has a row per field, with the columns uri (or document_id), field and value. A uri is a place as winnow results
    shows it, or its end, such as a file's name, where that names one document. A value is typed as in winnow review
    correct: a date or an amount in any usual form, a table as JSON rows. An empty value says that the field is not on
    the document; for a value that nobody can read, write no row.

    Only documents that were drawn at random prove how good Winnow is on the others, so say with --drawn how they were
    picked. To import a file again changes nothing. Exit code 1 where a row is wrong; the others are imported.

    Example: winnow labels import truth.csv --drawn random:0.1 --by ann
    """
    from blocks.database.learning.imports import ImportOptions, import_labels
    from blocks.document_types.loader import load_document_types
    from blocks.learning.label_files import rows_in
    from blocks.learning.labels import probability_of
    from blocks.settings import load_settings

    drawn_with = None if drawn is None else probability_of(drawn)
    opened = open_existing(database) if dry_run else open_to_change(database)
    options = ImportOptions(
        file=file.name,
        by=person_of(opened, by).name,
        is_by_given=by is not None,
        drawn_with=drawn_with,
        is_draw_given=drawn is not None,
        is_strict=strict,
        is_dry_run=dry_run,
    )
    types = load_document_types(load_settings().document_types_dir)
    with _opened(file) as stream, count_progress("rows", None) as advance:
        done = import_labels(opened, rows_in(stream, str(file)), options, types, advance)
    if as_json:
        refused = [row.model_dump() for row in done.refused]
        counts = {"rows": done.rows, "imported": done.written, "known": done.known, "import": done.import_id}
        say(json.dumps(counts | {"is_dry_run": dry_run, "refused": refused}, ensure_ascii=False))
    else:
        _show(file, done, strict=strict, dry_run=dry_run)
    if done.refused:
        raise typer.Exit(1)


def _show(file: Path, done: "Imported", *, strict: bool, dry_run: bool) -> None:
    refused = len(done.refused)
    if refused:
        rows = [row.model_dump() for row in done.refused[:SHOWN]]
        show_rows(rows, REFUSED_COLUMNS, OutputFormat.TABLE, "")
        if refused > SHOWN:
            note(f"and {refused - SHOWN:,} more; --json lists all")
    is_new = "would be imported" if dry_run else "imported"
    say(f"{file.name}: {counted(done.rows, 'row')}: {done.written:,} {is_new}, {done.known:,} known, {refused:,} wrong")
    if strict and refused and not dry_run:
        note("nothing was imported, because of --strict; correct the rows that are wrong")
    elif dry_run:
        note("nothing was imported, because of --dry-run")
    elif done.import_id is not None:
        note(f"import {done.import_id}; to take it back: winnow labels forget --import {done.import_id} --yes")


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        with file.open("rb") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
