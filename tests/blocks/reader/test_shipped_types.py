"""Receipts and invoices as shipped, on documents written for these tests, in layouts that people use."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType, prompt_variables
from blocks.reader import reading as reader
from blocks.records import FieldReading, Page
from tests.blocks.reader.drawn_pages import draw, typed

TYPES = load_document_types(Path(__file__).parents[3] / "data" / "document_types")


CAFE = """\
HARBOUR LIGHTS CAFE SDN BHD (123456-X)
NO 4, JALAN PANTAI 2
80100 JOHOR BAHRU
TEL: 07-222 3344
TAX INVOICE
DATE: 07/08/2019 18:03
2 LAKSA 19.00
1 TEA 2.53
SUBTOTAL 21.53
GST 6% 1.29
TOTAL (INCLUSIVE OF GST): 22.82
ROUNDING ADJ: -0.02
TOTAL: 22.80
CASH: 50.00
CHANGE: 27.20
GST SUMMARY
SR 6% 21.53 1.29
TOTAL 21.53 1.29
"""

COLUMNS = """\
CORNER SHOP
12/01/2020
BREAD
3.00
MILK
2.50
SUBTOTAL
TOTAL
CASH
CHANGE
5.50
5.60
10.00
4.40
THANK YOU
"""

BAKERY = """\
Bäckerei Sonne GmbH
Marktstr. 3
70173 Stuttgart
Brot 3,20
Kaffee 2,60
Summe EUR 5,80
Bar 10,00
Rückgeld 4,20
04.11.2023 08:12
"""

ATELIER = """\
Atelier Morel SARL - 4 rue du Port - 29200 Brest
SIRET 12345678900011 - TVA FR40123456789
Facture n° F2024-031
Date de facture : 5 mars 2024
Date d'échéance : 04/04/2024
Facturé à :
Librairie du Quai
10 quai Est
56100 Lorient
Total HT 1 200,00 €
Total TVA 240,00 €
Total TTC 1 440,00 €
Acompte versé 440,00 €
Net à payer 1 000,00 €
"""


def read(name: str, *pages: Page) -> Mapping[str, FieldReading]:
    document_type: DocumentType = TYPES[name]
    return reader.read(document_type, pages).fields


def values(fields: Mapping[str, FieldReading], *names: str) -> list[object]:
    return [fields[name].value if name in fields else None for name in names]


def test_a_receipt_whose_total_is_rounded_and_paid_in_cash() -> None:
    fields = read(
        "receipt",
        typed(CAFE),
    )  # fmt: skip
    assert values(fields, "company", "date", "total") == ["HARBOUR LIGHTS CAFE SDN BHD", "2019-08-07", "22.80"]
    assert fields["total"].confidence > 0.8
    assert fields["address"].value == "NO 4, JALAN PANTAI 2, 80100 JOHOR BAHRU"


def test_a_receipt_whose_labels_and_values_were_read_as_columns() -> None:
    fields = read(
        "receipt",
        typed(COLUMNS),
    )
    assert fields["total"].value == "5.60"


def test_a_german_till_receipt() -> None:
    fields = read(
        "receipt",
        typed(BAKERY),
    )
    assert values(fields, "company", "date", "total", "currency") == [
        "Bäckerei Sonne GmbH",
        "2023-11-04",
        "5.80",
        "EUR",
    ]


def test_a_german_invoice_with_a_window_for_the_address() -> None:
    page = draw(
        (350, 40, "Holzwerk Krause GmbH"),
        (350, 55, "Sägeweg 8"),
        (350, 70, "72070 Tübingen"),
        (350, 85, "Tel. 07071 5566"),
        (350, 100, "USt-IdNr. DE112233445"),
        (60, 120, "Holzwerk Krause GmbH · Sägeweg 8 · 72070 Tübingen"),
        (60, 140, "Petra Ahrens"),
        (60, 155, "Gartenstr. 21"),
        (60, 170, "50667 Köln"),
        (60, 220, "Rechnung Nr. R-2024/118"),
        (350, 220, "Datum: 12.02.2024"),
        (60, 260, "Bezeichnung"), (300, 260, "Menge"), (380, 260, "Einzelpreis"), (480, 260, "Gesamtpreis"),
        (60, 280, "Tischplatte Eiche"), (310, 280, "2"), (390, 280, "150,00"), (490, 280, "300,00"),
        (60, 320, "Nettobetrag"), (490, 320, "300,00 €"),
        (60, 335, "zzgl. 19 % MwSt."), (490, 335, "57,00 €"),
        (60, 350, "Rechnungsbetrag"), (490, 350, "357,00 €"),
        (60, 380, "Zahlbar bis 26.02.2024 auf IBAN DE02 1203 0000 0000 2020 51"),
    )  # fmt: skip
    fields = read("invoice", page)
    assert values(fields, "invoice_number", "issue_date", "due_date") == ["R-2024/118", "2024-02-12", "2024-02-26"]
    assert values(fields, "seller_name", "buyer_name") == ["Holzwerk Krause GmbH", "Petra Ahrens"]
    assert values(fields, "tax_basis_total", "tax_total", "grand_total") == ["300.00", "57.00", "357.00"]
    assert values(fields, "currency", "iban") == ["EUR", "DE02120300000000202051"]
    assert fields["lines"].value == [{"name": "Tischplatte Eiche", "quantity": "2", "line_total": "300.00"}]


def test_a_french_invoice() -> None:
    fields = read(
        "invoice",
        typed(ATELIER),
    )  # fmt: skip
    assert values(fields, "invoice_number", "issue_date", "due_date") == ["F2024-031", "2024-03-05", "2024-04-04"]
    assert values(fields, "seller_name", "buyer_name") == ["Atelier Morel SARL", "Librairie du Quai"]
    amounts = values(fields, "tax_basis_total", "tax_total", "grand_total", "due_payable")
    assert amounts == ["1200.00", "240.00", "1440.00", "1000.00"]


def test_an_english_invoice_with_labels_over_values() -> None:
    page = draw(
        (40, 40, "Brightwater Tools Ltd"),
        (40, 55, "5 Mill Lane"),
        (40, 70, "LS1 4AB Leeds"),
        (40, 110, "Bill to"),
        (40, 125, "Penrose Farm"),
        (40, 140, "Hill Road"),
        (300, 110, "Invoice number"), (430, 110, "Invoice date"),
        (300, 125, "BW-1009"), (430, 125, "14 June 2024"),
        (300, 150, "Due date"),
        (300, 165, "14 July 2024"),
        (300, 300, "Subtotal"), (470, 300, "£80.00"),
        (300, 315, "VAT 20%"), (470, 315, "£16.00"),
        (300, 330, "Total"), (470, 330, "£96.00"),
    )  # fmt: skip
    fields = read("invoice", page)
    assert values(fields, "invoice_number", "issue_date", "due_date") == ["BW-1009", "2024-06-14", "2024-07-14"]
    assert values(fields, "seller_name", "buyer_name", "currency") == ["Brightwater Tools Ltd", "Penrose Farm", "GBP"]
    assert values(fields, "tax_basis_total", "tax_total", "grand_total") == ["80.00", "16.00", "96.00"]


def test_an_iban_with_a_wrong_checksum_is_shown_with_little_confidence() -> None:
    right = read("invoice", typed("Rechnung Nr. 1\nIBAN: DE02 1203 0000 0000 2020 51"))["iban"]
    wrong = read("invoice", typed("Rechnung Nr. 1\nIBAN: DE03 1203 0000 0000 2020 51"))["iban"]
    assert wrong.value == "DE03120300000000202051"
    assert wrong.confidence < 0.8 < right.confidence


@pytest.mark.parametrize("name", ["receipt", "invoice"])
def test_prompts_render_every_field_and_every_page(name: str) -> None:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    document_type = TYPES[name]
    template = SandboxedEnvironment(undefined=StrictUndefined).from_string(document_type.prompts["default"])
    text = template.render(prompt_variables(document_type, (typed("first page"), typed("second page", 2))))
    assert all(f"`{field}`" in text for field in document_type.fields)
    assert text.index("first page") < text.index("[page 2]") < text.index("second page")
