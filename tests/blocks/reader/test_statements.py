"""Values that sentences state."""

from blocks.document_types.schema import DocumentField, DocumentType, FieldHints, FieldType
from blocks.reader.lexicon import Lexicon
from blocks.reader.sheet import open_sheet
from blocks.reader.statements import EXCEEDED, LATER, STATED, places
from blocks.records import Page
from tests.blocks.reader.drawn_pages import typed

YEARS = r"(?P<value>\d+|[a-z]+) years of (?:\w+\s)?experience"


def stated(*pages: Page, kind: FieldType = FieldType.INTEGER, **hints: object) -> list[tuple[str, float, str]]:
    field = DocumentField(type=kind, hints=FieldHints.model_validate({"stated": (YEARS,), **hints}))
    document_type = DocumentType(name="cv", title="CV", fields={"years": field})
    found = places(open_sheet(document_type, Lexicon(document_type), pages), field)
    return [(place.candidate.value, place.weight, place.candidate.quote) for place in found]


def test_a_number_is_read_from_figures_and_from_words() -> None:
    assert stated(typed("With 12 years of experience.")) == [("12", STATED, "12")]
    assert stated(typed("With seven years of experience.")) == [("7", STATED, "seven")]
    assert stated(typed("With many years of experience.")) == []
    assert stated(typed("12 years old")) == []


def test_a_sentence_may_run_over_two_lines() -> None:
    assert stated(typed("With 12 years of relevant\nexperience")) == [("12", STATED, "12")]


def test_a_smaller_number_is_about_a_part_where_the_largest_is_wanted() -> None:
    page = typed("12 years of experience\n3 years of sales experience")
    assert stated(page, pick="largest") == [("12", STATED, "12"), ("3", STATED + EXCEEDED, "3")]
    assert stated(page) == [("12", STATED, "12"), ("3", STATED, "3")]


def test_a_sentence_below_the_summary_counts_less_where_the_top_is_wanted() -> None:
    page = typed("a\n" * 19 + "4 years of experience\n12 years of experience")
    assert stated(page, position="top") == [("4", STATED, "4"), ("12", STATED + LATER, "12")]


def test_two_patterns_find_a_value_once() -> None:
    assert len(stated(typed("12 years of experience"), stated=(YEARS, r"(?P<value>\d+) years"))) == 1


def test_a_value_is_quoted_from_its_own_page() -> None:
    found = stated(typed("nothing"), typed("5 years of experience", number=2))
    assert found == [("5", STATED, "5")]


def test_a_text_is_taken_as_it_stands() -> None:
    assert stated(typed("With seven years of experience"), kind=FieldType.TEXT) == [("seven", STATED, "seven")]
