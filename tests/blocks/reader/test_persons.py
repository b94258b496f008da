"""The person at the top of a document."""

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.lexicon import Lexicon
from blocks.reader.persons import (
    BY_ITSELF,
    FIRST_ROWS,
    FURTHER_DOWN,
    NOT_IN_ADDRESS,
    PART_IN_ADDRESS,
    REACHABLE,
    TWO_LINES,
    VOCABULARY,
    WHOLE_IN_ADDRESS,
    PersonFinder,
    is_wanted,
)
from blocks.reader.sheet import open_sheet
from tests.blocks.reader.drawn_pages import typed

NAME = DocumentField(
    type=FieldType.TEXT, hints=FieldHints(kind="person", position="top", not_near=("Curriculum Summary",))
)
CATEGORY = DocumentField(
    type=FieldType.ENUM, enum=("SALES-LEAD", "CHEF"), hints=FieldHints(keywords={"CHEF": ("head cook",)})
)
TYPE = DocumentType(name="cv", title="CV", fields={"name": NAME, "category": CATEGORY})


def finder(text: str) -> PersonFinder:
    return PersonFinder(open_sheet(TYPE, Lexicon(TYPE), (typed(text),)), TYPE)


def weights(text: str) -> dict[str, float]:
    return {place.candidate.value: round(place.weight, 2) for place in finder(text).places(NAME)}


def test_a_name_is_likelier_with_contact_details_close_to_it() -> None:
    assert weights("Ann Moss") == {"Ann Moss": BY_ITSELF + FIRST_ROWS}
    assert weights("Ann Moss\na\nb\nc\n+49 711 123456") == {"Ann Moss": round(BY_ITSELF + FIRST_ROWS + REACHABLE, 2)}
    assert weights("Ann Moss\na\nb\nc\nd\n+49 711 123456") == {"Ann Moss": BY_ITSELF + FIRST_ROWS}


def test_the_words_of_a_name_recur_in_its_address() -> None:
    base = BY_ITSELF + FIRST_ROWS + REACHABLE
    for address, expected in {
        "ann.moss@example.org": WHOLE_IN_ADDRESS,
        "amoss@example.org": WHOLE_IN_ADDRESS,
        "moss77@example.org": PART_IN_ADDRESS,
        "mossgarden@example.org": PART_IN_ADDRESS,
        "office@example.org": NOT_IN_ADDRESS,
        "info@example.org": 0.0,
    }.items():
        assert weights(f"Ann Moss\n{address}") == {"Ann Moss": round(base + expected, 2)}, address


def test_the_best_of_the_first_two_addresses_counts() -> None:
    text = "Ann Moss\noffice@example.org\nann.moss@example.org"
    assert weights(text)["Ann Moss"] == BY_ITSELF + FIRST_ROWS + REACHABLE + WHOLE_IN_ADDRESS


def test_words_of_the_type_are_no_name() -> None:
    found = finder("")
    assert found.vocabulary_weight("Ann Moss", NAME) == 0.0
    assert found.vocabulary_weight("Ann Cook", NAME) == VOCABULARY
    assert found.vocabulary_weight("Sales Lead", NAME) == 2 * VOCABULARY
    assert found.vocabulary_weight("Summary Moss", NAME) == VOCABULARY


def test_names_are_looked_for_in_the_first_rows_and_count_less_further_down() -> None:
    assert weights("a\n" * 6 + "Ann Moss") == {"Ann Moss": BY_ITSELF + FURTHER_DOWN}
    assert weights("a\n" * 4 + "Ann Moss") == {"Ann Moss": BY_ITSELF}
    assert weights("a\n" * 9 + "Ann Moss") == {}


def test_the_parts_of_a_line_are_tried_each() -> None:
    found = list(finder("Ann Moss | Chef de Partie | 0711").places(NAME))
    assert [place.candidate.quote for place in found] == ["Ann Moss", "Chef de Partie"]


def test_a_name_may_stand_on_two_lines() -> None:
    assert weights("Ann\nMoss") == {"Ann Moss": BY_ITSELF + FIRST_ROWS + TWO_LINES}
    (place,) = finder("Ann\nMoss").places(NAME)
    assert [cell.text for cell in place.candidate.more] == ["Moss"]
    assert weights("ann\nMoss") == {}


def test_five_words_are_a_heading() -> None:
    assert weights("Ann Bea Cid Dan Moss") == {}


def test_only_a_person_at_the_top_is_read_so() -> None:
    assert is_wanted(NAME)
    assert not is_wanted(DocumentField(type=FieldType.TEXT, hints=FieldHints(kind="person")))
    assert not is_wanted(DocumentField(type=FieldType.TEXT, hints=FieldHints(kind="organisation", position="top")))


def test_one_word_in_a_longer_address_is_only_a_part() -> None:
    assert weights("Ann Moss\nmossacademy@example.org")["Ann Moss"] == round(
        BY_ITSELF + FIRST_ROWS + REACHABLE + PART_IN_ADDRESS, 2
    )
