"""Postal addresses: the lines below a label, or those between a name and its telephone or tax number."""

from collections.abc import Iterator

from blocks.document_types.schema import DocumentField
from blocks.reader import name_shapes, names
from blocks.reader.candidates import Candidate
from blocks.reader.lines import Cell
from blocks.reader.ranking import Place
from blocks.reader.sheet import Sheet

MAX_LINES = 6
LABELLED, UNLABELLED, WITH_POSTCODE = 2.5, -0.5, 1.2
"""Log odds of a block of address lines with and without a label, and what a line with a postcode adds."""


def places(sheet: Sheet, name: str, field: DocumentField) -> list[Place]:
    """The blocks of lines that could be the address. Commas join the lines of a value."""
    found: list[Place] = []
    for label, weight in sheet.weighed_labels(name):
        below = names.cells_below(label.cell, sheet.rows, MAX_LINES)
        tail = label.cell.text[label.end :].strip(" :")
        start = [_part(label.cell, tail)] if any(c.isalnum() for c in tail) else []
        block = start + [_part(cell, cell.text) for cell in _block(sheet, below)]
        if block:
            found.append(Place(_joined(block), weight + LABELLED + _postcode(block), is_labelled=True))
    return [*found, *_unlabelled(sheet, field)]


def _unlabelled(sheet: Sheet, field: DocumentField) -> Iterator[Place]:
    for row in sheet.rows:
        for cell in row.cells:
            if not _begins(cell.text) or _is_inside(sheet, cell):
                continue
            below = names.cells_below(cell, sheet.rows, MAX_LINES)
            block = [_part(line, line.text) for line in (cell, *_block(sheet, below))]
            share = row.index / max(len(sheet.rows), 1)
            top = 1.5 * (1.0 - 2.0 * share) if field.hints.position == "top" else 0.0
            yield Place(_joined(block), UNLABELLED + top + _postcode(block) + 0.3 * min(len(block) - 1, 3))


def _is_inside(sheet: Sheet, cell: Cell) -> bool:
    """Whether the line above is of the same block."""
    above = sheet.rows[cell.row - 1] if cell.row else None
    if above is None or above.page != cell.page:
        return False
    return any(_begins(other.text) and cell in names.cells_below(other, sheet.rows, 1) for other in above.cells)


def _begins(text: str) -> bool:
    return name_shapes.is_address(text) and not name_shapes.is_contact(text) and not name_shapes.looks_like_name(text)


def _block(sheet: Sheet, below: list[Cell]) -> list[Cell]:
    """The lines that are an address, with the town's name where it stands on a line of its own."""
    block: list[Cell] = []
    for cell in below:
        is_label = any(label.start <= 2 and label.cell is cell for label in sheet.labels.get(cell.row, ()))
        if is_label or name_shapes.is_contact(cell.text) or name_shapes.is_title(cell.text) or cell.text.endswith(":"):
            break
        block.append(cell)
    last = max((i for i, cell in enumerate(block) if name_shapes.is_address(cell.text)), default=-1)
    town = block[last + 1 : last + 2]
    is_town = bool(town) and last >= 0 and len(town[0].text.split()) <= 4 and not any(c.isdigit() for c in town[0].text)
    return block[: last + 2] if is_town else block[: last + 1]


def _part(cell: Cell, text: str) -> tuple[Cell, int, int]:
    stripped = text.strip(" ,;")
    start = max(cell.text.find(stripped), 0)
    return cell, start, start + len(stripped)


def _joined(block: list[tuple[Cell, int, int]]) -> Candidate:
    value = ", ".join(cell.text[start:end] for cell, start, end in block)
    cell, start, end = block[0]
    return Candidate(cell, start, end, value, 0.0, tuple(cell for cell, _, _ in block[1:]))


def _postcode(block: list[tuple[Cell, int, int]]) -> float:
    return WITH_POSTCODE if any(name_shapes.POSTCODE_LINE.search(cell.text) for cell, _, _ in block) else 0.0
