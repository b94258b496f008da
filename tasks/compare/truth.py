"""Truth from files in place of the database's labels, about known documents or about those of a folder."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from blocks.database.engine import Database
from blocks.database.learning.imports import ImportOptions, RefusedRow, stated_labels
from blocks.learning.errors import LabelFileInvalid
from blocks.learning.label_files import FileRow, rows_in
from blocks.learning.labels import Label
from blocks.records import Batch
from tasks.backfill.beside import worked_beside
from tasks.discover.batch import record_sources
from tasks.evaluate.evaluate import Labelled, Types
from tasks.runs.chunk import RunContext
from tasks.runs.prepare import PreparedRun
from tasks.runs.run import Pipeline

SUFFIXES = {".csv", ".tsv", ".jsonl", ".ndjson"}


def truth_files(path: Path) -> tuple[list[Path], list[Path]]:
    """The files of labels at a place, and the documents beside them."""
    if path.is_file():
        return [path], []
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    truths = [file for file in files if file.suffix.lower() in SUFFIXES and _has_labels(file)]
    return truths, [file for file in files if file not in truths]


def _has_labels(file: Path) -> bool:
    """Whether the first row of a file is one of labels."""
    try:
        with file.open("rb") as stream:
            first = next(rows_in(stream, str(file)), None)
    except LabelFileInvalid:
        return False
    return first is not None and not first.problem


def labels_in(
    database: Database, types: Types, files: Sequence[Path], wanted: str | None, *, is_given: bool
) -> tuple[Labelled, list[RefusedRow]]:
    """By document the labels of files, and the rows that are none. Nothing is written.

    `wanted` takes documents of this type alone. `is_given`: it is the type of every row that names no other.
    """
    options = ImportOptions(file="", by="")
    found: defaultdict[str, list[Label]] = defaultdict(list)
    refused: list[RefusedRow] = []
    for file in files:
        with file.open("rb") as stream:
            rows: Iterable[FileRow] = rows_in(stream, str(file))
            if wanted is not None and is_given:
                rows = (replace(row, cells={"document_type": wanted, **row.cells}) for row in rows)
            labels, wrong = stated_labels(database, rows, options, types)
        refused += wrong
        for label in labels:
            if wanted is None or label.document_type == wanted:
                found[label.document_id].append(label)
    return found, refused


@contextmanager
def documents_read(
    prepared: PreparedRun, pipeline: Pipeline, files: Sequence[Path], budget_usd: Decimal, *, use_cache: bool
) -> Iterator[tuple[Database, str]]:
    """A database beside the main one in which documents were read, and the id of the run that read them.

    It is deleted after the block.
    """
    batch = Batch(sources=tuple(map(str, files)))
    context = RunContext(
        run_id=str(uuid.uuid4()), name="evaluation of a folder", budget_usd=budget_usd, use_cache=use_cache
    )
    with worked_beside(prepared, pipeline, context, batch, lambda run: record_sources(run, batch)) as beside:
        yield beside, context.run_id
