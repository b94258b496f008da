"""Looks up a document type's expectations in Great Expectations: whether the name exists and the arguments fit, and
whether the expectation is about a row or about the whole.

Great Expectations takes seconds to import, so functions import it, and `warm_up` does so in the background.
"""

import difflib
import logging
import re
import threading
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from blocks.document_types.schema import DocumentType, Expectation
from blocks.errors import ExpectationInvalid
from blocks.imports.import_lock import IMPORT_LOCK
from blocks.imports.lean_import import lean_imports

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation as LibraryExpectation

ROW_COLUMNS = ("document_id", "score")
"""Columns that the rows of every type have beside its fields."""

VIEW_COLUMNS = ("document_id", "uri", "status", "confidence", "score", "reasons", "run_id", "created_at", "accepted_by")
"""Columns that the view of every type has beside its fields, in their order there."""

ABOUT_OTHER_ROWS = frozenset(
    {
        "ExpectColumnValuesToBeUnique",
        "ExpectCompoundColumnsToBeUnique",
        "ExpectColumnValuesToBeIncreasing",
        "ExpectColumnValuesToBeDecreasing",
        "ExpectColumnValueZScoresToBeLessThan",
        "ExpectColumnValuesToNotBeOutliers",
        "ExpectColumnValuesToBeOfType",
        "ExpectColumnValuesToBeInTypeList",
    }
)
"""Map expectations whose answer for a row depends on other rows, and so on how the batch was cut into chunks."""

UNIQUE = frozenset({"ExpectColumnValuesToBeUnique", "ExpectCompoundColumnsToBeUnique"})
"""Expectations that no two rows have the same values."""

IN_DATABASES_ONLY = frozenset(
    {
        "ExpectColumnValuesToMatchLikePattern",
        "ExpectColumnValuesToMatchLikePatternList",
        "ExpectColumnValuesToNotMatchLikePattern",
        "ExpectColumnValuesToNotMatchLikePatternList",
    }
)
"""Map expectations that the library computes in databases, but not in frames."""

SET_BY_WINNOW = ("id", "batch_id", "windows", "catch_exceptions", "result_format", "rendered_content", "severity")

COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")


def column_in_view(field: str, own: Collection[str] = VIEW_COLUMNS) -> str:
    """A field's column in a view with the columns `own`: prefixed where the field has the name of one of them."""
    return f"field_{field}" if field.lower() in own else field


def warm_up() -> threading.Thread:
    """Import Great Expectations in a thread of its own, so that a run need not wait for it later."""
    thread = threading.Thread(target=_library, name="import-great-expectations", daemon=True)
    thread.start()
    return thread


def resolve(expectation: Expectation) -> "LibraryExpectation":
    """The library's own object for an expectation.

    Raises `ExpectationInvalid` if the library has no such expectation, or refuses its arguments.
    """
    known = _library()
    name = _class_name(expectation.type)
    if name not in known:
        near = _did_you_mean(name, tuple(known))
        raise ExpectationInvalid(expectation.name, f"Great Expectations has no {expectation.type!r}{near}")
    for argument in SET_BY_WINNOW:
        if argument in expectation.kwargs:
            raise ExpectationInvalid(expectation.name, f"the argument {argument} is set by Winnow; leave it out")
    query = expectation.kwargs.get("unexpected_rows_query")
    if isinstance(query, str) and "{batch}" not in query:
        raise ExpectationInvalid(expectation.name, "unexpected_rows_query must select from {batch}, the type's results")
    from great_expectations.compatibility.pydantic import ValidationError

    try:
        found: LibraryExpectation = known[name](**expectation.kwargs)
    except ValidationError as error:
        complaints = cast("list[dict[str, Any]]", error.errors())
        raise ExpectationInvalid(expectation.name, _complaints(complaints, known[name])) from error
    except (TypeError, ValueError) as error:
        raise ExpectationInvalid(expectation.name, str(error)) from error
    _check_arguments(expectation)
    return found


def is_row_level(expectation: Expectation) -> bool:
    """Whether the expectation judges each row by itself; otherwise it is about the whole.

    The library's map expectations are row-level, except those that compare rows, that only databases compute, or that
    tolerate a share of exceptions (`mostly` below 1). Raises as `resolve`.
    """
    found = resolve(expectation)
    from great_expectations.expectations import expectation as kinds

    by_row = (kinds.ColumnMapExpectation, kinds.ColumnPairMapExpectation, kinds.MulticolumnMapExpectation)
    if not isinstance(found, by_row) or type(found).__name__ in ABOUT_OTHER_ROWS | IN_DATABASES_ONLY:
        return False
    return expectation.kwargs.get("mostly", 1) == 1


def wants_uniqueness(expectation: Expectation) -> bool:
    """Whether no two rows may have the same values in the expectation's columns."""
    return _class_name(expectation.type) in UNIQUE


def columns_of(expectation: Expectation) -> tuple[str, ...]:
    """The columns that the arguments name, in their order."""
    return columns_in(expectation.kwargs)


def columns_in(arguments: Mapping[str, object]) -> tuple[str, ...]:
    """As `columns_of`, of arguments that may have any values."""
    values = (arguments.get(argument) for argument in COLUMN_ARGUMENTS)
    names = (name for value in values for name in (value if isinstance(value, list) else [value]))
    return tuple(name for name in names if isinstance(name, str))


def check_expectation(expectation: Expectation, document_type: DocumentType) -> None:
    """Raise `ExpectationInvalid` if the library refuses the expectation, or it names a column that does not exist."""
    allowed = (*document_type.fields, *(ROW_COLUMNS if is_row_level(expectation) else VIEW_COLUMNS))
    for column in columns_of(expectation):
        if column not in allowed:
            hint = f"{_did_you_mean(column, allowed)}; there are: {', '.join(allowed)}"
            raise ExpectationInvalid(expectation.name, f"{document_type.name} has no column {column!r}{hint}")


@cache
def _library() -> dict[str, Any]:
    """The library's expectations by class name. Its log is switched off: findings and errors say the same."""
    library_log = logging.getLogger("great_expectations")
    library_log.propagate = False  # a level here would not bind its modules that set one of their own
    library_log.addHandler(logging.NullHandler())
    with IMPORT_LOCK, lean_imports():
        import great_expectations.expectations as library

    return {name: getattr(library, name) for name in dir(library) if re.match("Expect[A-Z]|UnexpectedRows", name)}


def _class_name(name: str) -> str:
    """The library knows each expectation by two names: ExpectTableRowCountToEqual, expect_table_row_count_to_equal."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) if "_" in name else name


def _did_you_mean(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _complaints(errors: list[dict[str, Any]], found: Any) -> str:
    """The library's complaints in one line, each argument once."""
    by_argument: dict[str, str] = {}
    for error in errors:
        argument = str(error["loc"][0])
        message = str(error["msg"])
        if error["type"] == "value_error.extra":
            arguments = tuple(name for name in found.__fields__ if name not in SET_BY_WINNOW)
            message = f"is not an argument of {found.__name__}{_did_you_mean(argument, arguments)}"
        elif error["type"] == "value_error.missing":
            message = "is missing"
        by_argument.setdefault(argument, message)
    return "; ".join(
        message if argument == "__root__" else f"{argument}: {message}" for argument, message in by_argument.items()
    )


def _check_arguments(expectation: Expectation) -> None:
    """Raise `ExpectationInvalid` for mistakes that the library would notice only in the middle of a run."""
    arguments = expectation.kwargs
    patterns = [arguments.get("regex"), *(arguments.get("regex_list") or ())]  # type: ignore[misc]  # the library has checked that it is a list
    for pattern in patterns:
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ExpectationInvalid(
                    expectation.name, f"{pattern!r} is not a regular expression: {error}"
                ) from error
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise ExpectationInvalid(expectation.name, f"min_value {low} is greater than max_value {high}")
    if isinstance(low, str) and isinstance(high, str) and low > high:
        raise ExpectationInvalid(expectation.name, f"min_value {low!r} is greater than max_value {high!r}")
    for name, value in arguments.items():
        if isinstance(value, dict) and "$PARAMETER" in value:
            raise ExpectationInvalid(expectation.name, f"{name}: suite parameters are not used here; write the value")
