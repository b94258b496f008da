"""The labelled examples of a document type, and the mistakes in them."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from blocks.document_types.parts import EXAMPLES_FOLDER, Problem, entries, read_text
from blocks.document_types.schema import Example
from blocks.yaml.messages import did_you_mean, schema_mistakes

Place = tuple[Path, int]
"""A file and a line of it."""

_EXAMPLES: TypeAdapter[tuple[Example, ...]] = TypeAdapter(tuple[Example, ...])


def read_examples(folder: Path, fields: Mapping[str, object] | None, problems: list[Problem]) -> tuple[Example, ...]:
    """The examples of every file, in order of file names. `fields` are the type's fields, if they are known.

    A line of a .jsonl file is an `Example`. A row of a .csv file has a text in the column ``text`` and, in the columns
    named after enum fields, its labels.
    """
    rows = list(_rows(folder, problems))
    places = [place for place, _ in rows]
    try:
        examples = _EXAMPLES.validate_python([item for _, item in rows])
    except ValidationError as error:
        mistakes = schema_mistakes(error, Example, depth=1)
        problems.extend(Problem(*places[int(mistake.path[0])], mistake.message) for mistake in mistakes)
        return ()
    if fields is not None:
        for example, place in zip(examples, places, strict=True):
            problems.extend(Problem(*place, text) for text in _label_mistakes(example, fields))
    return examples


def example_places(folder: Path) -> list[Place]:
    """Where the examples of a type without mistakes stand, in their order."""
    return [place for place, _ in _rows(folder, [])]


def _rows(folder: Path, problems: list[Problem]) -> Iterator[tuple[Place, object]]:
    for file in entries(folder / EXAMPLES_FOLDER, ".jsonl", ".csv"):
        text = read_text(file, problems)
        if text is None:
            continue
        if not text.strip():
            problems.append(Problem(file, 1, "it has no example; add one per line, or remove the file"))
        rows = _csv_rows if file.suffix == ".csv" else _jsonl_rows
        for line, item in rows(file, text, problems):
            yield (file, line), item


def _jsonl_rows(file: Path, text: str, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(file, number, f"this line is not JSON: {error}; write one object per line"))


def _csv_rows(file: Path, text: str, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if header and "text" not in header:
            problems.append(Problem(file, 1, f"it has no column 'text'; its columns are {', '.join(header)}"))
            return
        start = reader.line_num + 1
        for row in reader:
            if len(row) == len(header):
                cells = dict(zip(header, row, strict=True))
                example = {"text": cells.pop("text"), "labels": {name: cell for name, cell in cells.items() if cell}}
                yield start, example
            elif row:
                text = f"the row has {len(row)} cells, the header {len(header)}; put quotes around texts with commas"
                problems.append(Problem(file, start, text))
            start = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(file, reader.line_num, f"this is not csv: {error}; mind the quotes"))


def _label_mistakes(example: Example, fields: Mapping[str, object]) -> Iterator[str]:
    if not example.text.strip():
        yield "the example has no text; write one or remove the line"
    for name, label in example.labels.items():
        field = fields.get(name)
        values = field.get("enum") if isinstance(field, dict) else None
        kind = field.get("type") if isinstance(field, dict) else None
        if name not in fields:
            yield f"the type has no field {name!r} to label; {did_you_mean(name, fields)}"
        elif kind == "enum" and not values:
            continue  # that the enum has no values is reported already
        elif not isinstance(values, list):
            yield f"{name!r} is not an enum field; only those have labels"
        elif label not in values:
            yield f"{label!r} is not one of the values of {name!r}; {did_you_mean(label, values)}"
