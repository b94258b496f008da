"""Labels in one run of lines and their values in the next."""

from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.reader.columns import LONGER, SAME_LENGTH, opposite_rows
from blocks.reader.lexicon import Lexicon
from blocks.reader.lines import read_rows
from blocks.records import Page
from tests.blocks.reader.drawn_pages import draw, typed

NAMES = ("total", "cash", "change")
TYPE = DocumentType(
    name="till",
    title="Till",
    fields={name: DocumentField(type=FieldType.MONEY, aliases=(name.title(),)) for name in NAMES},
)


def opposite(page: Page) -> dict[int, tuple[int, float]]:
    rows, lexicon = read_rows((page,)), Lexicon(TYPE)
    return opposite_rows(
        rows, {row.index: [label for cell in row.cells for label in lexicon.find(cell)] for row in rows}
    )


def test_the_third_value_belongs_to_the_third_label() -> None:
    page = typed("Total\nCash\nChange\n48.10\n50.20\n2.10\nThank you")
    assert opposite(page) == {0: (3, SAME_LENGTH), 1: (4, SAME_LENGTH), 2: (5, SAME_LENGTH)}


def test_more_values_than_labels_are_less_sure() -> None:
    assert opposite(typed("Total\nCash\n48.10\n50.20\n2.10")) == {0: (2, LONGER), 1: (3, LONGER)}


def test_fewer_values_than_labels_belong_to_none_of_them() -> None:
    assert opposite(typed("Total\nCash\nChange\n48.10\n50.20")) == {}


def test_words_without_a_label_before_the_run_are_skipped() -> None:
    page = typed("Served by Ann\nTotal\nCash\n48.10\n50.20")
    assert opposite(page) == {1: (3, SAME_LENGTH), 2: (4, SAME_LENGTH)}


def test_a_word_between_labels_takes_a_value_of_its_own() -> None:
    assert opposite(typed("Total\nRounding\nCash\n48.10\n0.00\n50.20"))[2] == (5, SAME_LENGTH)


def test_a_single_label_and_words_alone_have_no_run() -> None:
    assert opposite(typed("Total\n48.10")) == {}
    assert opposite(typed("Rounding\nTips\n48.10\n50.20")) == {}


def test_lines_with_boxes_have_their_places_instead() -> None:
    assert opposite(draw((40, 100, "Total"), (40, 120, "Cash"), (40, 140, "48.10"), (40, 160, "50.20"))) == {}


def test_amounts_may_have_a_currency_a_minus_or_brackets() -> None:
    assert set(opposite(typed("Total\nCash\nChange\nRM 48.10\n(50.20)\n-2.10"))) == {0, 1, 2}
    assert opposite(typed("Total\nCash\n48.10\n7 % of it")) == {}


def test_words_of_a_run_are_short() -> None:
    assert opposite(typed("Total\nServed by Ann Moss\nCash\n48.10\n1.00\n50.20"))[2] == (5, SAME_LENGTH)
    assert opposite(typed("Total\nServed to you by Ann\nCash\n48.10\n1.00\n50.20")) == {}
