"""The built-in reader on types and pages made up here: what a new type gets without a line of Python."""

import time
from collections.abc import Mapping

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.evidence.grounding import check
from blocks.reader import reading as reader
from blocks.records import FieldReading, Page
from tests.blocks.reader.drawn_pages import draw, typed


def field(
    kind_of: FieldType, *aliases: str, required: bool = False, default: str | None = None, **hints: object
) -> DocumentField:
    given = FieldHints.model_validate(hints)
    return DocumentField(type=kind_of, aliases=aliases, required=required, default=default, hints=given)


GOODS = {
    "article": field(FieldType.TEXT, "Article"),
    "pieces": field(FieldType.NUMBER, "Pieces"),
    "value": field(FieldType.MONEY, "Value"),
}
DELIVERY = DocumentType(
    name="delivery_note",
    title="Delivery note",
    languages=("en", "de"),
    fields={
        "note_number": field(FieldType.TEXT, "Delivery note no", "Lieferschein-Nr", required=True, kind="identifier"),
        "shipped_on": field(FieldType.DATE, "Shipped on", "Versanddatum", required=True),
        "weight_kg": field(FieldType.NUMBER, "Gross weight", "Gewicht brutto", not_near=("Net weight",)),
        "parcels": field(FieldType.INTEGER, "Parcels", "Anzahl Pakete"),
        "carrier": field(FieldType.TEXT, "Carrier", "Spediteur", required=True, kind="organisation"),
        "contact_email": field(FieldType.EMAIL),
        "net": field(FieldType.MONEY, "Goods value"),
        "insurance": field(FieldType.MONEY, "Insurance"),
        "declared": field(FieldType.MONEY, "Declared value", sum_of=("net", "insurance")),
        "goods": DocumentField(type=FieldType.TABLE, columns=GOODS),
        "incoterm": field(FieldType.TEXT, "Incoterm", default="EXW"),
    },
)

PLAIN = """Nordic Timber AS
Delivery note no: DN-20458 Shipped on: 3 May 2024
Carrier
Fast Freight Ltd
12 Harbour Road
Net weight 410.5 kg
Gross weight 433.2 kg
Parcels: 7
Questions: depot@nordic-timber.example
Goods value 1,200.00
Insurance 14.40
Declared value 1,214.40
"""


def read(document_type: DocumentType, *pages: Page) -> Mapping[str, FieldReading]:
    return reader.read(document_type, pages).fields


def test_a_new_type_with_labels_is_read_at_once() -> None:
    fields = read(DELIVERY, typed(PLAIN))
    assert {name: fields[name].value for name in fields} == {
        "note_number": "DN-20458",
        "shipped_on": "2024-05-03",
        "weight_kg": "433.2",
        "parcels": "7",
        "carrier": "Fast Freight Ltd",
        "contact_email": "depot@nordic-timber.example",
        "net": "1200.00",
        "insurance": "14.40",
        "declared": "1214.40",
        "incoterm": "EXW",
    }


def test_every_value_has_evidence_that_yields_it() -> None:
    page = typed(PLAIN)
    fields = {name: reading for name, reading in read(DELIVERY, page).items() if name != "incoterm"}
    assert set(fields) >= {"note_number", "shipped_on", "weight_kg", "carrier", "contact_email", "net", "declared"}
    for name, reading in fields.items():
        found = check(DELIVERY.fields[name], reading, [page], DELIVERY.languages)
        assert found.is_grounded, f"{name}: {found.why}"
        assert 0.5 < reading.confidence < 1.0, name


def test_a_default_is_no_claim_about_the_document() -> None:
    reading = read(DELIVERY, typed(PLAIN))["incoterm"]
    assert reading.evidence == ()
    assert reading.confidence < 0.5


def test_the_other_language_of_a_type_is_read_alike() -> None:
    page = typed(
        "Lieferschein-Nr. L 77/24\nVersanddatum 03.05.2024\nGewicht brutto 1.433,20 kg\nSpediteur: Blitz Logistik GmbH"
    )
    fields = read(DELIVERY, page)
    assert fields["note_number"].value == "L 77/24"
    assert fields["shipped_on"].value == "2024-05-03"
    assert fields["weight_kg"].value == "1433.2"
    assert fields["carrier"].value == "Blitz Logistik GmbH"


def test_what_stands_beside_or_below_a_label_is_found_by_place_not_by_order() -> None:
    page = draw(
        (300, 100, "DN-9"),
        (300, 130, "12"),
        (40, 130, "Parcels"),
        (40, 100, "Delivery note no"),
        (60, 215, "2024-06-01"),
        (60, 200, "Shipped on"),
        (300, 200, "Printed"),
        (300, 215, "2024-07-09"),
    )
    fields = read(DELIVERY, page)
    assert fields["note_number"].value == "DN-9"
    assert fields["parcels"].value == "12"
    assert fields["shipped_on"].value == "2024-06-01"
    assert fields["note_number"].evidence[0].box == (300.0, 100.0, 320.0, 110.0)


def test_a_label_that_a_scan_misread_still_counts() -> None:
    fields = read(DELIVERY, typed("De1ivery nole no: DN-1\nSh1pped on: 3 May 2024\nprinted 4 May 2024"))
    assert fields["shipped_on"].value == "2024-05-03"
    assert fields["shipped_on"].confidence < read(DELIVERY, typed(PLAIN))["shipped_on"].confidence


def test_amounts_that_add_up_are_surer_than_the_same_that_do_not() -> None:
    fits = read(DELIVERY, typed(PLAIN))
    fails = read(DELIVERY, typed(PLAIN.replace("14.40\n", "99.40\n", 1)))
    assert fails["insurance"].value == "99.40", "a sum that fails changes no value"
    for name in ("net", "insurance", "declared"):
        assert fits[name].confidence > fails[name].confidence


def test_rivals_lower_confidence() -> None:
    alone = read(DELIVERY, typed("Shipped on: 3 May 2024"))["shipped_on"]
    rivals = read(DELIVERY, typed("Shipped on: 3 May 2024\nShipped on: 4 May 2024"))["shipped_on"]
    assert rivals.confidence < alone.confidence
    assert rivals.confidence < 0.75


def test_an_empty_page_gives_nothing_but_defaults() -> None:
    assert set(read(DELIVERY, typed(""))) == {"incoterm"}
    assert set(read(DELIVERY)) == {"incoterm"}


def test_a_page_without_line_breaks_costs_no_more_than_its_length() -> None:
    def cpu_s(repeats: int) -> float:
        page = typed("Parcels 7 Shipped on 3 May 2024 " * repeats)
        started = time.process_time()
        assert read(DELIVERY, page)["parcels"].value == "7"
        return time.process_time() - started

    cpu_s(10)
    assert cpu_s(2000) < 15 * cpu_s(200) + 0.5, "ten times the text, about ten times the time"


def test_the_same_page_is_read_the_same_twice() -> None:
    page = typed(PLAIN)
    assert read(DELIVERY, page) == read(DELIVERY, page)


@pytest.mark.parametrize("with_boxes", [True, False])
def test_rows_of_a_table_stand_under_their_headers(*, with_boxes: bool) -> None:
    if with_boxes:
        page = draw(
            (40, 100, "Article"), (250, 100, "Pieces"), (400, 100, "Value"),
            (40, 120, "Oak board"), (255, 120, "4"), (400, 120, "80.00"),
            (40, 140, "Pine batten"), (250, 140, "12"), (400, 140, "36.00"),
            (40, 170, "Goods value"), (400, 170, "116.00"),
        )  # fmt: skip
    else:
        page = typed("Article Pieces Value\nOak board 4 20.00 80.00\nPine batten 12 3.00 36.00\nGoods value 116.00")
    goods = read(DELIVERY, page)["goods"]
    assert goods.value == [
        {"article": "Oak board", "pieces": "4", "value": "80.00"},
        {"article": "Pine batten", "pieces": "12", "value": "36.00"},
    ]
    assert len(goods.evidence) == 2
    assert check(DELIVERY.fields["goods"], goods, [page]).is_grounded


def test_a_list_takes_the_terms_of_its_vocabulary() -> None:
    kit = DocumentType(
        name="kit",
        title="Kit",
        fields={"tools": DocumentField(type=FieldType.LIST, hints=FieldHints(vocabulary=("C++", "C", "Hand Saw")))},
    )
    reading = read(kit, typed("Uses c++ and a hand  saw."))["tools"]
    assert reading.value == ["C++", "Hand Saw"]


def test_two_parties_are_never_the_same_text() -> None:
    deed = DocumentType(
        name="deed",
        title="Deed",
        fields={
            "giver": DocumentField(type=FieldType.TEXT, aliases=("Giver",), hints=FieldHints(kind="person")),
            "taker": DocumentField(type=FieldType.TEXT, aliases=("Taker",), hints=FieldHints(kind="person")),
        },
    )
    fields = read(deed, typed("Giver: Ada Moss\nTaker: Ben Moss"))
    assert (fields["giver"].value, fields["taker"].value) == ("Ada Moss", "Ben Moss")
