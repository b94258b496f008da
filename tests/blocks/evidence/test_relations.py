"""Values that contradict each other."""

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.evidence.relations import contradictions
from blocks.records import Evidence, Page

MONEY = FieldType.MONEY
BILL = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "net": DocumentField(type=MONEY, hints=FieldHints(column_sum="items.amount")),
        "tax": DocumentField(type=MONEY, hints=FieldHints(share_of="net")),
        "total": DocumentField(type=MONEY, hints=FieldHints(sum_of=("net", "tax"))),
        "items": DocumentField(type=FieldType.TABLE, columns={"amount": DocumentField(type=MONEY)}),
    },
)


def why(values: Mapping[str, JsonValue], text: str = "", tax_quote: str = "") -> list[str]:
    page = Page(number=1, method="parsed", text=text)
    evidence = {"tax": (Evidence(page=1, quote=tax_quote),)} if tax_quote else {}
    return [found.why for found in contradictions(BILL, values, evidence, (page,))]


def test_a_sum_that_does_not_add_up_gives_both_figures() -> None:
    assert why({"net": "200.00", "tax": "40.00", "total": "246.00"}) == [
        "net 200.00 + tax 40.00 is 240.00, not total 246.00"
    ]


@pytest.mark.parametrize(
    ("net", "tax", "total"),
    [("200.00", "40.00", "240.00"), ("33.33", "6.33", "39.65"), ("-200.00", "-40.00", "-240.00"),
     ("9.98", "0.50", "10.50"), (None, "40.00", "246.00"), ("200.00", None, "246.00")],
)  # fmt: skip
def test_a_sum_may_be_rounded_and_lack_a_part(net: str | None, tax: str | None, total: str) -> None:
    assert why({"net": net, "tax": tax, "total": total}) == []


def why_of_sum(*rows: str) -> list[str]:
    """What contradicts a net of 200.00 with a tax of 40.00 and a total of 246.00, with rows between tax and total."""
    values = {"net": "200.00", "tax": "40.00", "total": "246.00"}
    text = "\n".join(["Subtotal 200.00", "VAT 40.00", *rows, "Total 246.00"])
    evidence = {name: (Evidence(page=1, quote=value),) for name, value in values.items()}
    found = contradictions(BILL, values, evidence, (Page(number=1, method="parsed", text=text),))
    return [contradiction.why for contradiction in found]


@pytest.mark.parametrize(
    "rows",
    [("Shipping 6.00",), ("Eco levy GBP 5.00", "Tip GBP 1.00"), ("Delivery 10.00", "Voucher -4.00"),
     ("Delivery 10.00", "Discount 4.00"), ("Shipping 5.20", "Insurance 1.00", "Rounding -0.20")],
)  # fmt: skip
def test_a_sum_holds_with_the_charges_that_are_printed_between_its_parts(rows: tuple[str, ...]) -> None:
    assert why_of_sum(*rows) == []


@pytest.mark.parametrize(
    "rows", [(), ("Shipping 5.00",), ("VAT 5% 6.00",), ("PST 6.00",), ("Weight 6.00",), ("Skonto 6,00 ab Summe",)]
)
def test_a_sum_is_excused_by_no_other_row(rows: tuple[str, ...]) -> None:
    assert why_of_sum(*rows) == ["net 200.00 + tax 40.00 is 240.00, not total 246.00"]


def items(*amounts: str | None) -> JsonValue:
    return [{"amount": amount} for amount in amounts]


def test_rows_that_do_not_add_up_to_their_total() -> None:
    assert why({"net": "200.00", "items": items("100.00", "60.00")}) == ["items add up to 160.00, not net 200.00"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"net": "160.00", "items": items("100.00", "60.00")}, ""),
        ({"net": "200.00", "items": items("100.00", None)}, ""),
        ({"net": "200.00", "total": "240.00", "items": items("240.00")}, ""),
        ({"net": "150.00", "items": items("100.00", "60.00")}, "discount 10.00"),
        ({"net": "150.00", "items": items("100.00", "60.00")}, "goods 160.00"),
        ({"net": "150.00", "items": []}, ""),
    ],
)
def test_rows_may_be_gross_and_a_printed_discount_may_stand_below_them(
    values: Mapping[str, JsonValue], text: str
) -> None:
    assert why(values, text) == []


def test_the_difference_is_not_explained_by_an_amount_that_is_another_field() -> None:
    values = {"net": "200.00", "tax": "40.00", "total": "240.00", "items": items("100.00", "60.00")}
    assert why(values, "net 200.00, tax 40.00, total 240.00") == ["items add up to 160.00, not net 200.00"]


def test_a_tax_that_is_not_the_rate_beside_it() -> None:
    values = {"net": "200.00", "tax": "30.00", "total": "230.00"}
    assert why(values, "net 200.00\nVAT 20% 30.00", "30.00") == ["20 % of net 200.00 is 40.00, not tax 30.00"]


@pytest.mark.parametrize(
    "text", ["VAT 15% 30.00", "VAT 20% 10.00, 5% 20.00: 30.00", "2% discount\nVAT 30.00", "VAT 30.00"]
)
def test_a_rate_counts_where_it_is_the_only_one_and_stands_beside_the_share(text: str) -> None:
    assert why({"net": "200.00", "tax": "30.00", "total": "230.00"}, text, "30.00") == []


DUE_BILL = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "total": DocumentField(type=MONEY),
        "due": DocumentField(type=MONEY, hints=FieldHints(remainder_of="total")),
    },
)


def why_of_due(due: str, *rows: str, due_quote: str = "") -> list[str]:
    """What contradicts an amount due beside a total of 240.00, with rows below the total."""
    text = "\n".join(["Net 200.00", "VAT 40.00", "Total 240.00", *rows])
    evidence = {"total": (Evidence(page=1, quote="240.00"),), "due": (Evidence(page=1, quote=due_quote or due),)}
    pages = (Page(number=1, method="parsed", text=text),)
    return [found.why for found in contradictions(DUE_BILL, {"total": "240.00", "due": due}, evidence, pages)]


@pytest.mark.parametrize(
    "rows",
    [("Deposit paid 140.00",), ("Anzahlung vom 1.2.2024: EUR -140,00",), ("Acompte versé 140,00 €",),
     ("Payment received 100.00", "Discount 40.00"), ("Deposit paid", "GBP 140.00"), ("Paid  Open", "140.00  100.00"),
     ("Payments", "15/03/2024 Visa 100.00", "16/03/2024 Cash 40.00"), ("TDS 10% 20.00", "Advance 120.00"),
     ("Previous balance 10.00", "Credit applied 150.00"), ("Paid 15 March 2024 by card GBP 140.00",)],
)  # fmt: skip
def test_what_is_due_may_differ_by_payments_that_are_printed(rows: tuple[str, ...]) -> None:
    assert why_of_due("100.00", *rows) == []


@pytest.mark.parametrize(
    "rows",
    [(), ("Deposit paid 120.00",), ("Deposit due now 140.00",), ("Skonto 140.00",), ("Discount if paid early 140.00",),
     ("Restzahlung 140.00",), ("Weight 140.00",)],
)  # fmt: skip
def test_what_is_due_is_excused_by_no_other_row(rows: tuple[str, ...]) -> None:
    assert why_of_due("100.00", *rows) == ["due 100.00 is not total 240.00, and no row explains it"]


@pytest.mark.parametrize(
    ("due", "rows", "is_doubted"),
    [
        ("290.00", ("Brought forward 50.00",), False),
        ("260.00", ("Late fee if unpaid 20.00",), True),
        ("239.96", ("Rounding -0.04",), False),
        ("0.00", ("PAID IN FULL",), False),
        ("0.00", ("Not paid",), True),
        ("0.00", (), True),
        ("240.00", (), False),
    ],
)
def test_earlier_balances_rounding_and_full_payment(due: str, rows: tuple[str, ...], *, is_doubted: bool) -> None:
    assert bool(why_of_due(due, *rows)) is is_doubted


@pytest.mark.parametrize(
    ("row", "is_doubted"),
    [("Deposit paid 140.00", True), ("Paid 140.00", True), ("Payment received 240.00", False),
     ("Deposit due 140.00", False)],
)  # fmt: skip
def test_the_total_is_not_what_is_due_above_a_payment_of_a_part(row: str, *, is_doubted: bool) -> None:
    told = ["due 240.00 is total, but 140.00 is printed as paid"]
    assert why_of_due("240.00", row) == (told if is_doubted else [])
    assert why_of_due("240.00", row, due_quote="GBP 240.00") == []
