"""Row-level expectations judge each row by itself, whatever stands in the chunk beside it."""

import logging
from collections.abc import Sequence

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, Expectation, FieldType
from tasks.validate.rows import Row, RowExpectations, frame

FIELDS = {
    "total": DocumentField(type=FieldType.MONEY),
    "count": DocumentField(type=FieldType.INTEGER),
    "issued": DocumentField(type=FieldType.DATE),
    "due": DocumentField(type=FieldType.DATE),
    "größe": DocumentField(type=FieldType.TEXT),
    "tags": DocumentField(type=FieldType.LIST),
    "lines": DocumentField(type=FieldType.TABLE, columns={"name": DocumentField(type=FieldType.TEXT)}),
}


def expectation(name: str, type_: str, **kwargs: object) -> Expectation:
    return Expectation.model_validate({"name": name, "type": type_, "kwargs": kwargs})


def expecting(*expectations: Expectation) -> DocumentType:
    return DocumentType(name="bill", title="Bill", fields=FIELDS, expectations=expectations)


def broken(document_type: DocumentType, *fields: dict[str, object]) -> list[tuple[str, ...]]:
    rows = [Row(f"{place:064d}", field) for place, field in enumerate(fields)]  # type: ignore[arg-type]  # plain JSON
    return RowExpectations(document_type).broken_by(rows)


BILL = expecting(
    expectation("total_there", "ExpectColumnValuesToNotBeNull", column="total"),
    expectation("total_bounds", "ExpectColumnValuesToBeBetween", column="total", min_value=0, max_value=1000),
    expectation("issued_bounds", "ExpectColumnValuesToBeBetween", column="issued", min_value="2000-01-01"),
    expectation(
        "due_after_issued",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        column_A="due",
        column_B="issued",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
    expectation("small", "ExpectColumnValueLengthsToBeBetween", column="größe", max_value=2),
    expectation("unique_total", "ExpectColumnValuesToBeUnique", column="total"),
)


def test_each_row_is_told_what_it_breaks_in_the_order_of_the_file() -> None:
    found = broken(
        BILL,
        {"total": "10.00", "issued": "2024-01-31", "due": "2024-01-31", "größe": "é"},
        {"total": "-1.00", "issued": "1999-12-31", "größe": "éàü"},
        {"issued": "2024-02-01", "due": "2024-01-31"},
        {"total": "10.00"},
    )
    assert found == [(), ("total_bounds", "issued_bounds", "small"), ("total_there", "due_after_issued"), ()]


def test_a_row_alone_breaks_what_it_breaks_in_company() -> None:
    fields: Sequence[dict[str, object]] = (
        {"total": None, "issued": None, "due": "2024-01-31"},
        {"total": "1" + "0" * 400, "issued": "0001-01-01"},
        {"total": "5", "issued": "9999-12-31", "due": "2024-01-31", "größe": ""},
        {},
    )
    together = broken(BILL, *fields)
    assert together == [broken(BILL, one)[0] for one in fields]
    assert together[1] == ("total_bounds", "issued_bounds")


def test_no_rows_break_nothing() -> None:
    assert broken(BILL) == []


def test_lists_and_tables_stand_in_the_frame_as_json() -> None:
    two_lines = {"type": "array", "minItems": 2}
    document_type = expecting(
        expectation("two_lines", "ExpectColumnValuesToMatchJsonSchema", column="lines", json_schema=two_lines),
        expectation("no_spam", "ExpectColumnValuesToNotMatchRegex", column="tags", regex="spam"),
    )
    found = broken(
        document_type,
        {"lines": [{"name": "a"}, {"name": "ü"}], "tags": ["ham"]},
        {"lines": [{"name": "a"}], "tags": ["ham", "spam"]},
        {"lines": None, "tags": None},
    )
    assert found == [(), ("two_lines", "no_spam"), ()]


def test_columns_keep_their_kind_when_nothing_was_read() -> None:
    empty = frame(BILL, [Row("a", {}), Row("b", {})])
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == {
        "total": "float64",
        "count": "float64",
        "issued": "datetime64[us]",
        "due": "datetime64[us]",
        "größe": "object",
        "tags": "object",
        "lines": "object",
        "document_id": "object",
        "score": "float64",
    }


def test_an_expectation_that_cannot_be_used_is_broken_by_every_row_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    document_type = expecting(
        expectation("no_such_column", "ExpectColumnValuesToNotBeNull", column="totl"),
        expectation("no_such_thing", "ExpectColumnValuesToBeFine", column="total"),
        expectation("year", "ExpectColumnValuesToMatchStrftimeFormat", column="total", strftime_format="%Y"),
        expectation("total_there", "ExpectColumnValuesToNotBeNull", column="total"),
    )
    with caplog.at_level(logging.WARNING):
        found = broken(document_type, {"total": "1.00"}, {"total": "2.00"})
    assert found == [("no_such_column", "no_such_thing", "year")] * 2
    assert len(caplog.records) == 3
    assert "did you mean 'total'" in caplog.text


def test_a_row_that_the_library_cannot_judge_breaks_the_expectation_alone(caplog: pytest.LogCaptureFixture) -> None:
    year = expectation("year", "ExpectColumnValuesToMatchStrftimeFormat", column="größe", strftime_format="%Y")
    rows = RowExpectations(expecting(year))
    # A number among texts cannot come from a typed value; it stands for whatever makes the library raise.
    table = frame(expecting(year), [Row(str(place), {"größe": "2024"}) for place in range(5)])
    table.loc[3, "größe"] = 7
    with caplog.at_level(logging.WARNING):
        assert rows._evaluate(table, ("year",)) == {"year": [3]}
        assert rows._evaluate(table, ("year",)) == {"year": [3]}
    (record,) = caplog.records
    assert "document type bill: expectation year raises on a row" in record.message


def test_the_library_prints_and_warns_of_nothing(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    console = logging.StreamHandler()  # as Prefect's
    logging.getLogger().addHandler(console)
    try:
        broken(BILL, {"total": "10.00"}, {})
        chatty = logging.getLogger("great_expectations.data_context.types.base")  # it sets a level of its own
        chatty.info("Persisting a configuration")
        chatty.error("and failing")
    finally:
        logging.getLogger().removeHandler(console)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert [str(warning.message) for warning in recwarn] == []
