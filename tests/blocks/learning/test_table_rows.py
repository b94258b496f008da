"""Rows of tables are paired in their order, and none is counted twice."""

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.learning.table_rows import RowCounts, count_rows

LINES = DocumentField(
    type=FieldType.TABLE,
    columns={"item": DocumentField(type=FieldType.TEXT), "sum": DocumentField(type=FieldType.MONEY)},
)


def row(item: str | None, money: str | None) -> JsonValue:
    return {"item": item, "sum": money}


TEA, RICE, SALT = row("Tea", "2.00"), row("Rice", "3.00"), row("Salt", "4.00")
ROWS = st.lists(st.builds(row, st.sampled_from(["a", "b", None]), st.sampled_from(["1", "2", None])), max_size=5)


def test_rows_are_equal_after_normalising() -> None:
    assert count_rows(LINES, [row("TEA", "2.0")], [TEA]) == RowCounts(right=1)


def test_a_missing_row_does_not_shift_the_others() -> None:
    assert count_rows(LINES, [TEA, SALT], [TEA, RICE, SALT]) == RowCounts(right=2, missing=1)
    assert count_rows(LINES, [TEA, row("Total", "9.00"), RICE, SALT], [TEA, RICE, SALT]) == RowCounts(
        right=3, invented=1
    )


def test_a_row_with_a_wrong_cell_is_wrong_and_one_without_a_right_cell_is_another() -> None:
    assert count_rows(LINES, [TEA, row("Rice", "8.00")], [TEA, RICE]) == RowCounts(right=1, wrong=1)
    assert count_rows(LINES, [row("Bus", "8.00")], [RICE]) == RowCounts(missing=1, invented=1)


def test_an_empty_cell_pairs_no_rows() -> None:
    assert count_rows(LINES, [row("Bus", None)], [row("Rice", None)]) == RowCounts(missing=1, invented=1)


def test_the_equal_row_is_the_pair_and_not_the_one_before_it() -> None:
    label = [row("Tea", "1.00"), row("Tea", "2.00"), row("Jam", "5.00")]
    assert count_rows(LINES, [row("Tea", "2.00"), row("Bun", "5.00")], label) == RowCounts(right=1, wrong=1, missing=1)


def test_no_table_against_one() -> None:
    assert count_rows(LINES, [], [TEA, RICE]) == RowCounts(missing=2)
    assert count_rows(LINES, [TEA], []) == RowCounts(invented=1)


@given(ROWS, ROWS)
def test_every_row_is_counted_once(read: list[JsonValue], label: list[JsonValue]) -> None:
    counts = count_rows(LINES, read, label)
    assert counts.right + counts.wrong + counts.missing == len(label)
    assert counts.right + counts.wrong + counts.invented == len(read)
    assert min(counts.right, counts.wrong, counts.missing, counts.invented) >= 0
    assert count_rows(LINES, label, label) == RowCounts(right=len(label))


@settings(max_examples=60)
@given(ROWS, ROWS)
def test_equal_ends_change_nothing_but_the_right_rows(read: list[JsonValue], label: list[JsonValue]) -> None:
    """What is paired at once at both ends is what the search for the best pairs would find."""
    alone = count_rows(LINES, read, label)
    between = count_rows(LINES, [TEA, *read, SALT], [TEA, *label, SALT])
    assert between == alone + RowCounts(right=2)
