"""List fields by vocabulary, keywords and labels."""

import pytest

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.lexicon import Lexicon
from blocks.reader.lists import LABELLED_CONFIDENCE, MAX_ITEMS, VOCABULARY_CONFIDENCE, read_list
from blocks.reader.sheet import open_sheet
from blocks.records import FieldReading, Page
from tests.blocks.reader.drawn_pages import typed


def read(*pages: Page, aliases: tuple[str, ...] = (), **hints: object) -> FieldReading | None:
    field = DocumentField(type=FieldType.LIST, aliases=aliases, hints=FieldHints.model_validate(hints))
    document_type = DocumentType(name="kit", title="Kit", fields={"tools": field})
    return read_list("tools", field, open_sheet(document_type, Lexicon(document_type), pages))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("uses c++ and C", ["C++", "C"]),
        ("C#, then java", ["Java"]),
        ("JavaScript", None),
        ("hand   saw, hand\nsaw", ["Hand Saw"]),
        ("node.java", None),
    ],
)
def test_terms_of_a_vocabulary_are_found_as_they_are_spelled_in_the_type(text: str, found: list[str] | None) -> None:
    reading = read(typed(text), vocabulary=("C", "C++", "Java", "Hand Saw"))
    assert (reading and reading.value) == found


def test_each_term_has_its_first_quote() -> None:
    reading = read(typed("none"), typed("JAVA and java", number=2), vocabulary=("Java",))
    assert reading is not None
    assert reading.confidence == VOCABULARY_CONFIDENCE
    assert [(found.page, found.quote) for found in reading.evidence] == [(2, "JAVA")]


def test_an_entry_is_on_the_list_where_one_of_its_keywords_is_there() -> None:
    keywords = {"threat": ("kill*", "hurt you"), "spam": ("buy now",)}
    reading = read(typed("Buy now! Or I'll hurt you. I hurt you."), keywords=keywords)
    assert reading is not None
    assert reading.value == ["threat", "spam"]
    assert [found.quote for found in reading.evidence] == ["hurt you", "Buy now"]
    assert read(typed("hello"), keywords=keywords) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tools: saw, hammer; drill | saw", ["saw", "hammer", "drill"]),
        ("Tools\n- saw, hammer.", ["saw", "hammer"]),
        ("Tools:", None),
        ("Tools: --", None),
        ("Hammer, saw", None),
        ("Tools\nEquipment: pen", ["pen"]),
    ],
)
def test_the_items_behind_a_label_or_on_the_next_line(text: str, found: list[str] | None) -> None:
    reading = read(typed(text), aliases=("Equipment", "Tools"))
    assert (reading and reading.value) == found
    assert reading is None or reading.confidence == LABELLED_CONFIDENCE


def test_the_line_below_a_label_is_on_the_same_page() -> None:
    assert read(typed("Tools"), typed("saw", number=2), aliases=("Tools",)) is None


def test_a_list_has_no_more_items_than_a_person_would_check() -> None:
    reading = read(typed("Tools: " + ", ".join(f"t{at}" for at in range(80))), aliases=("Tools",))
    assert reading is not None
    assert isinstance(reading.value, list)
    assert len(reading.value) == MAX_ITEMS


def test_a_vocabulary_fills_a_list_no_further_than_that() -> None:
    terms = tuple(f"tool{at}x" for at in range(80))
    reading = read(typed(" ".join(terms)), vocabulary=terms)
    assert reading is not None
    assert reading.value == list(terms[:MAX_ITEMS])
