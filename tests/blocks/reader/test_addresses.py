"""Postal addresses below a label or by themselves."""

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.addresses import LABELLED, UNLABELLED, WITH_POSTCODE, places
from blocks.reader.lexicon import Lexicon
from blocks.reader.sheet import open_sheet
from blocks.records import Page
from tests.blocks.reader.drawn_pages import draw, typed


def found(page: Page, position: str | None = None) -> list[tuple[str, float, bool]]:
    hints = FieldHints.model_validate({"kind": "address", "position": position})
    field = DocumentField(type=FieldType.TEXT, aliases=("Ship to",), hints=hints)
    other = DocumentField(type=FieldType.TEXT, aliases=("Order no",))
    document_type = DocumentType(name="note", title="Note", fields={"address": field, "order": other})
    sheet = open_sheet(document_type, Lexicon(document_type), (page,))
    return [(p.candidate.value, round(p.weight, 2), p.is_labelled) for p in places(sheet, "address", field)]


def test_the_lines_below_a_label_are_joined_by_commas() -> None:
    labelled, by_itself = found(typed("Ship to\n12 Harbour Road,\nPortland, OR 97201\nTel 0711"))
    assert labelled == ("12 Harbour Road, Portland, OR 97201", LABELLED + WITH_POSTCODE, True)
    assert by_itself[2] is False


def test_the_text_behind_a_label_is_the_first_line() -> None:
    assert found(typed("Ship to: 12 Harbour Road\n10115 Berlin"))[0][0] == "12 Harbour Road, 10115 Berlin"


def test_a_name_above_the_street_is_part_of_a_labelled_address() -> None:
    assert found(typed("Ship to\nAnn Moss\n12 Harbour Road"))[0][0] == "Ann Moss, 12 Harbour Road"


def test_an_address_by_itself_begins_with_its_first_line() -> None:
    page = typed("Ann Moss\n12 Harbour Road\n10115 Berlin\nTel 0711 123456")
    assert found(page) == [("12 Harbour Road, 10115 Berlin", round(UNLABELLED + WITH_POSTCODE + 0.3, 2), False)]


def test_the_top_of_the_page_counts_where_it_is_wanted() -> None:
    page = typed("12 Harbour Road\nTel 0711\nwords\n7 Hill Street")
    (_, upper, _), (_, lower, _) = found(page, position="top")
    assert upper == UNLABELLED + 1.5
    assert lower < UNLABELLED


def test_an_address_ends_at_a_label_a_title_or_a_key() -> None:
    for line in ("Order no 10115 Berlin", "Invoice 10115 Berlin", "10115 Berlin:"):
        assert found(typed(f"12 Harbour Road\n{line}"))[0][0] == "12 Harbour Road", line


def test_a_town_on_a_line_of_its_own_belongs_to_the_address() -> None:
    street = "NO 4, JALAN PANTAI 2"
    assert found(typed(f"Ship to\n{street}\nJOHOR BAHRU"))[0][0] == f"{street}, JOHOR BAHRU"
    assert found(typed(f"Ship to\n{street}\n7 UPSTAIRS"))[0][0] == street


def test_the_value_has_a_cell_for_each_line() -> None:
    page = draw((40, 100, "12 Harbour Road"), (40, 113, "10115 Berlin"), (300, 100, "Page 2"))
    assert [value for value, *_ in found(page)] == ["12 Harbour Road, 10115 Berlin"]
