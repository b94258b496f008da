"""Invoices that a reader reads wrongly if it takes what it can for what is meant. Written for these tests."""

from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.reader.reading import read
from blocks.records import FieldReading, Page

INVOICE = load_document_types(Path(__file__).parents[3] / "data" / "document_types")["invoice"]

HEAD = """\
Kestrel & Wren Joinery Ltd
3 Quay Street, Bristol BS1 2JL

{title}

{numbers}

Bill to: Ashdown Schools Trust

"""
TOTALS = """\
Subtotal        GBP 1,000.00
VAT 20%         GBP 200.00
Total           GBP 1,200.00
"""
SUM = ("tax_basis_total", "tax_total", "grand_total")
NUMBERS = "Invoice number: KW-311\nInvoice date: 4 March 2024\nDue date: 3 April 2024"


def reading(numbers: str = NUMBERS, totals: str = TOTALS, title: str = "INVOICE") -> dict[str, FieldReading]:
    text = HEAD.format(title=title, numbers=numbers) + totals
    return dict(read(INVOICE, (Page(number=1, method="parsed", text=text),)).fields)


@pytest.mark.parametrize(
    "written", ["31/02/2024", "4.III.2024", "2024-W10-1", "March 2024", "to be agreed", "04/03/20?4"]
)
def test_a_text_beside_the_label_of_a_date_is_shown_as_it_is_and_no_other_date_taken(written: str) -> None:
    found = reading(f"Invoice number: KW-311\nInvoice date: {written}\nDue date: 3 April 2024")
    assert found["issue_date"].value == written
    assert found["due_date"].value == "2024-04-03"


@pytest.mark.parametrize("written", ["", " ________", " ........"])
def test_a_date_that_is_left_blank_is_not_that_of_the_next_label(written: str) -> None:
    found = reading(f"Invoice number: KW-311\nInvoice date:{written}\nDue date: 3 April 2024")
    assert "issue_date" not in found or found["issue_date"].confidence < INVOICE.review.accept_at
    assert found["due_date"].value == "2024-04-03"


@pytest.mark.parametrize(
    "written", ["4 de marzo de 2024", "4 marzo 2024", "4 maart 2024", "4 marca 2024", "4 mars 2024", "4 марта 2024"]
)
def test_full_names_of_months_are_read_in_other_languages_too(written: str) -> None:
    assert reading(f"Invoice number: KW-311\nInvoice date: {written}")["issue_date"].value == "2024-03-04"


def test_a_year_of_two_figures_that_may_stand_first_is_not_sure() -> None:
    assert reading("Invoice number: KW-311\nInvoice date: 24-03-11")["issue_date"].confidence < INVOICE.review.accept_at


def test_an_amount_of_a_net_row_is_no_tax_and_a_tax_no_net_amount() -> None:
    rows = "Summe netto 7 %   50,00 EUR\nSumme netto 19 %   200,00 EUR\nMwSt 7 %   3,50 EUR\nMwSt 19 %   38,00 EUR\n"
    found = reading(totals=rows + "Gesamtbetrag   291,50 EUR\n")
    assert [found[name].value for name in ("tax_basis_total", "tax_total", "grand_total")] == [
        "250.00",
        "41.50",
        "291.50",
    ]


def test_a_deduction_is_none_of_the_taxes() -> None:
    rows = "Subtotal  GBP 1,000.00\nVAT 20%  GBP 200.00\nCIS deduction 5%  GBP -50.00\nTotal  GBP 1,150.00\n"
    assert reading(totals=rows)["tax_total"].value != "150.00"


@pytest.mark.parametrize(
    ("title", "numbers"),
    [
        ("CREDIT MEMO", "Invoice no.: KW-280\nInvoice date: 2 January 2024\nCredit memo no.: CM-9\nDate: 4 March 2024"),
        (
            "CREDIT NOTE",
            "Invoice no.: KW-280\nInvoice date: 2 January 2024\nCredit note: CM-9\nCredit date: 4 March 2024",
        ),
        (
            "GUTSCHRIFT",
            "Rechnungsnummer: 280\nRechnungsdatum: 02.01.2024\nGutschrift-Nr.: CM-9\nGutschriftsdatum: 04.03.2024",
        ),
    ],
)
def test_a_credit_note_has_its_own_number_and_date_not_those_of_its_invoice(title: str, numbers: str) -> None:
    found = reading(numbers, title=title)
    assert (found["invoice_number"].value, found["issue_date"].value) == ("CM-9", "2024-03-04")


def test_a_credit_note_that_calls_its_number_an_invoice_number_keeps_it() -> None:
    found = reading("Invoice no.: KW-311\nInvoice date: 4 March 2024", title="CREDIT NOTE")
    assert (found["invoice_number"].value, found["issue_date"].value) == ("KW-311", "2024-03-04")


def test_a_credit_note_on_an_invoices_form_keeps_the_date_that_is_called_the_invoices() -> None:
    found = reading("Credit note no.: CM-9\nInvoice date: 4 March 2024\nDue date: 3 April 2024", title="CREDIT NOTE")
    assert found["issue_date"].confidence > INVOICE.review.accept_at
    assert (found["invoice_number"].value, found["issue_date"].value) == ("CM-9", "2024-03-04")


@pytest.mark.parametrize("number", ["KW 2024 / 041", "2024/ 041"])
def test_a_number_goes_on_behind_a_blank_and_a_slash(number: str) -> None:
    assert reading(f"Invoice number: {number}\nInvoice date: 4 March 2024")["invoice_number"].value == number


def test_a_date_behind_a_slash_is_no_part_of_the_number() -> None:
    assert reading("Invoice number: KW-311 / 04.03.2024")["invoice_number"].value == "KW-311"


def test_a_stamp_of_the_buyer_above_the_letterhead_is_not_the_seller() -> None:
    text = "ASHDOWN SCHOOLS LTD - portal copy\nReceived 9 March 2024\n\n" + HEAD.format(
        title="INVOICE", numbers=NUMBERS
    )
    text = text.replace("Ashdown Schools Trust", "Ashdown Schools Ltd") + TOTALS
    found = read(INVOICE, (Page(number=1, method="parsed", text=text),)).fields
    assert found["seller_name"].value == "Kestrel & Wren Joinery Ltd"


def test_a_mistyped_account_without_a_label_is_shown() -> None:
    assert reading(totals=TOTALS + "Barclays GB28 NWBK 6016 1331 9268 19\n")["iban"].value == "GB28NWBK60161331926819"
    assert "iban" not in reading(totals=TOTALS + "Part AB12 1234 5678 9012\n")


def test_a_charge_before_the_tax_belongs_to_the_basis_and_one_after_it_to_the_total() -> None:
    before = "Subtotal   GBP 1,000.00\nShipping   GBP 50.00\nVAT 20%   GBP 210.00\nTotal   GBP 1,260.00\n"
    found = reading(totals=before)
    assert [found[name].value for name in SUM] == ["1050.00", "210.00", "1260.00"]
    assert [evidence.quote for evidence in found["tax_basis_total"].evidence] == ["1,000.00", "GBP 50.00"]
    after = "Subtotal   GBP 1,000.00\nVAT 20%   GBP 200.00\nEco levy   GBP 7.00\nTotal   GBP 1,207.00\n"
    found = reading(totals=after)
    assert [found[name].value for name in SUM] == ["1000.00", "200.00", "1207.00"]
    assert min(found[name].confidence for name in SUM) > 0.8


@pytest.mark.parametrize("label", ["Factura nº: F-77", "Factura nº F-77", "Factura nº: F77", "Fattura n°: F-77"])
def test_a_misread_label_takes_no_letter_of_its_number(label: str) -> None:
    assert reading(f"{label}\nInvoice date: 4 March 2024")["invoice_number"].value in {"F-77", "F77"}


def test_the_number_of_a_tax_payer_is_no_tax() -> None:
    totals = "VAT No: GB 123 4567 82\nTotal GBP 1,200.00\nTotal includes VAT at 20% of GBP 200.00\n"
    assert reading(totals=totals)["tax_total"].value == "200.00"


@pytest.mark.parametrize(
    "totals",
    [
        "Total GBP 240.00 (incl. VAT 40.00)",
        "Total: £240.00 (including £40.00 VAT at 20%)",
        "Gesamtbetrag EUR 240,00 (darin 20% MwSt 40,00)",
        "Total due GBP 240.00, 2% discount (4.80) if paid in 10 days\nTotal GBP 240.00",
        "Total EUR 240.00\nTotal due in GBP 204.00 (rate 0.85)",
        "Total EUR 240.00\nAmount due GBP 204.00 exchange rate 0.85",
        "Total EUR 240.00\nTotal in CHF 228.00 @ 0.95",
    ],
)
def test_what_only_remarks_on_an_amount_is_not_the_amount(totals: str) -> None:
    found = reading(totals=totals)
    assert found["grand_total"].value == "240.00"
    due = found.get("due_payable")
    assert due is None or due.value == "240.00" or due.confidence < INVOICE.review.accept_at


@pytest.mark.parametrize(
    "total", ["40.00 = 240.00", "12.50 hours 240.00", "(incl. VAT 40.00) 240.00", "200.00 40.00 240.00"]
)
def test_the_last_amount_of_a_row_is_its_total_where_no_remark_begins_before_it(total: str) -> None:
    assert reading(totals=f"Total {total}")["grand_total"].value == "240.00"


def test_numbers_of_houses_make_up_no_sum() -> None:
    found = reading(
        numbers=f"{NUMBERS}\nBill to:\n3 High Street, York YO1 7HU\nDelivery: 4 Mill Lane",
        totals="Subtotal GBP 200.00\nVAT 20% GBP 40.00\nTotal due GBP 246.00",
    )
    assert found["grand_total"].value == "246.00"
    assert found["grand_total"].confidence < INVOICE.review.accept_at


@pytest.mark.parametrize("written", ["€1.44 million", "1,44 Mio. EUR", "Rs. 1.44 crore"])
def test_the_figures_of_an_amount_in_millions_are_not_the_amount(written: str) -> None:
    assert "grand_total" not in reading(totals=f"Total {written}")


@pytest.mark.parametrize("label", ["Total", "Total due", "Amount due", "Please pay"])
def test_two_invoices_in_one_file_are_told_by_any_labelled_amount(label: str) -> None:
    head = HEAD.format(title="INVOICE", numbers=NUMBERS)
    first = f"{head}Subtotal GBP 200.00\nVAT 20% GBP 40.00\n{label} GBP 240.00\n"
    second = first.replace("KW-311", "KW-312").replace("200.00", "300.00").replace("40.00", "60.00")
    pages = tuple(Page(number=at, method="parsed", text=text) for at, text in enumerate((first, second), 1))
    assert read(INVOICE, pages).doubts == ("several_documents:KW-311,KW-312",)


@pytest.mark.parametrize(
    ("second", "is_told"),
    [
        ("Subtotal GBP 2,000.00\nVAT 20% GBP 400.00\nTotal GBP 2,400.00", True),
        (TOTALS, False),
        ("Carried over GBP 1,200.00\nCarriage GBP 100.00\nTotal GBP 1,300.00", False),
    ],
)
def test_the_same_number_twice_above_different_sums_is_a_second_document(second: str, *, is_told: bool) -> None:
    head = HEAD.format(title="INVOICE", numbers=NUMBERS)
    pages = tuple(Page(number=at, method="parsed", text=head + text) for at, text in enumerate((TOTALS, second), 1))
    told = ("several_documents:KW-311,the same number with other totals",)
    assert read(INVOICE, pages).doubts == (told if is_told else ())


@pytest.mark.parametrize(
    "other", ["savings EUR 20.00", "hours 12.50", "weight 12.50", "paid to date EUR 1,200.00", "outstanding EUR 880.00"]
)
@pytest.mark.parametrize("sums", ["", "Subtotal EUR 200.00\nVAT 20% EUR 40.00\n"])
def test_a_total_of_something_else_is_not_the_total_of_the_invoice(other: str, sums: str) -> None:
    found = reading(totals=f"{sums}Total EUR 240.00\nTotal {other}")
    assert found["grand_total"].value == "240.00"
    assert "due_payable" not in found or found["due_payable"].value == "240.00"


@pytest.mark.parametrize(
    "written", ["24O.OO", "£1,5OO.00", "240.OO", "1.24O,00", "24I.00", "24l.00", "1,24O", "240 .00", "240 ,00"]
)
def test_an_amount_with_a_letter_or_a_gap_in_its_figures_is_not_read_in_part(written: str) -> None:
    found = reading(totals=f"Total {written} EUR")
    assert "grand_total" not in found or found["grand_total"].confidence < INVOICE.review.accept_at


@pytest.mark.parametrize("written", ["240.00A", "240.00 A", "240.00 VA", "240.00DB", "240.00*"])
def test_the_code_of_a_tax_rate_behind_an_amount_is_no_misread_figure(written: str) -> None:
    assert reading(totals=f"Total {written}")["grand_total"].value == "240.00"


@pytest.mark.parametrize(
    "row",
    [
        "Total if paid after 3 April GBP 260.00",
        "Amount due next month GBP 99.00",
        "Amount due GBP 235.20 if paid by 10 March",
        "Total due after 3 April GBP 260.00",
        "Amount payable less 2% GBP 235.20",
        "First instalment: total due GBP 80.00",
        "Monthly amount due GBP 20.00",
        "Minimum amount due GBP 20.00",
        "Total due in 2 instalments of GBP 120.00",
        "Amount due after prompt payment discount\nGBP 235.20",
        "Zahlbetrag bei Zahlung bis 14.03.2024 GBP 235.20",
        "Zahlbetrag abzgl. 2% Skonto GBP 235.20",
        "Rate 1/3 zu zahlen GBP 80.00",
        "Net à payer si payé avant le 14/03/2024 GBP 235.20",
        "Total à payer le mois prochain GBP 99.00",
    ],
)
@pytest.mark.parametrize("sums", ["", "Subtotal GBP 200.00\nVAT 20% GBP 40.00\n"])
def test_an_amount_on_a_condition_or_at_another_time_is_neither_the_total_nor_due(row: str, sums: str) -> None:
    found = reading(totals=f"{sums}Total GBP 240.00\n{row}")
    assert [found[name].value for name in ("grand_total", "due_payable")] == ["240.00", "240.00"]


@pytest.mark.parametrize(
    "row",
    [
        "Amount due by 3 April 2024: GBP 240.00",
        "Total due within 30 days GBP 240.00",
        "Zahlbetrag bis 03.04.2024 ohne Skonto: GBP 240.00",
        "Net à payer sans escompte GBP 240.00",
        "Amount due after deposit GBP 240.00",
    ],
)
def test_a_date_by_which_to_pay_is_no_condition(row: str) -> None:
    found = reading(totals=f"Total GBP 300.00\nDeposit paid GBP 60.00\n{row}")
    assert found["due_payable"].value == "240.00"
