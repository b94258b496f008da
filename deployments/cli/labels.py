"""`winnow labels`: what people know to be right."""

import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from blocks.errors import UsageError
from blocks.learning.labels import Label, Origin
from blocks.values.given_values import text_of
from deployments.cli.labels_import import import_
from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import DatabaseOption, FormatOption, LimitOption, TypeOption, open_existing, open_to_change
from deployments.cli.output import OutputFormat, note, say, show_rows
from deployments.cli.progress_bars import count_progress
from deployments.cli.review_options import JsonOption, person_of
from deployments.cli.words import counted, cut

if TYPE_CHECKING:
    from blocks.database.engine import Database
    from blocks.database.learning.labels import LabelFilter

COLUMNS = ("label_id", "uri", "field", "value", "labelled_by", "origin", "drawn_with")
_VALUE_WIDTH = 40
STATS_COLUMNS = ("document_type", "field", "labels", "not_on_document", "drawn", "last_at")
NONE_YET = "no labels yet; people's decisions make some (winnow review next), and so does winnow labels import FILE"
STANDARD_STREAM = "-"

app = new_group(COMMANDS["labels"].help)
app.command("import")(import_)


@app.callback()
def _group() -> None:
    """What people know to be right: import, list, export and forget it."""


DocumentOption = Annotated[
    str | None,
    typer.Option(
        "--document", metavar="NAME", help="only this document: its id, its first letters, or its file's name"
    ),
]
FieldOption = Annotated[str | None, typer.Option("--field", metavar="NAME", help="only labels of this field")]
LabelledByOption = Annotated[
    str | None, typer.Option("--labelled-by", metavar="NAME", help="only labels by this person")
]
OriginOption = Annotated[Origin | None, typer.Option("--origin", help="only labels that came this way")]
ImportOption = Annotated[
    int | None, typer.Option("--import", metavar="N", help="only labels of this import, by the number that it printed")
]


class FileFormat(StrEnum):
    """How labels are exported."""

    CSV = "csv"
    JSONL = "jsonl"


@app.command("list")
def list_labels(
    document_type: TypeOption = None,
    document: DocumentOption = None,
    field: FieldOption = None,
    labelled_by: LabelledByOption = None,
    origin: OriginOption = None,
    import_id: ImportOption = None,
    limit: LimitOption = None,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List the labels that count.

    That is the latest label of each document and field: what people decided in review, and what was imported. An empty
    value says that the field is not on the document. drawn_with is the probability with which chance picked the
    document; it is empty for a chosen one.
    """
    from blocks.database.learning.labels import read_labels

    opened = open_existing(database)
    wanted = _wanted(opened, document_type, document, field, labelled_by, origin, import_id)
    rows = [_row(label, uri) for label, uri in islice(read_labels(opened, wanted), limit)]
    if output_format is OutputFormat.TABLE:
        rows = [row | {"value": cut(text_of(row["value"]), _VALUE_WIDTH)} for row in rows]
    is_all = all(value is None for _, value in wanted)
    show_rows(rows, COLUMNS, output_format, NONE_YET if is_all else "no labels match these options")


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the file to write; - writes to standard output")],
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="by default as FILE ends, or csv; labels import takes both")
    ] = None,
    document_type: TypeOption = None,
    document: DocumentOption = None,
    field: FieldOption = None,
    labelled_by: LabelledByOption = None,
    origin: OriginOption = None,
    import_id: ImportOption = None,
    database: DatabaseOption = None,
) -> None:
    """Write the labels that count into a file.

    It has a row per label, and winnow labels import takes it back. Values are written as results have them, and tables
    as JSON. A csv file is UTF-8, for spreadsheets too.

    Example: winnow labels export labels.csv --type receipt
    """
    from blocks.database.learning.labels import read_labels
    from blocks.document_types.loader import load_document_types
    from blocks.learning.label_files import row_of
    from blocks.settings import load_settings

    opened = open_existing(database)
    types = load_document_types(load_settings().document_types_dir)
    wanted = _wanted(opened, document_type, document, field, labelled_by, origin, import_id)
    is_jsonl = file_format is FileFormat.JSONL or (file_format is None and file.suffix.lower() == ".jsonl")
    count = 0

    def rows() -> Iterator[dict[str, object]]:
        nonlocal count
        for label, uri in read_labels(opened, wanted):
            count += 1
            advance(1)
            yield dict(row_of(label, uri, types))

    with count_progress("labels", None) as advance, _opened(file) as stream:
        (_write_jsonl if is_jsonl else _write_csv)(stream, rows())
    shown = "standard output" if str(file) == STANDARD_STREAM else file
    note(f"{shown}: {counted(count, 'label')}")


app.command("export")(export)


@app.command("stats")
def stats(
    document_type: TypeOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Count the labels by field, origin and person.

    drawn counts the labels of documents that chance picked: only these say something of the others.
    """
    from blocks.database.learning.labels import LabelFilter, read_labels

    groups: defaultdict[tuple[str, str], list[Label]] = defaultdict(list)
    origins, persons, documents, drawn = Counter[str](), Counter[str](), set[str](), set[str]()
    for label, _ in read_labels(open_existing(database), LabelFilter(document_type=document_type)):
        groups[label.document_type, label.field].append(label.model_copy(update={"value": label.value is None}))
        origins[label.origin] += 1
        persons[label.labelled_by] += 1
        documents.add(label.document_id)
        if label.drawn_with is not None:
            drawn.add(label.document_id)
    fields = [_field_stats(*key, groups[key]) for key in sorted(groups)]
    if as_json:
        totals = {"documents": len(documents), "drawn_documents": len(drawn), "origins": origins, "persons": persons}
        say(json.dumps(totals | {"fields": fields}, ensure_ascii=False))
        return
    show_rows(fields, STATS_COLUMNS, OutputFormat.TABLE, NONE_YET)
    if fields:
        say()
        say(f"documents: {len(documents):,}, of which chance picked {len(drawn):,}")
        say(f"labels by the way they came: {_in_words(origins)}")
        say(f"labels by person: {_in_words(persons)}")


@app.command("forget")
def forget(
    label_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LABEL]...", help="labels by their ids, as winnow labels list has them"),
    ] = None,
    document: Annotated[
        str | None, typer.Option("--document", metavar="NAME", help="all labels of this document: its id, or its file")
    ] = None,
    labelled_by: Annotated[
        str | None, typer.Option("--labelled-by", metavar="NAME", help="all labels by this person so far")
    ] = None,
    import_id: Annotated[
        int | None, typer.Option("--import", metavar="N", help="all labels of this import that are left")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="who forgets; by default the system's user")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do it; without this, only count what would go")] = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Forget labels.

    Nothing is learnt from them any more, and nothing proved by them. Imported labels are deleted. Decisions of people
    stand as they are, and are no labels any more. Without --yes, the command only counts. Who forgot, and when, is kept
    in the table label_events.

    Example: winnow labels forget --import 3 --yes
    """
    from blocks.database.learning import forget as forgetting
    from blocks.database.learning.labels import LabelFilter

    if sum((bool(label_ids), document is not None, labelled_by is not None, import_id is not None)) != 1:
        raise UsageError("name labels, or one of --document, --labelled-by and --import")
    opened = open_to_change(database) if yes else open_existing(database)
    document_id = None if document is None else _document_id(opened, document)
    wanted = LabelFilter(document_id=document_id, labelled_by=labelled_by, import_id=import_id)
    if yes:
        done = forgetting.forget(opened, wanted, person_of(opened, by).name, label_ids or ())
    else:
        done = forgetting.held_labels(opened, wanted, label_ids or ())
    if as_json:
        say(json.dumps(done.model_dump() | {"is_forgotten": yes}))
        return
    total = done.imported + done.decided
    if not total:
        note("no labels are like that")
        return
    what = f"{done.imported:,} imported, {done.decided:,} of decisions, which stand"
    say(f"{'forgotten: ' if yes else ''}{counted(total, 'label')} of {counted(done.documents, 'document')}: {what}")
    if not yes:
        note("nothing was forgotten; --yes forgets them")


def _wanted(
    database: "Database",
    document_type: str | None,
    document: str | None,
    field: str | None,
    labelled_by: str | None,
    origin: Origin | None,
    import_id: int | None,
) -> "LabelFilter":
    from blocks.database.learning.labels import LabelFilter

    return LabelFilter(
        document_type=document_type,
        document_id=None if document is None else _document_id(database, document),
        field=field,
        labelled_by=labelled_by,
        origin=origin,
        import_id=import_id,
    )


def _document_id(database: "Database", name: str) -> str:
    """The document of that id or place. Raises `StoryUnknown`, `StoryAmbiguous` and, for a run's id, `UsageError`."""
    from blocks.database.story.find import find

    found = find(database, name).document_id
    if found is None:
        raise UsageError(f"{name} is a run; name a document")
    return found


def _row(label: Label, uri: str) -> dict[str, Any]:
    row = label.model_dump(mode="json")
    drawn = None if label.drawn_with is None else f"{label.drawn_with:.6g}"
    first = {"label_id": label.label_id, "uri": uri}
    return first | {name: row[name] for name in row if name != "label_id"} | {"drawn_with": drawn}


def _field_stats(document_type: str, field: str, labels: list[Label]) -> dict[str, object]:
    return {
        "document_type": document_type,
        "field": field,
        "labels": len(labels),
        "not_on_document": sum(label.value is True for label in labels),
        "drawn": sum(label.drawn_with is not None for label in labels),
        "last_at": max(label.labelled_at for label in labels).isoformat(timespec="seconds"),
    }


def _in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(counts.items(), key=_rank))


def _rank(item: tuple[str, int]) -> tuple[int, str]:
    """The most frequent first, then by name."""
    name, count = item
    return -count, name


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    if str(file) == STANDARD_STREAM:
        yield sys.stdout
        return
    try:
        with file.open("w", newline="", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error}); name another file") from error


def _write_jsonl(stream: IO[str], rows: Iterable[dict[str, object]]) -> None:
    for row in rows:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_csv(stream: IO[str], rows: Iterable[dict[str, object]]) -> None:
    from blocks.learning.label_files import COLUMNS as IN_FILES
    from blocks.learning.label_files import csv_cells

    if stream is not sys.stdout:
        stream.write("\ufeff")  # Excel needs the mark to see UTF-8
    writer = csv.DictWriter(stream, IN_FILES, quoting=csv.QUOTE_ALL)  # whatever the reader's separators are
    writer.writeheader()
    writer.writerows(csv_cells(row) for row in rows)  # type: ignore[arg-type] # JSON values
