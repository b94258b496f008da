"""Charges that complete a sum: rows of shipping, levies, deposits, discounts, rounding between its parts and total.

What such a row is, `blocks/evidence/charges.py` says; the check of sums uses the same rule.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product

from blocks.evidence.charges import Charge, charge_of
from blocks.reader.candidates import Candidate
from blocks.reader.lines import Cell, Row
from blocks.values.notation import Notation

MAX_CHARGES, ROWS_ABOVE = 3, 12
"""How many charges complete a sum, and how many rows above its total they may stand."""


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """A row that adds to a sum; the cell has its amount."""

    row: int
    charge: Charge
    cell: Cell


@dataclass(frozen=True, slots=True)
class Extra:
    """What charges add together; `is_printed`: with the signs that are printed."""

    added: Decimal = Decimal(0)
    rows: tuple[ChargeRow, ...] = ()
    is_printed: bool = True

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells with the amounts."""
        return tuple(row.cell for row in self.rows)

    def is_between(self, values: Iterable[Candidate]) -> bool:
        """Whether the charges stand below the first of a sum's values and above the last, and are none of them."""
        used = [cell.row for value in values for cell in (value.cell, *value.more)]
        return all(min(used) < row.row < max(used) and row.row not in used for row in self.rows)

    def is_printed_before(self, value: Candidate) -> bool:
        """Whether there are charges, all above a value, with their signs."""
        return bool(self.rows) and self.is_printed and all(row.row < value.cell.row for row in self.rows)


NOTHING = Extra()


def charge_rows(rows: Sequence[Row], notation: Notation) -> tuple[ChargeRow, ...]:
    """The rows of a document that add to a sum."""
    found = ((row, charge_of(row.text, notation.numbers)) for row in rows)
    return tuple(ChargeRow(row.index, charge, row.cells[-1]) for row, charge in found if charge is not None)


def extras(charges: Sequence[ChargeRow], total_row: int) -> tuple[Extra, ...]:
    """What the charges above a total may add, one by one and together."""
    near = [row for row in charges if total_row - ROWS_ABOVE <= row.row < total_row][-MAX_CHARGES:]
    found: list[Extra] = []
    for count in range(1, len(near) + 1):
        for rows in combinations(near, count):
            for added in product(*(row.charge.added for row in rows)):
                printed = all(amount == row.charge.printed for amount, row in zip(added, rows, strict=True))
                found.append(Extra(sum(added, Decimal(0)), rows, printed))
    return tuple(found)
