"""Row-level expectations over a chunk: a pandas frame per document type.

A column's kind follows its field's type and never the values in the chunk, so that a document's verdict does not depend
on other documents: money, number and integer are float64, dates datetime64, everything else text (lists and tables as
JSON).
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from blocks.document_types.expectations import check_expectation, columns_of, is_row_level, resolve
from blocks.document_types.schema import DocumentType, Expectation, FieldType
from blocks.errors import ExpectationInvalid
from tasks.validate.library import LOCK, NAME_KEY, context, exception_of, name_of

if TYPE_CHECKING:
    import pandas
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.core.batch_definition import BatchDefinition

NUMERIC = frozenset({FieldType.MONEY, FieldType.NUMBER, FieldType.INTEGER})
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TYPICAL: Mapping[FieldType, JsonValue] = {
    FieldType.DATE: "2000-01-31",
    FieldType.MONEY: "1.00",
    FieldType.NUMBER: "1",
    FieldType.INTEGER: 1,
    FieldType.LIST: ["a"],
    FieldType.TABLE: [{"a": "a"}],
}
WHETHER = {"result_format": "BOOLEAN_ONLY"}
WHICH_ROWS = {"result_format": "COMPLETE"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """What expectations read of a document: its typed values, its id and its score."""

    document_id: str
    fields: Mapping[str, JsonValue]
    score: float | None = None


class RowExpectations:
    """The row-level expectations of a document type.

    An expectation that the library refuses is in `unusable`. Every row breaks it, because nothing checks the row.
    """

    def __init__(self, document_type: DocumentType) -> None:
        self._type = document_type
        self._usable: dict[str, Expectation] = {}
        self.unusable: dict[str, str] = {}
        self._warned: set[str] = set()
        for expectation in document_type.expectations:
            try:
                if is_row_level(expectation):
                    check_expectation(expectation, document_type)
                    self._usable[expectation.name] = _for_frames(expectation, document_type)
            except ExpectationInvalid as error:
                self._refuse(expectation.name, str(error))
        self._try_out()

    def broken_by(self, rows: Sequence[Row]) -> list[tuple[str, ...]]:
        """The names of the expectations that each row breaks, in the order of `rows`."""
        broken: list[list[str]] = [list(self.unusable) for _ in rows]
        if rows and self._usable:
            table = frame(self._type, rows)
            # The library takes half as long to find whether all rows pass as to find which rows fail.
            whether = _run(table, tuple(self._usable.values()), WHETHER)
            for name, positions in self._evaluate(
                table, [name_of(result) for result in whether if not result.success]
            ).items():
                for position in positions:
                    broken[position].append(name)
        order = {expectation.name: place for place, expectation in enumerate(self._type.expectations)}
        return [tuple(sorted(names, key=order.__getitem__)) for names in broken]

    def _try_out(self) -> None:
        """Refuse expectations that raise on a typical row, such as a comparison of texts with numbers."""
        if not self._usable:
            return
        typical = Row("0" * 64, {name: TYPICAL.get(field.type, "a") for name, field in self._type.fields.items()}, 0.0)
        for result in _run(frame(self._type, [typical]), tuple(self._usable.values()), WHETHER):
            failure = exception_of(result)
            if failure is not None:
                del self._usable[name_of(result)]
                self._refuse(name_of(result), failure)

    def _refuse(self, name: str, why: str) -> None:
        self.unusable[name] = why
        log.warning("document type %s: expectation %s is broken by every row: %s", self._type.name, name, why)

    def _warn_of_a_row(self, name: str) -> None:
        """Warn once per expectation; without the library's message, which may quote the row."""
        if name not in self._warned:
            self._warned.add(name)
            log.warning(
                "document type %s: expectation %s raises on a row, which therefore breaks it; DEBUG shows the message",
                self._type.name,
                name,
            )

    def _evaluate(self, table: "pandas.DataFrame", names: Sequence[str]) -> dict[str, list[int]]:
        """The rows of `table`, by their index, that break each expectation.

        If the library raises, the table is halved until each row that it cannot check is alone. That row breaks the
        expectation; the other rows are checked.
        """
        found: dict[str, list[int]] = {}
        for result in _run(table, [self._usable[name] for name in names], WHICH_ROWS) if names else ():
            name = name_of(result)
            failure = exception_of(result)
            if failure is None:
                found[name] = [int(position) for position in result.result["unexpected_index_list"] or ()]
            elif len(table) > 1:
                half = len(table) // 2
                parts = (self._evaluate(table.iloc[:half], (name,)), self._evaluate(table.iloc[half:], (name,)))
                found[name] = [position for part in parts for position in part[name]]
            else:
                self._warn_of_a_row(name)
                log.debug("%s: %s cannot check a row: %s", self._type.name, name, failure)
                found[name] = [int(position) for position in table.index]
        return found


def frame(document_type: DocumentType, rows: Sequence[Row]) -> "pandas.DataFrame":
    """The rows as a frame with a column per field, `document_id` and `score`, indexed from 0."""
    import pandas

    columns: dict[str, pandas.Series[Any]] = {
        name: _column([row.fields.get(name) for row in rows], field.type)
        for name, field in document_type.fields.items()
    }
    columns.setdefault("document_id", pandas.Series([row.document_id for row in rows], dtype=object))
    columns.setdefault("score", pandas.Series([row.score for row in rows], dtype="float64"))
    return pandas.DataFrame(columns)


def _column(values: Sequence[JsonValue], kind: FieldType) -> "pandas.Series[Any]":
    import pandas

    if kind in NUMERIC:
        return pandas.Series([None if value is None else _number(value) for value in values], dtype="float64")
    if kind is FieldType.DATE:
        dates = pandas.Series([value if isinstance(value, str) else None for value in values], dtype=object)
        return dates.astype("datetime64[us]")
    return pandas.Series([_text(value) for value in values], dtype=object)


def _number(value: JsonValue) -> float:
    """The nearest float; a number beyond its range is infinite, so that a bound catches it."""
    try:
        return float(str(value))
    except ValueError:
        return float("nan")


def _text(value: JsonValue) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _for_frames(expectation: Expectation, document_type: DocumentType) -> Expectation:
    """The expectation for a frame: its name in its meta, and the bounds of a date column as times.

    The library turns a bound that looks like a date into a date, which pandas does not compare with a datetime64.
    """
    kwargs = {**expectation.kwargs, "meta": {NAME_KEY: expectation.name}}
    fields = [document_type.fields[column] for column in columns_of(expectation) if column in document_type.fields]
    if any(field.type is FieldType.DATE for field in fields):
        for argument in ("min_value", "max_value"):
            value = kwargs.get(argument)
            if isinstance(value, str) and ISO_DATE.fullmatch(value):
                kwargs[argument] = f"{value}T00:00:00"
    return expectation.model_copy(update={"kwargs": kwargs})


def _run(
    table: "pandas.DataFrame", expectations: Sequence[Expectation], result_format: Mapping[str, str]
) -> "list[ExpectationValidationResult]":
    import great_expectations

    suite = great_expectations.ExpectationSuite(
        name="rows", expectations=[resolve(expectation) for expectation in expectations]
    )
    with LOCK:
        batch = _frames().get_batch({"dataframe": table})
        return list(batch.validate(suite, result_format=dict(result_format)).results)


@cache
def _frames() -> "BatchDefinition[Any]":
    asset = context().data_sources.add_pandas("chunks").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")
