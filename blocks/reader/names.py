"""Names of organisations and people where no label announces them: letterheads, address blocks, sender lines.

How documents are laid out, in general: a company's name opens the document or its block, often ends in a legal form
(GmbH, SARL, Sdn Bhd), and stands above its street and town; a letter repeats its sender in one line with dots or
dashes over the window for the recipient's address.
"""

import re
from dataclasses import dataclass

from blocks.reader.lines import Cell, Row, overlap
from blocks.reader.name_shapes import (
    LEGAL_FORM,
    POSTCODE_LINE,
    clean_name,
    has_legal_form,
    is_address,
    is_contact,
    is_legal_form,
    looks_like_name,
)

BLOCK_LINES = 9
SENDER_GAP_HEIGHTS = 3.0
LINE_GAP_HEIGHTS, ALIGNED_GAP_HEIGHTS, ALIGNED_WITHIN = 1.8, 3.6, 3.0
"""How far below, in line heights, the next line of a block may stand; further where left edges agree within 3 points,
for a window envelope's address is set wide.
"""
_HOUSE_NUMBER = re.compile(r"\s?\d{1,4}\s?[a-z]?(?:\s?[-/]\s?\d{1,4})?$")
_SENDER_PARTS = re.compile(r"\s+[●•·|∙▪*]\s*|\s*[●•·|∙▪]\s+|\s+[-–—]\s+")


@dataclass(frozen=True, slots=True)
class Name:
    """A possible name: [start, end) of a cell, the cells that it goes on in, and what speaks for it."""

    cell: Cell
    start: int
    end: int
    value: str
    lines: tuple[str, ...]
    has_legal_form: bool
    has_trade_word: bool
    has_address: bool
    is_sender_line: bool = False
    place: int = 0
    more: tuple[Cell, ...] = ()


def find_names(rows: tuple[Row, ...], skip: frozenset[tuple[int, int]] = frozenset()) -> list[Name]:
    """Every line that could name someone and is backed by a legal form, an address below it, or its place at the top.

    `skip` holds (row, start) of cells that labels explain.
    """
    names: list[Name] = []
    place = 0
    for row in rows:
        parts_of_senders: set[int] = set()
        for at, cell in enumerate(row.cells):
            if (row.index, cell.start) in skip or at in parts_of_senders:
                continue
            sender = _sender_line(cell) or _sender_cells(row, at, parts_of_senders)
            if sender:
                names.append(sender)
                continue
            if not looks_like_name(cell.text):
                continue
            name = named(cell, rows, place)
            if _HOUSE_NUMBER.search(name.value) and any(POSTCODE_LINE.search(line) for line in name.lines[:2]):
                continue
            if name.has_legal_form or name.has_trade_word or name.has_address or place < 6:
                names.append(name)
            place += 1
    return names


def _sender_line(cell: Cell) -> Name | None:
    parts = _SENDER_PARTS.split(cell.text)
    if len(parts) < 3 or not looks_like_name(parts[0]) or not POSTCODE_LINE.search(" ".join(parts[1:])):
        return None
    value = clean_name(parts[0])
    start = cell.text.find(value)
    if start < 0:
        return None
    return Name(cell, start, start + len(value), value, (cell.text,), has_legal_form(value), False, True, True)


def _sender_cells(row: Row, at: int, taken: set[int]) -> Name | None:
    """A sender line whose dots OCR read as letters: name, street and town side by side. `taken` gets their places."""
    cell = row.cells[at]
    if cell.box is None or not looks_like_name(cell.text):
        return None
    near = [at]
    for other in range(at + 1, len(row.cells)):
        box, last = row.cells[other].box, row.cells[near[-1]].box
        if (
            box is None
            or last is None
            or box[0] - last[2] > SENDER_GAP_HEIGHTS * max(box[3] - box[1], last[3] - last[1])
        ):
            break
        near.append(other)
        if POSTCODE_LINE.search(row.cells[other].text):
            break
    texts = [row.cells[one].text for one in near]
    words = [text for text in texts if len(text) > 1]
    if len(words) < 3 or not any(c.isdigit() for c in words[1]) or not POSTCODE_LINE.search(words[-1]):
        return None
    taken.update(near)
    value = clean_name(cell.text)
    start = max(cell.text.find(value), 0)
    return Name(cell, start, start + len(value), value, tuple(texts), has_legal_form(value), False, True, True)


def _goes_on(name: str, following: str) -> bool:
    """Whether a name's second line follows: a legal form by itself or first, or the rest of an open bracket."""
    if name.count("(") > name.count(")"):
        return ")" in following and looks_like_name(following)
    starts = LEGAL_FORM.match(following.strip())
    is_form = is_legal_form(following) or (starts is not None and looks_like_name(following))
    return is_form or (name.endswith(("&", "-", "+")) and looks_like_name(following))


def named(cell: Cell, rows: tuple[Row, ...], place: int) -> Name:
    """The name that a cell begins, with what stands around it. `place` counts the names above it."""
    below = cells_below(cell, rows, BLOCK_LINES)
    lines = tuple(one.text for one in below)
    value, more = clean_name(cell.text), list[Cell]()
    start = max(cell.text.find(value), 0)
    end = start + len(value)
    is_legal = has_legal_form(value)
    if below and not is_legal:
        for following in below[:2]:
            if not _goes_on(value, following.text):
                break
            lines = lines[1:]
            if rest := clean_name(following.text):
                value = f"{value} {rest}"
                more.append(following)
            if has_legal_form(value):
                break
    is_trade = bool(LEGAL_FORM.search(value))
    lines = _own_lines(lines)
    has_address = any(is_address(line) for line in lines[:4])
    return Name(cell, start, end, value, lines, has_legal_form(value), is_trade, has_address, False, place, tuple(more))


def _own_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of a name's own block: a sender line begins another, and after the town so does the next name."""
    has_town = False
    for at, line in enumerate(lines):
        is_sender = len(_SENDER_PARTS.split(line)) >= 3 and POSTCODE_LINE.search(line) is not None
        if is_sender or (has_town and looks_like_name(line) and not is_contact(line)):
            return lines[:at]
        has_town = has_town or POSTCODE_LINE.search(line) is not None
    return lines


def cells_below(cell: Cell, rows: tuple[Row, ...], limit: int) -> list[Cell]:
    """The cells of the same column under a cell, nearest first, until a gap of more than two lines' height."""
    found: list[Cell] = []
    last = cell
    for row in rows[cell.row + 1 : cell.row + 1 + limit * 2]:
        if row.page != cell.page or len(found) == limit:
            break
        if cell.box is None:
            found.append(row.cells[0])
            continue
        for other in row.cells:
            if other.box is None or last.box is None:
                continue
            height = max(last.box[3] - last.box[1], 1.0)
            is_aligned = overlap(cell.box, other.box) > 0.3 and abs(other.box[0] - cell.box[0]) < 6 * height
            is_flush = abs(other.box[0] - cell.box[0]) <= ALIGNED_WITHIN
            allowed = ALIGNED_GAP_HEIGHTS if is_flush else LINE_GAP_HEIGHTS
            if is_aligned and other.box[1] - last.box[3] < allowed * height:
                found.append(other)
                last = other
                break
    return found
