"""docs/expectations.md says what the code does: its example runs, its lists are those of the code."""

import re
from pathlib import Path

from pydantic import JsonValue
from ruamel.yaml import YAML

from blocks.document_types.expectations import (
    ABOUT_OTHER_ROWS,
    IN_DATABASES_ONLY,
    ROW_COLUMNS,
    VIEW_COLUMNS,
    check_expectation,
    is_row_level,
)
from blocks.document_types.schema import DocumentField, DocumentType, Expectation, FieldType
from tasks.validate.rows import Row, RowExpectations

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "expectations.md").read_text(encoding="utf-8")
EXAMPLE = YAML(typ="safe").load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])  # type: ignore[index]  # it is there
BILL = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "number": DocumentField(type=FieldType.TEXT),
        "seller": DocumentField(type=FieldType.TEXT),
        "total": DocumentField(type=FieldType.MONEY),
        "issue_date": DocumentField(type=FieldType.DATE),
        "due_date": DocumentField(type=FieldType.DATE),
        "lines": DocumentField(type=FieldType.TABLE, columns={"name": DocumentField(type=FieldType.TEXT)}),
    },
    expectations=tuple(Expectation.model_validate(one) for one in EXAMPLE),
)


def test_the_example_does_what_its_comments_say() -> None:
    for expectation in BILL.expectations:
        check_expectation(expectation, BILL)
    rows = [one.name for one in BILL.expectations if is_row_level(one)]
    assert rows == ["total_in_bounds", "due_after_issue", "two_lines_or_more"]
    early: dict[str, JsonValue] = {
        "total": "0.00",
        "issue_date": "2024-02-01",
        "due_date": "2024-01-31",
        "lines": [{"name": "a"}],
    }
    assert RowExpectations(BILL).broken_by([Row("a", early), Row("b", {})]) == [tuple(rows), ()]


def test_the_page_lists_every_map_expectation_that_is_about_the_whole() -> None:
    section = PAGE.split("## Each row, or the whole")[1].split("## What the columns hold")[0]
    listed = set(re.findall(r"`(Expect\w+)`", section))
    assert listed == ABOUT_OTHER_ROWS | IN_DATABASES_ONLY | {"ExpectColumnValuesToMatchRegex"}


def test_the_page_names_the_columns_that_every_type_has() -> None:
    section = PAGE.split("Beside the fields")[1].split("Where a field")[0]
    assert set(re.findall(r"`(\w+)`", section)) == {*ROW_COLUMNS, *VIEW_COLUMNS}
