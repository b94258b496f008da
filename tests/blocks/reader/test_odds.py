"""The odds of a field's candidates, for the cross-check."""

import math

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.calibration import CEILING, calibrated
from blocks.reader.candidates import Candidate
from blocks.reader.lexicon import Lexicon
from blocks.reader.lines import Cell
from blocks.reader.odds import HEAD, HEAD_PER_ROW, REGISTERED, weigh
from blocks.reader.ranking import Place, Ranked
from blocks.reader.sheet import open_sheet
from blocks.reader.sums import ADDS_UP
from tests.blocks.reader.drawn_pages import typed

FIELDS = {
    "total": DocumentField(type=FieldType.MONEY, hints=FieldHints(settled_below=True)),
    "seller": DocumentField(type=FieldType.TEXT, hints=FieldHints(kind="organisation", position="top")),
    "note": DocumentField(type=FieldType.TEXT),
}
TYPE = DocumentType(name="till", title="Till", fields=FIELDS)


def value(text: str, weight: float, row: int = 0) -> Ranked:
    cell = Cell(1, text, 10 * row, 10 * row + len(text), row)
    return Ranked(text, [Place(Candidate(cell, 0, len(text), text), weight)], weight)


def weighed(text: str, **ranked: list[Ranked]) -> dict[str, dict[object, float]]:
    sheet = open_sheet(TYPE, Lexicon(TYPE), (typed(text),))
    found = weigh(FIELDS, ranked, sheet)
    return {
        name: {candidate.value: candidate.probability for candidate in candidates} for name, candidates in found.items()
    }


def probability(*weights: float) -> float:
    """That of the first weight among the others, and of none of them."""
    odds = [math.exp(weight) for weight in weights]
    return calibrated(odds[0] / (1.0 + sum(odds)))


def test_the_probability_of_a_candidate_is_its_calibrated_share() -> None:
    found = weighed("nothing", note=[value("a", 1.0), value("b", 0.0)])
    assert found["note"] == {"a": probability(1.0, 0.0), "b": probability(0.0, 1.0)}


def test_sums_gain_and_their_parts_lose() -> None:
    found = weighed(
        "GST 6%", total=[value("9.00", 0.0, 2), value("8.49", 0.0, 0), value("0.51", 0.0, 1), value("5.00", 0.0, 3)]
    )
    gained, lost = ADDS_UP, -ADDS_UP
    assert found["total"]["9.00"] == probability(gained, lost, lost, 0.0)
    assert found["total"]["8.49"] == found["total"]["0.51"] == probability(lost, gained, lost, 0.0)
    assert found["total"]["5.00"] == probability(0.0, gained, lost, lost)


def test_amounts_are_read_in_the_order_of_the_page() -> None:
    found = weighed("words", total=[value("50.00", 0.0, 1), value("9.00", 0.0, 0), value("41.00", 0.0, 2)])
    assert found["total"]["9.00"] > found["total"]["50.00"] == found["total"]["41.00"]


def test_a_rounded_sum_weighs_what_the_unrounded_one_does() -> None:
    found = weighed("words", total=[value("25.45", 1.0, 0), value("25.44", 3.0, 1), value("0.01", -4.0, 2)])
    assert found["total"]["25.45"] == found["total"]["25.44"]


def test_the_first_lines_are_names_though_they_do_not_look_like_names() -> None:
    found = weighed(
        "the corner shop\n12 Harbour Road\nTel 0711\nKey: value\nlower down", seller=[value("Ann Moss", 1.0, 3)]
    )
    assert found["seller"] == {"Ann Moss": probability(1.0, HEAD), "the corner shop": probability(HEAD, 1.0)}


def test_a_first_line_that_is_a_candidate_already_is_not_added() -> None:
    found = weighed("CORNER SHOP\nsecond line", seller=[value("Corner Shop", 1.0)])
    assert set(found["seller"]) == {"Corner Shop", "second line"}
    assert found["seller"]["second line"] == probability(HEAD - HEAD_PER_ROW, 1.0)


def test_a_legal_form_adds_to_a_name() -> None:
    found = weighed("12", seller=[value("Moss Ltd", 1.0), value("Moss", 1.0)])
    assert found["seller"]["Moss Ltd"] == probability(1.0 + REGISTERED, 1.0)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 0.0), (-1.0, 0.0), (1.0, CEILING), (2.0, CEILING), (0.999, CEILING), (0.5, 0.6457)]
)
def test_a_share_becomes_a_probability(share: float, expected: float) -> None:
    assert calibrated(share) == expected


def test_a_larger_share_is_never_less_probable() -> None:
    probabilities = [calibrated(share / 100) for share in range(101)]
    assert probabilities == sorted(probabilities)
    assert probabilities[65] == pytest.approx(0.778, abs=0.01)
