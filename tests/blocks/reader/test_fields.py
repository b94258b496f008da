"""How the values of one field are gathered and ranked."""

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.fields import FieldRanker
from blocks.reader.lexicon import Lexicon
from blocks.reader.ranking import Ranked
from blocks.reader.sheet import open_sheet
from blocks.records import Page
from tests.blocks.reader.drawn_pages import draw, typed


def field(value_type: FieldType, *aliases: str, required: bool = True, **hints: object) -> DocumentField:
    return DocumentField(type=value_type, aliases=aliases, required=required, hints=FieldHints.model_validate(hints))


def ranked(rules: DocumentField, page: Page, **others: DocumentField) -> list[Ranked]:
    document_type = DocumentType(name="bill", title="Bill", languages=("en",), fields={"it": rules, **others})
    return FieldRanker(document_type, open_sheet(document_type, Lexicon(document_type), (page,))).ranked("it")


def values(rules: DocumentField, page: Page, **others: DocumentField) -> list[str]:
    return [value.value for value in ranked(rules, page, **others)]


def weight(rules: DocumentField, text: str) -> float:
    return round(ranked(rules, typed(text))[0].weight, 2)


def test_a_value_beside_its_label_comes_first() -> None:
    page = typed("1.00\nTotal 9.00\n2.00")
    found = ranked(field(FieldType.MONEY, "Total"), page)
    assert (found[0].value, found[0].places[0].is_labelled) == ("9.00", True)
    assert {value.value for value in found} == {"9.00", "1.00", "2.00"}
    assert not any(place.is_labelled for value in found if value.value == "1.00" for place in value.places)


def test_the_first_amount_behind_a_label_counts_most_unless_the_last_is_picked() -> None:
    page = typed("Total 8.00 1.00 9.00")
    assert values(field(FieldType.MONEY, "Total"), page) == ["8.00", "1.00", "9.00"]
    assert values(field(FieldType.MONEY, "Total", pick="last"), page)[0] == "9.00"


def test_a_value_without_a_label_is_likelier_by_its_form_alone() -> None:
    iban, number = field(FieldType.IBAN, "IBAN"), field(FieldType.NUMBER, "Boxes")
    assert weight(iban, "DE02 1203 0000 0000 2020 51") == 3.0
    assert weight(number, "7") == -4.0


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (field(FieldType.DATE, "Day"), 0.9),
        (field(FieldType.DATE), 1.9),
        (field(FieldType.DATE, "Day", required=False), -0.9),
        (field(FieldType.DATE, required=False), 1.9),
        (field(FieldType.DATE, "Day", pattern=r"2024.*"), 1.9),
    ],
)
def test_an_unlabelled_value_counts_by_what_the_type_knows_of_the_field(rules: DocumentField, expected: float) -> None:
    assert weight(rules, "2024-05-23") == expected


def test_an_optional_iban_is_known_by_its_form() -> None:
    iban = field(FieldType.IBAN, "IBAN", required=False)
    assert weight(iban, "DE02 1203 0000 0000 2020 51") == 3.0


def test_labels_in_a_run_point_at_the_values_opposite_them() -> None:
    page = typed("Total\nCash\nChange\n48.10\n50.20\n2.10")
    cash, change = field(FieldType.MONEY, "Cash"), field(FieldType.MONEY, "Change")
    total = field(FieldType.MONEY, "Total")
    assert values(cash, page, total=total, change=change)[0] == "50.20"
    assert values(change, page, total=total, cash=cash)[0] == "2.10"


def test_an_amount_that_was_paid_with_change_is_likelier() -> None:
    page = typed("9.00\n50.00\n41.00")
    assert values(field(FieldType.MONEY, settled_below=True), page)[0] == "9.00"


def test_a_text_is_what_stands_behind_its_label() -> None:
    note = field(FieldType.TEXT, "Note")
    assert values(note, typed("Note: - fragile, this side up.")) == ["fragile, this side up"]
    assert values(note, typed("Note\nfragile")) == ["fragile"]
    assert values(note, typed("fragile")) == []


def test_a_label_alone_is_no_value_of_the_label_above_it() -> None:
    assert values(field(FieldType.TEXT, "Note"), typed("Note\nTerms\nnet"), terms=field(FieldType.TEXT, "Terms")) == [
        "net"
    ]


def test_a_text_with_a_pattern_is_what_matches_it_also_without_a_label() -> None:
    order = field(FieldType.TEXT, "Order", pattern=r"PO-\d+")
    assert values(order, typed("Order of 3 May: PO-17, urgent")) == ["PO-17"]
    assert values(order, typed("see PO-18")) == ["PO-18"]
    assert values(order, typed("Order: none")) == []


def test_an_identifier_is_the_first_token_with_a_digit() -> None:
    number = field(FieldType.TEXT, "Invoice no", kind="identifier")
    assert values(number, typed("Invoice no: RE 2024/17 of 3 May 2024")) == ["RE 2024/17"]
    town = ranked(number, draw((40, 100, "Invoice no"), (200, 100, "10115 Berlin")))
    plain = ranked(number, draw((40, 100, "Invoice no"), (200, 100, "10115")))
    assert town[0].weight == pytest.approx(plain[0].weight - 2.5), "a postcode with its town"


def test_numbers_are_read_as_the_document_writes_them() -> None:
    rules = field(FieldType.MONEY, "Total")
    document_type = DocumentType(name="bill", title="Bill", languages=("en", "de"), fields={"it": rules})
    for text, amount in (("Total 1.234\nfee 0,50", "1234.00"), ("Total 1.234\nfee 0.50", "1.234")):
        sheet = open_sheet(document_type, Lexicon(document_type), (typed(text),))
        assert FieldRanker(document_type, sheet).ranked("it")[0].value == amount


def test_a_sentence_states_a_value_where_the_type_asks_for_sentences() -> None:
    years = field(FieldType.INTEGER, "Years", stated=(r"(?P<value>\d+) years of experience",))
    assert values(years, typed("Years 3\n12 years of experience")) == ["12"]


def test_the_kind_of_a_text_decides_how_it_is_looked_for() -> None:
    page = typed("Ann Moss\n12 Harbour Road\n10115 Berlin")
    assert values(field(FieldType.TEXT, kind="person"), page) == ["Ann Moss"]
    assert values(field(FieldType.TEXT, kind="organisation"), page) == ["Ann Moss"]
    assert values(field(FieldType.TEXT, kind="address"), page) == ["12 Harbour Road, 10115 Berlin"]
    assert values(field(FieldType.TEXT), page) == []


def test_a_person_at_the_top_may_have_a_label_further_down() -> None:
    applicant = field(FieldType.TEXT, "Applicant", kind="person", position="top")
    page = typed("Ann Moss\n" + "words\n" * 12 + "Applicant: Ben Moss")
    assert set(values(applicant, page)) == {"Ann Moss", "Ben Moss"}
