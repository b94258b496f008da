"""A table's header and its rows while they are read: values, cells, evidence."""

import re
from dataclasses import dataclass, field

from blocks.evidence.grounding import quoted
from blocks.reader.candidates import Candidate
from blocks.reader.lines import Cell
from blocks.records import Box, Evidence, Page

MAX_QUOTE_CHARACTERS = 900
_FIGURE = re.compile(r"[€$£]?[-(]?\d[\d.,]*[)%€$£]*")


@dataclass(slots=True)
class Header:
    """Where a table begins: the row after its header, and the box of each column's label.

    In text without boxes `order` has the column of each cell of the header, None for a cell that is no column of the
    type. `text_offset`: so many lines a row's text stands below its amount, because its label stands below another.
    """

    first_row: int
    page: int
    boxes: dict[str, Box | None]
    order: tuple[str | None, ...] = ()
    text_offset: int = 0


@dataclass(slots=True)
class Item:
    """A row being read: its values, the cells of its figures and of its text, and where on the page the figures begin.

    `adds_up`: number times price is its amount. `is_completed`: values of it stand in the line above its amount.
    """

    row: int
    values: dict[str, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    texts: list[Cell] = field(default_factory=list)
    figures: list[int] = field(default_factory=list)
    adds_up: bool = False
    is_completed: bool = False

    def take(self, name: str, candidate: Candidate) -> None:
        """Take a candidate as the value of a column."""
        self.values[name] = candidate.value
        self.cells.append(candidate.cell)
        self.figures.append(candidate.place[1])


def words_of_line(item: Item, cell: Cell) -> str:
    """The words of a line that holds figures as well: those before the row's figures, else those between figures."""
    first = min(place - cell.start for place in item.figures if cell.start <= place < cell.end)
    words = cell.text[:first].split()
    if letter_count(" ".join(words)) < 3:
        words = cell.text.split()
        while words and not any(c.isalpha() for c in words[0]):
            words.pop(0)
        words = words[: next((i for i, word in enumerate(words) if i and _FIGURE.fullmatch(word)), len(words))]
    while words and not any(c.isalpha() for c in words[0]):
        words.pop(0)
    while words and _FIGURE.fullmatch(words[-1]):
        words.pop()
    return " ".join(words)


def letter_count(text: str) -> int:
    """How many letters a text has."""
    return sum(c.isalpha() for c in text)


def evidence_of(item: Item, page: Page) -> Evidence:
    """The text of a row on its page; where its cells are far apart in it, that of its amount."""
    cells = [cell for cell in (*item.cells, *item.texts) if cell.page == page.number]
    start, end = min(cell.start for cell in cells), max(cell.end for cell in cells)
    if end - start > MAX_QUOTE_CHARACTERS:
        start, end = item.cells[0].start, item.cells[0].end
    return quoted(page, start, end)
