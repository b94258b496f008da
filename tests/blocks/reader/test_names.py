"""Names that no label announces, and the blocks below them."""

from blocks.reader.lines import read_rows
from blocks.reader.names import Name, cells_below, find_names, name_in, name_with_block
from blocks.records import Page
from tests.blocks.reader.drawn_pages import draw, typed


def names(page: Page) -> list[Name]:
    return find_names(read_rows((page,)))


def values(page: Page) -> list[str]:
    return [name.candidate.value for name in names(page)]


LETTER = """\
Blitz Logistik GmbH
Hauptstr. 7
10115 Berlin
Invoice
Ann Moss
12 Harbour Road
Portland, OR 97201
Tel 0711 123456
"""


def test_names_stand_above_their_addresses() -> None:
    first, second = names(typed(LETTER))
    assert (first.candidate.value, first.has_legal_form, first.has_address, first.place) == (
        "Blitz Logistik GmbH", True, True, 0,
    )  # fmt: skip
    assert (second.candidate.value, second.has_legal_form, second.has_address, second.place) == (
        "Ann Moss",
        False,
        True,
        1,
    )


def test_a_name_far_down_needs_a_legal_form_a_trade_word_or_an_address() -> None:
    text = "".join(f"Article {letter}x\n" for letter in "ABCDEFG")
    assert values(typed(text + "Ann Moss\nBlitz Ltd\nCorner Mart")) == [
        *[f"Article {letter}x" for letter in "ABCDEF"], "Blitz Ltd", "Corner Mart",
    ]  # fmt: skip


def test_cells_that_are_labels_are_skipped() -> None:
    rows = read_rows((typed("Carrier\nAnn Moss"),))
    skip = frozenset({(0, rows[0].cells[0].start)})
    assert [name.candidate.value for name in find_names(rows, skip)] == ["Ann Moss"]


def test_a_street_above_its_town_is_no_name() -> None:
    assert values(typed("Harbour Parade 21\nPortland, OR 97201")) == []
    assert values(typed("Studio 21\nAnn Moss")) == ["Studio 21", "Ann Moss"]


def test_a_sender_line_names_the_sender_first() -> None:
    (sender,) = names(typed("Blitz Logistik ● Hauptstr. 7 ● 10115 Berlin"))
    assert (sender.candidate.value, sender.is_sender_line, sender.has_address) == ("Blitz Logistik", True, True)
    assert names(typed("Blitz ● Hauptstr. 7 ● Hinterhof")) == [], "without a town it is a part of an address"


def test_a_sender_line_whose_dots_were_misread_is_one_sender() -> None:
    page = draw((40, 100, "Blitz Logistik"), (115, 100, "e"), (130, 100, "Hauptstr. 7"), (190, 100, "10115 Berlin"))
    (sender,) = names(page)
    assert (sender.candidate.value, sender.is_sender_line) == ("Blitz Logistik", True)
    far = draw((40, 100, "Blitz Logistik"), (200, 100, "Hauptstr. 7"), (400, 100, "10115 Berlin"))
    assert [name.is_sender_line for name in names(far)] == [False], "columns are no sender line"


def test_a_legal_form_on_the_next_line_belongs_to_the_name() -> None:
    (name,) = names(typed("Nordic Timber\nSdn Bhd (123456-X)\n12 Harbour Road"))
    assert (name.candidate.value, name.has_legal_form) == ("Nordic Timber Sdn Bhd", True)
    assert [cell.text for cell in name.candidate.more] == ["Sdn Bhd (123456-X)"]
    assert name.lines == ("12 Harbour Road",)


def test_an_open_bracket_or_a_sign_goes_on_in_the_next_line() -> None:
    assert values(typed("Moss &\nDaughters"))[0] == "Moss & Daughters"
    assert values(typed("Moss (Import\nExport)\nother"))[0] == "Moss (Import Export)"
    assert values(typed("Moss\nDaughters"))[0] == "Moss"


def test_the_block_of_a_name_ends_at_the_next_name_or_sender() -> None:
    rows = read_rows((typed("Ann Moss\n12 Harbour Road\n10115 Berlin\nBen Moss\nlast"),))
    assert name_with_block(rows[0].cells[0], rows, 0).lines == ("12 Harbour Road", "10115 Berlin")
    rows = read_rows((typed("Ann Moss\nBlitz ● Hauptstr. 7 ● 10115 Berlin\nlast"),))
    assert name_with_block(rows[0].cells[0], rows, 0).lines == ()


def test_a_name_keeps_its_place_in_the_cell() -> None:
    (row,) = read_rows((typed("Carrier: ** Blitz GmbH **"),))
    name = name_in(row.cells[0], "** Blitz GmbH **", 8)
    assert (name.value, name.quote) == ("Blitz GmbH", "Blitz GmbH")


def test_cells_below_are_of_the_same_column_until_a_wide_gap() -> None:
    rows = read_rows(
        (draw((40, 100, "Ann Moss"), (300, 112, "right"), (40, 113, "Road 1"), (40, 126, "Town"), (40, 190, "far")),)
    )
    assert [cell.text for cell in cells_below(rows[0].cells[0], rows, 9)] == ["Road 1", "Town"]
    assert [cell.text for cell in cells_below(rows[0].cells[0], rows, 1)] == ["Road 1"]


def test_lines_further_apart_belong_together_only_where_they_are_flush() -> None:
    def below(x: float) -> int:
        rows = read_rows((draw((40, 100, "Ann Moss"), (x, 135, "Road 1")),))
        return len(cells_below(rows[0].cells[0], rows, 9))

    assert [below(40), below(43), below(44)] == [1, 1, 0]


def test_cells_below_stay_on_their_page() -> None:
    rows = read_rows((typed("Ann Moss"), typed("Road 1", number=2)))
    assert cells_below(rows[0].cells[0], rows, 9) == []


def test_a_contact_line_below_the_town_belongs_to_the_block() -> None:
    rows = read_rows((typed("Ann Moss\n10115 Berlin\nPhone Office Ltd\nBen Moss"),))
    assert name_with_block(rows[0].cells[0], rows, 0).lines == ("10115 Berlin", "Phone Office Ltd")
