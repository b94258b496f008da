"""`winnow review export` and `import`: decisions in a spreadsheet."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from blocks.review import label_studio, sheets
from blocks.review.records import Door
from blocks.values.spreadsheet_text import inert
from deployments.cli.options import DatabaseOption, LimitOption, TypeOption, open_existing, open_to_change
from deployments.cli.output import OutputFormat, make_folder_of, say, show_rows
from deployments.cli.review_options import ByOption, JsonOption, Reviewing, reviewing

if TYPE_CHECKING:
    from blocks.review.errors import InvalidDecision
    from blocks.review.records import Item
    from blocks.review.written import WrittenDecision

    Items = Iterable[tuple[Item, str]]

ANSWER_COLUMNS = ("row", "review_id", "decision", "status", "message")


class SheetFormat(StrEnum):
    """How review items are exported."""

    CSV = "csv"
    XLSX = "xlsx"
    LABEL_STUDIO = "label-studio"


_BY_ENDING = {".xlsx": SheetFormat.XLSX, ".json": SheetFormat.LABEL_STUDIO}


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the file to write")],
    sheet_format: Annotated[
        SheetFormat | None,
        typer.Option("--format", help="by default as FILE ends, or csv; winnow review import takes each back"),
    ] = None,
    document_type: TypeOption = None,
    limit: LimitOption = None,
    database: DatabaseOption = None,
) -> None:
    """Write the open items into a file, a row per field, in the order of work.

    Fill in the columns decision, new_value and note, or annotate the tasks in Label Studio and export them as JSON;
    winnow review import takes the file back.
    """
    from xlsxwriter.exceptions import FileCreateError

    from blocks.database.review.queue import QueueFilter, load_items

    items = load_items(open_existing(database), QueueFilter(document_type=document_type), limit)
    write = {SheetFormat.CSV: _write_csv, SheetFormat.XLSX: _write_xlsx, SheetFormat.LABEL_STUDIO: _write_tasks}
    try:
        make_folder_of(file)
        count = write[sheet_format or _BY_ENDING.get(file.suffix.lower(), SheetFormat.CSV)](file, items)
    except (OSError, FileCreateError) as error:
        raise UsageError(f"{file} cannot be written ({error}); name another file") from error
    say(f"{file}: {count} {'item' if count == 1 else 'items'}")


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="a filled-in csv or xlsx file, or JSON from Label Studio", exists=True, dir_okay=False
        ),
    ],
    by: ByOption = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Apply the decisions of a filled-in file, and answer each row. The same file twice decides once.

    Exit code 1 where a row is refused; the others are applied.
    """
    door = reviewing(open_to_change(database), by)
    if file.suffix.lower() == ".json":
        tasks = label_studio.tasks_in(_text_of(file))
        found, unit, count = label_studio.decisions_in(tasks, door.person.name), "task", len(tasks)
    else:
        rows = _read(file)
        found, unit, count = sheets.decisions_in(rows, door.person.name), "row", len(rows)
    answers = [answer for written in found.values() for answer in _decide(door, written)]
    left = count - len({answer["row"] for answer in answers})
    counts = {status: sum(answer["status"] == status for answer in answers) for status in ("applied", "refused")}
    if as_json:
        say(json.dumps(counts | {"rows": answers}, ensure_ascii=False))
    else:
        show_rows(answers, ANSWER_COLUMNS, OutputFormat.TABLE, f"no {unit} has a decision or a new value")
        say(f"{unit}s: {counts['applied']} applied, {counts['refused']} refused, {left} left as they were")
    if counts["refused"]:
        raise typer.Exit(1)


def _decide(
    door: Reviewing, numbered: "Sequence[tuple[int, WrittenDecision | InvalidDecision]]"
) -> Iterator[dict[str, object]]:
    """Decide on an item; an answer per row."""
    from blocks.database.review.decide import decide
    from blocks.database.review.item_content import read_item
    from blocks.review.wording import in_words
    from blocks.review.written import WrittenDecision, decision_of

    unreadable = [row for _, row in numbered if not isinstance(row, WrittenDecision)]
    written = [row for _, row in numbered if isinstance(row, WrittenDecision)]
    status, action = "refused", ""
    try:
        if unreadable:
            raise unreadable[0]
        action = written[0].action
        document_type = door.types.get(read_item(door.database, written[0].review_id).document_type)
        decision = decision_of(sheets.one_decision(written), document_type, Door.IMPORT)
        decided = decide(door.database, decision, door.person, door.types)
        status, message = "applied", in_words(decided.event, decided.corrected, is_repeated=decided.is_repeated)
    except UsageError as error:
        message = str(error)
    for number, row in dict(numbered).items():  # one answer for a task, which may correct several fields
        review_id = row.review_id if isinstance(row, WrittenDecision) else None
        yield {"row": number, "review_id": review_id, "decision": action, "status": status, "message": message}


def _write_csv(file: Path, items: "Items") -> int:
    """Write the rows of the items; returns how many items there were."""
    count = 0
    with file.open("w", newline="", encoding="utf-8-sig") as stream:  # Excel needs the mark to see UTF-8
        writer = csv.DictWriter(stream, sheets.COLUMNS, quoting=csv.QUOTE_ALL)  # whatever the reader's separators are
        writer.writeheader()
        for item, uri in items:
            count += 1
            writer.writerows({name: inert(text) for name, text in row.items()} for row in sheets.rows_of(item, uri))
    return count


def _write_xlsx(file: Path, items: "Items") -> int:
    import xlsxwriter

    count, line = 0, 0
    # Inert text here too: people save workbooks as csv.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    with xlsxwriter.Workbook(file, options) as workbook:
        sheet = workbook.add_worksheet("review")
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(sheets.COLUMNS):
            sheet.write_string(0, column, name)
        for item, uri in items:
            count += 1
            for row in sheets.rows_of(item, uri):
                line += 1
                for column, name in enumerate(sheets.COLUMNS):
                    sheet.write_string(line, column, inert(row[name])[:_MAX_CELL])
    return count


def _write_tasks(file: Path, items: "Items") -> int:
    count = 0
    with file.open("w", encoding="utf-8") as stream:
        stream.write("[")
        for item, uri in items:
            stream.write(",\n" if count else "\n")
            stream.write(json.dumps(label_studio.task_of(item, uri), ensure_ascii=False))
            count += 1
        stream.write("\n]\n")
    return count


_MAX_CELL = 32_767  # a cell of Excel holds no more characters


_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How a workbook begins: a zip archive, or a file of old Excel."""


def _read(file: Path) -> list[dict[str, object]]:
    """The rows of a csv or xlsx file, with the cells as they are, by the names of its columns. Raises `UsageError`."""
    with file.open("rb") as stream:
        is_workbook = stream.read(4) in _WORKBOOKS or file.suffix.lower() == ".xlsx"
    lines = _read_workbook(file) if is_workbook else _read_csv(file)
    names = [sheets.plain(name).strip() for name in lines[0]] if lines else []
    sheets.check_columns(names)
    return [dict(zip(names, line, strict=False)) for line in lines[1:] if any(line)]


def _read_csv(file: Path) -> list[list[object]]:
    csv.field_size_limit(_MAX_CSV_CELL)
    text = _text_of(file)
    try:
        return [list(line) for line in csv.reader(StringIO(text, newline=""), _dialect(text))]
    except csv.Error as error:
        raise UsageError(f"{file} is no csv file ({error})") from error


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not in UTF-8; save it as CSV UTF-8, or as a workbook") from error


_MAX_CSV_CELL = 16 * 1024 * 1024  # a long table is one cell


def _dialect(text: str) -> type[csv.Dialect]:
    """The dialect of a csv file: a spreadsheet in many countries writes semicolons."""
    dialect: type[csv.Dialect] = csv.excel
    header = text.partition("\n")[0]
    if header.count(";") > header.count(","):

        class Semicolons(csv.excel):
            delimiter = ";"

        dialect = Semicolons
    return dialect


def _read_workbook(file: Path) -> list[list[object]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        return [list(line) for line in CalamineWorkbook.from_path(file).get_sheet_by_index(0).to_python()]
    except CalamineError as error:
        raise UsageError(f"{file} is no csv file and no workbook ({error})") from error
