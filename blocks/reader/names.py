"""Names of organisations and people that no label announces: letterheads, address blocks, sender lines.

A company's name opens the document or its block, often ends in a legal form (GmbH, SARL, Sdn Bhd), and stands above its
street and town. A letter repeats its sender in one line, with dots or dashes between the parts, above the recipient's
address.
"""

import re
from dataclasses import dataclass

from blocks.reader.candidates import Candidate
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
"""The widest gap below a line of a block, in heights of the line. It is wider where the left edges agree within 3
points, as in the address of a window envelope.
"""
FIRST_NAMES = 6
"""So many names at the top count though neither a legal form nor an address supports them."""
_HOUSE_NUMBER = re.compile(r"\s?\d{1,4}\s?[a-z]?(?:\s?[-/]\s?\d{1,4})?$")
_SENDER_PARTS = re.compile(r"\s+[●•·|∙▪*]\s*|\s*[●•·|∙▪]\s+|\s+[-–—]\s+")


@dataclass(frozen=True, slots=True)
class Name:
    """A possible name, the lines of its block below it, and what supports it. `place` counts the names above it."""

    candidate: Candidate
    lines: tuple[str, ...]
    has_legal_form: bool
    has_trade_word: bool
    has_address: bool
    is_sender_line: bool = False
    place: int = 0


def find_names(rows: tuple[Row, ...], skip: frozenset[tuple[int, int]] = frozenset()) -> list[Name]:
    """Every line that looks like a name and has a legal form, an address below it, or a place at the top.

    `skip` holds (row, start) of cells that are labels.
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
            name = name_with_block(cell, rows, place)
            has_town = any(POSTCODE_LINE.search(line) for line in name.lines[:2])
            if has_town and _HOUSE_NUMBER.search(name.candidate.value):
                continue
            if name.has_legal_form or name.has_trade_word or name.has_address or place < FIRST_NAMES:
                names.append(name)
            place += 1
    return names


def name_in(cell: Cell, text: str, start: int = 0) -> Candidate:
    """The cleaned name of `text`, which stands in a cell at `start` or after it."""
    value = clean_name(text)
    at = max(cell.text.find(value, start), 0)
    return Candidate(cell, at, at + len(value), value)


def name_with_block(cell: Cell, rows: tuple[Row, ...], place: int) -> Name:
    """The name that begins in a cell, with the lines of its block."""
    below = cells_below(cell, rows, BLOCK_LINES)
    first = name_in(cell, cell.text)
    value, more, used = first.value, list[Cell](), 0
    for following in below[:2]:
        if has_legal_form(value) or not _goes_on(value, following.text):
            break
        used += 1
        if rest := clean_name(following.text):
            value = f"{value} {rest}"
            more.append(following)
    lines = _own_lines(tuple(line.text for line in below[used:]))
    return Name(
        Candidate(cell, first.start, first.end, value, more=tuple(more)),
        lines,
        has_legal_form=has_legal_form(value),
        has_trade_word=LEGAL_FORM.search(value) is not None,
        has_address=any(is_address(line) for line in lines[:4]),
        place=place,
    )


def _sender_line(cell: Cell) -> Name | None:
    parts = _SENDER_PARTS.split(cell.text)
    if len(parts) < 3 or not looks_like_name(parts[0]) or not POSTCODE_LINE.search(" ".join(parts[1:])):
        return None
    return _sender(cell, parts[0], (cell.text,)) if clean_name(parts[0]) in cell.text else None


def _sender_cells(row: Row, at: int, taken: set[int]) -> Name | None:
    """A sender line whose dots OCR read as letters: name, street and town side by side. `taken` gets their places."""
    cell = row.cells[at]
    if cell.box is None or not looks_like_name(cell.text):
        return None
    near = [at]
    for other in range(at + 1, len(row.cells)):
        box, last = row.cells[other].box, row.cells[near[-1]].box
        if box is None or last is None:
            break
        if box[0] - last[2] > SENDER_GAP_HEIGHTS * max(box[3] - box[1], last[3] - last[1]):
            break
        near.append(other)
        if POSTCODE_LINE.search(row.cells[other].text):
            break
    texts = tuple(row.cells[place].text for place in near)
    words = [text for text in texts if len(text) > 1]
    if len(words) < 3 or not any(c.isdigit() for c in words[1]) or not POSTCODE_LINE.search(words[-1]):
        return None
    taken.update(near)
    return _sender(cell, cell.text, texts)


def _sender(cell: Cell, text: str, lines: tuple[str, ...]) -> Name:
    name = name_in(cell, text)
    is_legal = has_legal_form(name.value)
    return Name(name, lines, is_legal, has_trade_word=False, has_address=True, is_sender_line=True)


def _goes_on(name: str, following: str) -> bool:
    """Whether the next line belongs to a name: a legal form by itself or first, or the rest of an open bracket."""
    if name.count("(") > name.count(")"):
        return ")" in following and looks_like_name(following)
    if is_legal_form(following):
        return True
    begins_with_form = LEGAL_FORM.match(following.strip()) is not None
    return (begins_with_form or name.endswith(("&", "-", "+"))) and looks_like_name(following)


def _own_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of a name's own block: a sender line begins another, and after the town so does the next name."""
    has_town = False
    for at, line in enumerate(lines):
        is_town = POSTCODE_LINE.search(line) is not None
        is_sender = is_town and len(_SENDER_PARTS.split(line)) >= 3
        if is_sender or (has_town and looks_like_name(line) and not is_contact(line)):
            return lines[:at]
        has_town = has_town or is_town
    return lines


def cells_below(cell: Cell, rows: tuple[Row, ...], limit: int) -> list[Cell]:
    """The cells of the same column under a cell, nearest first, until a wide gap."""
    found: list[Cell] = []
    last = cell
    for row in rows[cell.row + 1 : cell.row + 1 + limit * 2]:
        if row.page != cell.page or len(found) == limit:
            break
        below = row.cells[0] if cell.box is None else next((c for c in row.cells if _is_next_line(c, cell, last)), None)
        if below is not None:
            found.append(below)
            last = below
    return found


def _is_next_line(other: Cell, first: Cell, last: Cell) -> bool:
    """Whether a cell is the next line of the block that begins with `first` and so far ends with `last`."""
    if other.box is None or first.box is None or last.box is None:
        return False
    height, shift = max(last.box[3] - last.box[1], 1.0), abs(other.box[0] - first.box[0])
    is_aligned = overlap(first.box, other.box) > 0.3 and shift < 6 * height
    allowed = ALIGNED_GAP_HEIGHTS if shift <= ALIGNED_WITHIN else LINE_GAP_HEIGHTS
    return is_aligned and other.box[1] - last.box[3] < allowed * height
