"""Parties beside their labels and by themselves."""

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.lexicon import Lexicon
from blocks.reader.parties import PartyFinder, is_named
from blocks.reader.ranking import Place
from blocks.reader.sheet import open_sheet
from blocks.records import Page
from tests.blocks.reader.drawn_pages import draw, typed


def places(page: Page, kind: str = "organisation", **hints: object) -> list[Place]:
    field = DocumentField(
        type=FieldType.TEXT, aliases=("Carrier",), hints=FieldHints.model_validate({"kind": kind, **hints})
    )
    document_type = DocumentType(name="note", title="Note", fields={"carrier": field})
    return PartyFinder(open_sheet(document_type, Lexicon(document_type), (page,))).places("carrier", field)


def labelled(page: Page, kind: str = "organisation") -> list[str]:
    return [place.candidate.value for place in places(page, kind) if place.is_labelled]


def weight(page: Page, value: str, kind: str = "organisation", **hints: object) -> float:
    return max(place.weight for place in places(page, kind, **hints) if place.candidate.value == value)


def test_a_name_stands_behind_right_of_or_below_its_label() -> None:
    assert labelled(typed("Carrier: Blitz Logistik GmbH")) == ["Blitz Logistik GmbH"]
    assert labelled(typed("Carrier\nBlitz Logistik GmbH")) == ["Blitz Logistik GmbH"]
    assert labelled(draw((40, 100, "Carrier"), (300, 100, "Fast Freight"))) == ["Fast Freight"]
    assert labelled(draw((40, 100, "Fast Freight"), (300, 100, "Carrier"))) == []


def test_lines_between_a_label_and_its_name_cost() -> None:
    near, far = typed("Carrier\nBlitz Ltd"), typed("Carrier\n0711 12\n0711 13\nBlitz Ltd")
    assert weight(near, "Blitz Ltd") > weight(far, "Blitz Ltd")


def test_a_label_that_is_part_of_a_name_announces_none() -> None:
    assert labelled(typed("Carrier GmbH\nBlitz Ltd")) == []


def test_a_label_before_other_text_announces_none() -> None:
    assert labelled(typed("Carrier number 12345678901234\nBlitz Ltd")) == []


def test_another_label_below_ends_the_search() -> None:
    assert labelled(typed("Carrier\nCarrier\nBlitz Ltd")) == ["Blitz Ltd"], "each label has what is below it alone"


def test_the_value_of_a_name_key_is_the_name() -> None:
    assert labelled(typed("Carrier\nName: Ann Moss\nCity: Berlin")) == ["Ann Moss"]
    assert labelled(typed("Carrier\nCity:  Berlin Town\nCompany:  Blitz Freight")) == ["Blitz Freight"]


def test_a_second_line_with_the_legal_form_belongs_to_the_name() -> None:
    place = next(place for place in places(typed("Carrier\nBlitz\nLogistik GmbH")) if place.is_labelled)
    assert place.candidate.value == "Blitz Logistik GmbH"
    assert [cell.text for cell in place.candidate.more] == ["Logistik GmbH"]
    assert labelled(typed("Carrier\nBlitz Ltd\nLogistik GmbH")) == ["Blitz Ltd"]


def test_a_person_is_named_by_words_that_look_like_a_person() -> None:
    page = typed("Carrier: Blitz Logistik GmbH\nAnn Moss")
    assert {place.candidate.value for place in places(page, "person")} == {"Ann Moss"}
    assert labelled(page, "person") == []


def test_a_legal_form_counts_for_a_company_and_a_trade_word_less() -> None:
    page = typed("Blitz Ltd\nCorner Mart\nAnn Moss")
    company, shop, person = (weight(page, value) for value in ("Blitz Ltd", "Corner Mart", "Ann Moss"))
    assert company > shop > person


def test_an_address_and_hints_count() -> None:
    page = typed("Ann Moss\n12 Harbour Road\nVAT 77\n\nBen Moss\nother words")
    assert weight(page, "Ann Moss") == weight(page, "Ben Moss") + 1.0
    assert (
        weight(page, "Ann Moss", near=("VAT",)) > weight(page, "Ann Moss") > weight(page, "Ann Moss", not_near=("VAT",))
    )


def test_the_upper_name_is_likelier_where_the_top_is_wanted() -> None:
    page = typed("Ann Moss\nwords\nwords\nBen Moss\nBen Moss")
    assert weight(page, "Ann Moss", position="top") > weight(page, "Ben Moss", position="top")
    repeated = typed("Ann Moss\nwords\nwords\nBen Moss\nAnn Moss")
    assert weight(repeated, "Ann Moss", position="top") > weight(page, "Ann Moss", position="top")


def test_the_last_line_of_a_labelled_name_counts_for_it() -> None:
    found = places(typed("Carrier: Blitz Logistik GmbH\nLogistik GmbH"))
    assert "Logistik GmbH" not in {place.candidate.value for place in found}
    assert sum(place.candidate.value == "Blitz Logistik GmbH" for place in found) == 2


def test_only_organisations_and_persons_are_parties() -> None:
    kinds = ("organisation", "person", "address", None)
    fields = [DocumentField(type=FieldType.TEXT, hints=FieldHints.model_validate({"kind": kind})) for kind in kinds]
    assert [is_named(field) for field in fields] == [True, True, False, False]


def test_a_name_to_the_right_belongs_to_the_only_label_of_its_row() -> None:
    page = draw((40, 100, "Carrier"), (300, 100, "Fast Freight"), (500, 100, "Carrier"))
    assert labelled(page) == []
