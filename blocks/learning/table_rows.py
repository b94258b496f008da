"""Tables row by row: which rows that were read are which rows of the label."""

from collections.abc import Sequence

from pydantic import JsonValue

from blocks.document_types.schema import DocumentField
from blocks.learning.traces import is_equal, is_equal_row
from blocks.records import Record


class RowCounts(Record):
    """Rows of tables. `right` and `wrong` were read, in every column or not; `missing` are those of labels that were
    not read, `invented` those that were read and are in no label.

    Rows of one document are right or wrong together, so there is no interval.
    """

    right: int = 0
    wrong: int = 0
    missing: int = 0
    invented: int = 0

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(
            right=self.right + other.right,
            wrong=self.wrong + other.wrong,
            missing=self.missing + other.missing,
            invented=self.invented + other.invented,
        )


def count_rows(table: DocumentField, read: Sequence[JsonValue], label: Sequence[JsonValue]) -> RowCounts:
    """The rows of one document's table against its label.

    Rows are paired in their order, so that as many cells as possible are equal (Needleman and Wunsch, Journal of
    Molecular Biology 48, 1970); rows without an equal cell are no pair. Takes the time of the rows that differ,
    squared: equal rows at both ends are paired at once, which no other pairing beats.
    """
    start, ends = 0, (len(read), len(label))
    while start < min(ends) and is_equal_row(table, read[start], label[start]):
        start += 1
    while start < min(ends) and is_equal_row(table, read[ends[0] - 1], label[ends[1] - 1]):
        ends = (ends[0] - 1, ends[1] - 1)
    found, wanted = read[start : ends[0]], label[start : ends[1]]
    scores = [[_score(table, row, other) for other in wanted] for row in found]
    pairs = _pairs(scores)
    right = sum(is_equal_row(table, found[row], wanted[other]) for row, other in pairs)
    return RowCounts(
        right=right + len(read) - len(found),
        wrong=len(pairs) - right,
        missing=len(wanted) - len(pairs),
        invented=len(found) - len(pairs),
    )


def _score(table: DocumentField, row: JsonValue, other: JsonValue) -> int:
    """The equal cells of two rows that are not empty, and one more where the rows are equal."""
    if not isinstance(row, dict) or not isinstance(other, dict):
        return int(row == other)
    equal = sum(
        row.get(name) is not None and is_equal(column, row.get(name), other.get(name))
        for name, column in table.columns.items()
    )
    return equal + is_equal_row(table, row, other)


def _pairs(scores: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The pairs of a row and a column, both rising, whose scores add up to the most; each scores over 0."""
    width = len(scores[0]) if scores else 0
    best = [[0] * (width + 1) for _ in range(len(scores) + 1)]
    for row in range(len(scores) - 1, -1, -1):
        for column in range(width - 1, -1, -1):
            paired = best[row + 1][column + 1] + scores[row][column]
            best[row][column] = max(paired, best[row + 1][column], best[row][column + 1])
    pairs = []
    row = column = 0
    while row < len(scores) and column < width:
        paired = best[row + 1][column + 1] + scores[row][column]
        if scores[row][column] and best[row][column] == paired:
            pairs.append((row, column))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
    return pairs
