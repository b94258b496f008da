"""Expectations are looked up in Great Expectations, and every mistake is named."""

import pytest

from blocks.document_types.expectations import check_expectation, columns_of, is_row_level, resolve
from blocks.document_types.schema import DocumentField, DocumentType, Expectation, FieldType
from blocks.errors import ExpectationInvalid

INVOICE = DocumentType(
    name="invoice",
    title="Invoice",
    fields={"total": DocumentField(type=FieldType.MONEY), "größe": DocumentField(type=FieldType.TEXT)},
)


def expectation(type_: str, **kwargs: object) -> Expectation:
    return Expectation.model_validate({"name": "it", "type": type_, "kwargs": kwargs})


@pytest.mark.parametrize(
    ("type_", "kwargs", "message"),
    [
        ("ExpectColumnValuesToBeBetwen", {}, "did you mean 'ExpectColumnValuesToBeBetween'"),
        ("ExpectFoo", {}, "Great Expectations has no 'ExpectFoo'"),
        ("Expectation", {}, "Great Expectations has no 'Expectation'"),
        ("ExpectColumnValuesToBeBetween", {"column": "total"}, "min_value and max_value cannot both be None"),
        ("ExpectColumnValuesToBeBetween", {"min_value": 1}, "column: is missing"),
        ("ExpectColumnValuesToBeBetween", {"column": "total", "min_valu": 1}, "did you mean 'min_value'"),
        ("ExpectColumnValuesToBeBetween", {"column": "total", "min_value": 5, "max_value": 1}, "greater than"),
        ("ExpectColumnValuesToBeInSet", {"column": "total", "value_set": 3}, "value_set: value is not a valid list"),
        ("ExpectColumnValuesToMatchRegex", {"column": "total", "regex": "("}, "not a regular expression"),
        ("ExpectColumnValuesToMatchRegexList", {"column": "total", "regex_list": ["a", "["]}, "regular expression"),
        ("ExpectColumnValuesToNotBeNull", {"column": "total", "mostly": 3}, "less than or equal to 1"),
        ("ExpectColumnValuesToNotBeNull", {"column": "total", "result_format": "BASIC"}, "set by Winnow"),
        ("ExpectColumnMaxToBeBetween", {"column": "total", "max_value": {"$PARAMETER": "x"}}, "suite parameters"),
        ("UnexpectedRowsExpectation", {"unexpected_rows_query": "SELECT 1"}, "must select from {batch}"),
        ("os.system", {}, "Great Expectations has no"),
    ],
)
def test_a_mistake_is_named(type_: str, kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ExpectationInvalid) as raised:
        resolve(expectation(type_, **kwargs))
    assert message in str(raised.value)
    assert "expectation it" in str(raised.value)
    assert "did you mean 'Expectation'" not in str(raised.value)


def test_both_of_the_librarys_names_are_known() -> None:
    by_class = resolve(expectation("ExpectColumnValuesToNotBeNull", column="total"))
    by_snake = resolve(expectation("expect_column_values_to_not_be_null", column="total"))
    assert type(by_class) is type(by_snake)


@pytest.mark.parametrize(
    ("type_", "kwargs", "row_level"),
    [
        ("ExpectColumnValuesToNotBeNull", {"column": "total"}, True),
        ("ExpectColumnValuesToNotBeNull", {"column": "total", "mostly": 0.9}, False),
        ("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": "a", "column_B": "b"}, True),
        ("ExpectMulticolumnSumToEqual", {"column_list": ["a", "b"], "sum_total": 1}, True),
        ("ExpectColumnValuesToBeUnique", {"column": "total"}, False),
        ("ExpectCompoundColumnsToBeUnique", {"column_list": ["a", "b"]}, False),
        ("ExpectColumnValuesToMatchLikePattern", {"column": "total", "like_pattern": "a%"}, False),
        ("ExpectColumnMaxToBeBetween", {"column": "total", "max_value": 1}, False),
        ("ExpectTableRowCountToBeBetween", {"min_value": 1}, False),
    ],
)
def test_what_depends_on_other_rows_is_about_the_whole(type_: str, kwargs: dict[str, object], row_level: bool) -> None:
    assert is_row_level(expectation(type_, **kwargs)) is row_level


def test_columns_are_those_that_the_arguments_name() -> None:
    pair = expectation("ExpectColumnPairValuesAToBeGreaterThanB", column_A="a", column_B="b")
    assert columns_of(pair) == ("a", "b")
    assert columns_of(expectation("ExpectCompoundColumnsToBeUnique", column_list=["x", "y"])) == ("x", "y")


def test_a_column_must_be_a_field_or_one_that_every_row_has() -> None:
    check_expectation(expectation("ExpectColumnValuesToNotBeNull", column="größe"), INVOICE)
    check_expectation(expectation("ExpectColumnMeanToBeBetween", column="confidence", min_value=0.5), INVOICE)
    with pytest.raises(ExpectationInvalid, match="did you mean 'total'"):
        check_expectation(expectation("ExpectColumnValuesToNotBeNull", column="totl"), INVOICE)
    with pytest.raises(ExpectationInvalid, match="no column 'status'"):
        check_expectation(expectation("ExpectColumnValuesToNotBeNull", column="status"), INVOICE)
