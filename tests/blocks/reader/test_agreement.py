"""Fields decided together: sums, and parties that are not the same."""

from decimal import Decimal

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.evidence.charges import charge_of
from blocks.reader.agreement import (
    FITS,
    FITS_WITH_CHARGES,
    FITS_WITH_READ_ZERO,
    FITS_WITH_ZERO,
    FLOOR,
    MAX_COMBINATIONS,
    RIVALS,
    _likeliest,
    agree,
)
from blocks.reader.candidates import Candidate
from blocks.reader.charged_sums import ChargeRow
from blocks.reader.lines import Cell
from blocks.reader.ranking import Place, Ranked


def amounts(*fields: str, total: str = "total") -> DocumentType:
    money = {name: DocumentField(type=FieldType.MONEY) for name in fields}
    money[total] = DocumentField(type=FieldType.MONEY, hints=FieldHints(sum_of=fields))
    return DocumentType(name="bill", title="Bill", fields=money)


BILL = amounts("net", "tax")


def value(text: str, weight: float, row: int = 0, *, is_labelled: bool = True) -> Ranked:
    cell = Cell(1, text, 10 * row, 10 * row + len(text), row)
    return Ranked(text, [Place(Candidate(cell, 0, len(text), text), weight, is_labelled)], weight)


def best(ranked: dict[str, list[Ranked]]) -> dict[str, tuple[str, float]]:
    return {name: (found[0].value, round(found[0].weight, 2)) for name, found in ranked.items() if found}


def test_amounts_that_add_up_come_first() -> None:
    ranked = {
        "net": [value("9.00", 2.0, 1), value("8.00", 1.5, 2)],
        "tax": [value("1.00", 1.0, 3)],
        "total": [value("9.00", 2.0, 1)],
    }
    agree(BILL, ranked)
    assert best(ranked) == {"net": ("8.00", 1.5 + FITS), "tax": ("1.00", 1.0 + FITS), "total": ("9.00", 2.0 + FITS)}


def test_amounts_that_do_not_add_up_stay_as_they_are() -> None:
    ranked = {"net": [value("8.00", 2.0)], "tax": [value("2.00", 1.0, 1)], "total": [value("9.00", 2.0, 2)]}
    agree(BILL, ranked)
    assert best(ranked) == {"net": ("8.00", 2.0), "tax": ("2.00", 1.0), "total": ("9.00", 2.0)}


def test_a_sum_with_a_missing_part_is_none() -> None:
    ranked = {"net": [value("8.00", 2.0)], "total": [value("8.00", 2.0, 1)]}
    agree(BILL, ranked)
    assert best(ranked) == {"net": ("8.00", 2.0), "total": ("8.00", 2.0)}


@pytest.mark.parametrize(
    ("is_labelled", "tax_row", "gain"),
    [(True, 2, FITS_WITH_READ_ZERO), (False, 2, FITS_WITH_ZERO), (True, 0, FITS_WITH_ZERO)],
)
def test_a_sum_with_a_zero_adds_less(is_labelled: bool, tax_row: int, gain: float) -> None:
    ranked = {
        "net": [value("9.00", 2.0, 0)],
        "tax": [value("0.00", 1.0, tax_row, is_labelled=is_labelled)],
        "total": [value("9.00", 2.0, 1)],
    }
    agree(BILL, ranked)
    assert best(ranked)["tax"] == ("0.00", 1.0 + gain)


@pytest.mark.parametrize(
    ("labelled", "rows", "is_raised"),
    [(2, (0, 9, 18), True), (1, (0, 9, 18), False), (0, (0, 2, 5), True), (0, (0, 2, 6), False)],
)
def test_a_sum_needs_two_labels_or_places_close_by(labelled: int, rows: tuple[int, ...], is_raised: bool) -> None:
    names = ("net", "tax", "total")
    ranked = {
        name: [value(text, 1.0, row, is_labelled=at < labelled)]
        for at, (name, text, row) in enumerate(zip(names, ("8.00", "1.00", "9.00"), rows, strict=True))
    }
    agree(BILL, ranked)
    assert (best(ranked)["total"][1] > 1.0) is is_raised


def test_a_sum_without_a_zero_wins_over_one_with_a_zero() -> None:
    ranked = {
        "net": [value("9.00", 2.0, 1), value("8.00", 1.5, 2)],
        "tax": [value("0.00", 1.5, 4), value("1.00", 1.0, 3)],
        "total": [value("9.00", 2.0, 5)],
    }
    agree(BILL, ranked)
    assert [found[0] for found in best(ranked).values()] == ["8.00", "1.00", "9.00"]


def test_an_amount_of_a_sum_counts_as_no_less_than_the_floor() -> None:
    ranked = {"net": [value("8.00", -9.0)], "tax": [value("1.00", 1.0, 1)], "total": [value("9.00", 2.0, 2)]}
    agree(BILL, ranked)
    assert best(ranked)["net"] == ("8.00", round(FLOOR + FITS, 2))


def test_three_parts_add_up_too() -> None:
    ranked = {
        "net": [value("8.00", 1.0)], "tax": [value("1.00", 1.0, 1)], "tip": [value("2.00", 1.0, 2)],
        "total": [value("12.00", 2.0, 3), value("11.00", 0.0, 4)],
    }  # fmt: skip
    agree(amounts("net", "tax", "tip"), ranked)
    assert best(ranked)["total"] == ("11.00", 0.0 + FITS)


PARTY = DocumentField(type=FieldType.TEXT, hints=FieldHints(kind="organisation"))
DEED = DocumentType(name="deed", title="Deed", fields={"giver": PARTY, "taker": PARTY})


def test_a_name_belongs_to_the_field_that_is_surest_of_it() -> None:
    ranked = {"giver": [value("MOSS Ltd", 2.0), value("Blitz", 1.0)], "taker": [value("Moss ltd", 3.0)]}
    agree(DEED, ranked)
    assert best(ranked) == {"giver": ("Blitz", 1.0), "taker": ("Moss ltd", 3.0)}


def test_a_field_may_lose_its_only_name() -> None:
    ranked = {"giver": [value("Moss Ltd", 2.0)], "taker": [value("Moss Ltd", 1.0)]}
    agree(DEED, ranked)
    assert best(ranked) == {"giver": ("Moss Ltd", 2.0)}
    assert ranked["taker"] == []


def rated() -> DocumentType:
    fields = {
        "net": DocumentField(type=FieldType.MONEY),
        "tax": DocumentField(type=FieldType.MONEY, hints=FieldHints(share_of="net")),
        "total": DocumentField(type=FieldType.MONEY, hints=FieldHints(sum_of=("net", "tax"))),
    }
    return DocumentType(name="bill", title="Bill", fields=fields)


def test_of_two_parts_the_share_is_the_smaller() -> None:
    ranked = {
        "net": [value("1.00", 1.5, 2), value("8.00", 1.0, 1)],
        "tax": [value("8.00", 1.5, 1), value("1.00", 1.0, 2)],
        "total": [value("9.00", 2.0, 3)],
    }
    agree(rated(), ranked)
    assert [found[0] for found in best(ranked).values()] == ["8.00", "1.00", "9.00"]


def test_taxes_by_rate_add_up_to_the_tax() -> None:
    ranked = {
        "net": [value("160.00", 2.0, 1)],
        "tax": [value("20.00", 2.0, 2), value("3.00", 1.0, 3)],
        "total": [value("183.00", 2.0, 4)],
    }
    agree(rated(), ranked, {2: False, 3: False})
    assert best(ranked)["tax"][0] == "23.00"
    assert [cell.row for cell in ranked["tax"][0].best.more] == [3]


def test_rows_of_a_table_of_rates_add_up_but_are_not_the_document_s_sum() -> None:
    ranked = {
        "net": [value("100.00", 1.0, 2), value("160.00", 0.5, 4)],
        "tax": [value("20.00", 1.0, 2), value("23.00", 0.5, 4)],
        "total": [value("183.00", 1.5, 4), value("120.00", 1.0, 2)],
    }
    agree(rated(), ranked, {2: True, 3: True})
    assert [found[0] for found in best(ranked).values()] == ["160.00", "23.00", "183.00"]


def test_parts_of_the_surest_total_close_to_it_lead_what_only_its_label_supports() -> None:
    ranked = {
        "net": [value("160.00", 0.0, 4)],
        "tax": [value("20.00", 3.0, 2), value("23.00", -1.0, 4)],
        "total": [value("183.00", 2.0, 5)],
    }
    agree(rated(), ranked)
    assert best(ranked)["tax"][0] == "23.00"


WITH_RATE = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "net": DocumentField(type=FieldType.MONEY),
        "tax": DocumentField(type=FieldType.MONEY, hints=FieldHints(share_of="net")),
        "total": DocumentField(type=FieldType.MONEY, hints=FieldHints(sum_of=("net", "tax"))),
    },
)


def charge(text: str, row: int) -> ChargeRow:
    found = charge_of(text, ("en",))
    assert found is not None
    return ChargeRow(row, found, Cell(1, text, 10 * row, 10 * row + len(text), row))


def test_a_charge_between_its_parts_completes_a_sum() -> None:
    ranked = {
        "net": [value("200.00", 2.0, 1)],
        "tax": [value("6.00", 1.2, 3), value("40.00", 1.0, 2)],
        "total": [value("246.00", 2.0, 4)],
    }
    agree(WITH_RATE, ranked, charges=(charge("Eco levy 6.00", 3),))
    assert best(ranked) == {
        "net": ("200.00", 2.0 + FITS_WITH_CHARGES),
        "tax": ("40.00", 1.0 + FITS_WITH_CHARGES),
        "total": ("246.00", 2.0 + FITS_WITH_CHARGES),
    }


@pytest.mark.parametrize("row", [0, 1, 5])
def test_a_charge_elsewhere_completes_no_sum(row: int) -> None:
    ranked = {"net": [value("200.00", 2.0, 1)], "tax": [value("40.00", 1.0, 2)], "total": [value("246.00", 2.0, 4)]}
    agree(WITH_RATE, ranked, charges=(charge("Eco levy 6.00", row),))
    assert best(ranked) == {"net": ("200.00", 2.0), "tax": ("40.00", 1.0), "total": ("246.00", 2.0)}


@pytest.mark.parametrize(("rates", "net"), [((Decimal("0.2"),), "210.00"), ((Decimal("0.21"),), "200.00")])
def test_a_charge_that_is_taxed_belongs_to_the_net_amount(rates: tuple[Decimal, ...], net: str) -> None:
    ranked = {"net": [value("200.00", 2.0, 1)], "tax": [value("42.00", 1.0, 3)], "total": [value("252.00", 2.0, 4)]}
    agree(WITH_RATE, ranked, tax_shares=rates, charges=(charge("Shipping 10.00", 2),))
    assert {name: text for name, (text, _) in best(ranked).items()} == {"net": net, "tax": "42.00", "total": "252.00"}
    assert [cell.text for cell in ranked["net"][0].best.more] == (["Shipping 10.00"] if net == "210.00" else [])


def test_the_combinations_of_many_parts_are_bounded_and_the_likeliest_are_tried() -> None:
    bill = amounts("one", "two", "three", "four")
    parts = {
        name: [value(f"{1000 * at + row}.0{at}", 2.0 - row / 10, 10 * at + row) for row in range(10)]
        for at, name in enumerate(("one", "two", "three", "four"), 1)
    }
    ranked = {**parts, "total": [value("10003.10", 2.0, 60), *(value(f"{n}.99", 1.0, 61) for n in range(9))]}
    agree(bill, ranked, rate_rows=dict.fromkeys(range(70), False))
    assert {name: text for name, (text, _) in best(ranked).items()}["total"] == "10003.10"
    assert ranked["total"][0].weight == 2.0 + FITS
    tried = _likeliest([value(f"{n}.00", n / 100, n) for n in range(175)], 3)
    assert len(tried) ** 3 * RIVALS <= MAX_COMBINATIONS
    assert tried[0].value == "174.00"
    assert len(_likeliest([value("1.00", 1.0)] * 175, 1)) == 175
