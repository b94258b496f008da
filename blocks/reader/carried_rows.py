"""Rows that carry the sum of a table from one page to the next: they are no rows of their own."""

import re
from collections.abc import Sequence
from decimal import Decimal

from blocks.reader.lexicon import plain
from blocks.reader.table_rows import Item

_CARRIED = re.compile(
    r"(?:sub)?(?:total|balance|amount|sum|betrag|summe|zwischensumme|montant|totale|importe)?"
    r"(?:carriedforward|carriedover|carryforward|broughtforward|broughtover|bringforward|carriedtonextpage|cfwd|bfwd"
    r"|u(?:e)?bertrag|zwischenu(?:e)?bertrag|seitenu(?:e)?bertrag|seitensumme|areporter|reportdelapage|reportpage"
    r"|sumaysigue|sumaysiguen|sumaanterior|totalanterior|sumayarrastre|ariportare|dariportare|riportodapagina|pagetotal"
    r"|pagesubtotal|tetransporteren|doprzeniesienia|zprzeniesienia)(?!\w*(?:gebu|recht|ung))"
)
_SHORT = re.compile(r"\s*(?:balance\s+)?[bc]/(?:f|d|fwd)\b", re.IGNORECASE)
"""The short forms: "B/F", "c/d"."""
_CARRIED_ALONE = frozenset({"report", "riporto", "transport", "arrastre"})
"""What is another word as well: such a row is one only if its amount is the sum of those before it."""


def is_carried(text: str) -> bool:
    """Whether a row of a table says by its first words that it carries a sum."""
    return _SHORT.match(text) is not None or _CARRIED.match(plain(text)) is not None


def without_carried(items: Sequence[Item], name: str | None, amount: str | None) -> list[Item]:
    """The rows without those that repeat the sum of the rows before them under a word for it."""
    kept: list[Item] = []
    for item in items:
        text, value = item.values.get(name or "", ""), item.values.get(amount or "", "0")
        if plain(text) in _CARRIED_ALONE and kept:
            before = sum((Decimal(other.values[amount]) for other in kept if amount in other.values), Decimal(0))
            if before == Decimal(value):
                continue
        kept.append(item)
    return kept
