"""Weights of labels, targets and hints, and how places of a value add up."""

import math

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader import ranking
from blocks.reader.candidates import Candidate
from blocks.reader.lexicon import Label, Lexicon
from blocks.reader.lines import Cell, Row, read_rows
from blocks.reader.ranking import (
    BELOW,
    CROSSED_LABEL,
    NEXT_LINE,
    PER_CELL,
    PICKED,
    REPEATED,
    RIGHT,
    SAME_CELL,
    Place,
    Surroundings,
    label_weight,
    paid_amounts,
    rank,
    shares,
    targets,
)
from blocks.records import Page
from tests.blocks.reader.drawn_pages import draw, typed

TYPE = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "net": DocumentField(type=FieldType.MONEY, aliases=("Net amount", "Net")),
        "tax": DocumentField(type=FieldType.MONEY, aliases=("VAT",)),
    },
)
TEXT = DocumentField(type=FieldType.TEXT)


def labelled(page: Page) -> tuple[tuple[Row, ...], dict[int, list[Label]]]:
    rows, lexicon = read_rows((page,)), Lexicon(TYPE)
    return rows, {row.index: [label for cell in row.cells for label in lexicon.find(cell)] for row in rows}


def pointed_at(page: Page) -> list[tuple[str, float]]:
    """The texts that the first label points at, with their weights."""
    rows, labels = labelled(page)
    first = next(label for row in labels.values() for label in row)
    found = targets(first, rows, labels)
    return [(target.cell.text[target.start : target.end].strip(), round(target.weight, 2)) for target in found]


def test_a_value_stands_behind_its_label_or_below_it() -> None:
    assert pointed_at(typed("Net amount 8.00\n9.00")) == [("8.00", SAME_CELL), ("9.00", NEXT_LINE)]


def test_the_cells_to_the_right_count_less_by_distance_and_by_labels_between() -> None:
    page = draw((40, 100, "Net amount"), (200, 100, "8.00"), (300, 100, "VAT"), (400, 100, "1.00"))
    crossed = RIGHT - PER_CELL - CROSSED_LABEL
    assert pointed_at(page) == [("8.00", RIGHT), ("VAT", crossed), ("1.00", crossed - PER_CELL)]


def test_the_label_of_another_field_ends_the_text_behind_a_label() -> None:
    assert pointed_at(typed("Net amount 8.00 VAT 1.00")) == [("8.00", SAME_CELL)]
    assert pointed_at(typed("Net amount: VAT  1.00")) == [], "the cells to the right belong to the last label"


def test_what_stands_below_a_label_must_stand_under_it() -> None:
    page = draw((40, 100, "Net amount"), (40, 115, "8.00"), (300, 115, "9.00"))
    assert pointed_at(page) == [("8.00", BELOW)]
    assert pointed_at(draw((40, 100, "Net amount"), (40, 190, "8.00"))) == [], "nine lines further down"


def test_a_label_on_a_line_between_costs_more_than_the_line() -> None:
    (_, first), (_, second) = pointed_at(typed("Net amount\nwords here\n8.00"))
    (_, _), (_, crossed) = pointed_at(typed("Net amount\nVAT here\n8.00"))
    assert (first, round(first - second, 2)) == (NEXT_LINE, ranking.PER_LINE)
    assert round(second - crossed, 2) == CROSSED_LABEL


def test_no_label_points_at_another_page() -> None:
    rows = read_rows((typed("Net amount"), typed("8.00", number=2)))
    labels = {0: Lexicon(TYPE).find(rows[0].cells[0])}
    assert list(targets(labels[0][0], rows, labels)) == []


def weight(text: str, field: str = "net") -> float:
    _, labels = labelled(typed(text))
    weights = [label_weight(label, field, labels) for row in labels.values() for label in row]
    return round(max(found for found in weights), 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Net amount", 0.0),
        ("Net amount:", 0.3),
        ("Net", -0.4),
        ("your Net amount", -1.6),
        ("your total Net amount", -2.2),
        ("1. Net amount", 0.0),
        ("Net amount of all goods", -1.05),
        ("Net amount EUR 8.00", 0.0),
    ],
)
def test_a_label_loses_by_a_late_alias_and_by_other_words_in_its_cell(text: str, expected: float) -> None:
    assert weight(text) == expected


def test_a_label_right_behind_the_label_of_another_field_only_qualifies_it() -> None:
    assert weight("VAT Net amount") == weight("total Net amount") - ranking.QUALIFYING
    assert weight("VAT 1.00 Net amount") > weight("VAT Net amount"), "an amount between them parts the two"


def test_a_label_has_no_weight_for_another_field() -> None:
    assert weight("Net amount", field="tax") == -math.inf


def candidate(value: str, row: int = 0, start: int = 0) -> Candidate:
    return Candidate(Cell(1, value, start, start + len(value), row), 0, len(value), value)


def test_a_value_with_several_places_gains_by_each_row_that_has_it() -> None:
    once = rank([Place(candidate("a"), 1.0)], TEXT)
    twice = rank([Place(candidate("a"), 1.0), Place(candidate("a", 1), 1.0)], TEXT)
    same_row = rank([Place(candidate("a"), 1.0), Place(candidate("a", 0, 9), 1.0)], TEXT)
    many = rank([Place(candidate("a", row), 1.0) for row in range(9)], TEXT)
    assert once[0].weight == same_row[0].weight == 1.0
    assert twice[0].weight == pytest.approx(1.0 + math.log(2) + REPEATED)
    assert many[0].weight == pytest.approx(1.0 + 1.0 + 2 * REPEATED), "no more than a factor of e, and two repetitions"


def test_a_place_with_much_against_it_is_no_repetition() -> None:
    (value,) = rank([Place(candidate("a"), 1.0), Place(candidate("a", 1), -5.0)], TEXT)
    assert value.weight == pytest.approx(1.0 + math.log(1 + math.exp(-6)))


def test_the_best_place_of_a_value_comes_first_and_among_equals_the_upper_one() -> None:
    (value,) = rank([Place(candidate("a", 5), 1.0), Place(candidate("a", 2), 1.0), Place(candidate("a"), 0.5)], TEXT)
    assert [place.candidate.cell.row for place in value.places] == [2, 5, 0]
    assert value.best.cell.row == 2


@pytest.mark.parametrize(
    ("pick", "chosen"), [("first", "9"), ("last", "10"), ("largest", "10"), ("smallest", "8"), (None, "8")]
)
def test_the_hint_pick_decides_between_close_values(pick: str | None, chosen: str) -> None:
    field = DocumentField(type=FieldType.NUMBER, hints=FieldHints.model_validate({"pick": pick}))
    places = [Place(candidate("9", 0), 1.0), Place(candidate("8", 1), 1.1), Place(candidate("10", 2), 1.0)]
    ranked = rank([*places, Place(candidate("99", 3), -0.6)], field)
    assert ranked[0].value == chosen
    assert ranked[0].weight == pytest.approx((1.1 if chosen == "8" else 1.0) + (PICKED if pick else 0.0))


def test_a_value_without_rivals_is_not_raised_by_pick() -> None:
    field = DocumentField(type=FieldType.NUMBER, hints=FieldHints(pick="last"))
    assert [value.weight for value in rank([Place(candidate("1"), 2.0), Place(candidate("2", 1), 0.4)], field)] == [
        2.0,
        0.4,
    ]


def test_shares_leave_room_for_none_of_the_values() -> None:
    ranked = rank([Place(candidate("a"), 0.0), Place(candidate("b", 1), 0.0)], TEXT)
    assert shares(ranked) == [pytest.approx(1 / 3)] * 2
    ranked[0].weight = 1000.0
    assert shares(ranked)[0] <= 1.0


def hint_weight(text: str, row: int, **hints: object) -> float:
    field = DocumentField(type=FieldType.MONEY, hints=FieldHints.model_validate(hints))
    return round(Surroundings(read_rows((typed(text),))).hint_weight(field, row), 2)


def test_near_counts_in_the_rows_around_and_not_near_in_the_row_itself() -> None:
    text = "Bank details\nIBAN 7\nother\nBank 9"
    assert hint_weight(text, 1, near=("bank",)) == ranking.NEAR
    assert hint_weight(text, 2, near=("bank", "other")) == 2 * ranking.NEAR
    assert hint_weight(text, 1, not_near=("bank",)) == 0.0
    assert hint_weight(text, 0, not_near=("bank", "details", "bankdetails")) == -2 * ranking.AGAINST


def test_a_section_counts_against_the_rows_below_its_heading() -> None:
    text = "total 9\nGST summary\n" + "line\n" * 14
    found = [hint_weight(text, row, not_near=("GST summary",)) for row in range(16)]
    assert found == [0.0, -ranking.AGAINST, *[-ranking.IN_SECTION] * 12, 0.0, 0.0]
    assert hint_weight("GST\n9.00", 1, not_near=("GST",)) == 0.0


def test_a_place_at_the_top_or_the_bottom() -> None:
    assert [hint_weight("a\nb", row, position="top") for row in (0, 1)] == [0.6, 0.0]
    assert [hint_weight("a\nb", row, position="bottom") for row in (0, 1)] == [-0.6, 0.0]


def paid(*values: str) -> dict[str, float]:
    amounts = [candidate(value, row) for row, value in enumerate(values)]
    return {values[row]: weight for (row, _), weight in paid_amounts(amounts).items()}


def test_an_amount_with_cash_and_change_below_it_was_paid() -> None:
    assert paid("9.00", "50.00", "41.00") == {"9.00": ranking.PAID}
    assert paid("9.00", "9.00", "0.00") == {"9.00": ranking.PAID_EXACTLY}
    assert paid("9.00", "1.00", "50.00", "2.00", "41.00") == {"9.00": ranking.PAID}
    assert paid("9.00", "1.00", "2.00", "3.00", "50.00", "41.00") == {}, "cash stands shortly below"
    assert paid("9.00", "50.00", "1.00", "2.00", "41.00") == {}, "change stands right below cash"
    assert paid("50.00", "9.00", "-41.00") == {}
    assert paid("0.00", "5.00", "5.00") == {}
