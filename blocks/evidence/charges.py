"""Rows that add to a sum and are neither its parts nor its total: shipping, levies, deposits, discounts, rounding.

A row is one only by its own words. Any other amount between a net amount and a total may be a tax that was not read,
and no sum may be excused by that. Payments and withheld taxes are none either: what is left of them is no total.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from blocks.evidence.conditions import folded
from blocks.records import Evidence, Page
from blocks.values.amounts import Number, numbers
from blocks.values.typed_values import squeeze

MAX_ROWS = 6
"""How many rows of this kind explain a sum; with more, chance would."""
MAX_LINES = 14
"""How many lines the parts of a sum and its total may stand apart."""
ROUNDING_BELOW = Decimal(1)
MAX_LABEL_CHARACTERS = 60
"""Longer texts are sentences."""
_ADDED = re.compile(
    r"\b(?:shipping|shipment|delivery|freight|carriage|postage|packing|packaging|handling|courier|p ?& ?p|s ?& ?h"
    r"|insurance|\w*(?:versand|fracht|porto|verpackung|liefer|transport|versicherung)(?:s?kosten|pauschale|spesen)?\w*"
    r"|frais|port|livraison|emballages?|assurance|portes|envio|seguro|embalaje|spedizione|trasporto|imballo|consegna"
    r"|verzend\w*|bezorg\w*|levy|eco|ecotax|ecotaxe|eco-?participation|deee|weee|raee|recupel|recycling|environmental"
    r"|\w*pfand|leergut|consignes?|deposit|statiegeld|emballagem|crv|service charge|service|servizio|servicio|bedienung"
    r"|cover charge|coperto|tips?|gratuity|trinkgeld|pourboire|propina|mancia|fooi|bollo|kurtaxe|ortstaxe|kurabgabe"
    r"|fees?|surcharge|supplement|recargo|supplemento|toeslag|\w*(?:gebuhr(?:en)?|zuschlag|aufschlag|pauschale))\b"
)
_DEDUCTED = re.compile(
    r"\b(?:discount|voucher|coupon|rebate|gift card|promo\w*|deposit|\w*(?:rabatt|skonto|nachlass|gutschein)"
    r"|remise|rabais|escompte|bon de reduction|reduction|descuento|cupon|vale|sconto|buono|korting(?:sbon)?"
    r"|waardebon)\b"
)
_ROUNDING = re.compile(
    r"\b(?:round(?:ing|ed)?(?: off| adj\w*)?|\w*rundung\w*|arrondis?|redondeo|arrotondamento|afronding)\b"
)
_NO_CHARGE = re.compile(
    r"\b(?:tax|taxes|vat|gst|pst|hst|qst|sst|mwst|ust|\w*steuer|tva|iva|igic|btw|moms|dph|ptu|irpf|cis|withh\w*"
    r"|retention|retenu?e|ritenuta|retencion|einbehalt\w*|incl\w*|inkl\w*|inbegriffen|davon|thereof|of which|dont"
    r"|compris\w*|subtotal|sub total|total|totaux|summe|zwischensumme|net(?:to)?|brutto|gross|free|frei|date|datum"
    r"|due)\b"
)


@dataclass(frozen=True, slots=True)
class Charge:
    """A row that adds to a sum: the amount with its printed sign, and all that it may add."""

    printed: Decimal
    added: tuple[Decimal, ...]


@lru_cache(maxsize=4096)
def charge_of(line: str, languages: tuple[str, ...]) -> Charge | None:
    """What a row adds to the sum that it stands in, by its words and its only amount; None for other rows."""
    found = [number for number in numbers(line, languages) if _is_amount(number, line)]
    if len(found) != 1 or len(line) > MAX_LABEL_CHARACTERS + found[0].last - found[0].first:
        return None
    number = found[0]
    label, behind = folded(line[: number.first]), line[number.last :]
    if sum(c.isalpha() for c in behind) > len(number.currency) or _NO_CHARGE.search(label):
        return None
    signed = [number.value * sign for sign in number.signs]
    if _ROUNDING.search(label):
        added = [number.value, -number.value] if number.value < ROUNDING_BELOW else []
    elif _DEDUCTED.search(label):
        added = [*signed, -number.value]
    elif _ADDED.search(label):
        added = signed
    else:
        return None
    return Charge(number.signed, tuple(dict.fromkeys(added))) if added and number.value else None


def between(
    parts: Sequence[Sequence[Evidence]], total: Sequence[Evidence], pages: Sequence[Page], languages: tuple[str, ...]
) -> tuple[Charge, ...]:
    """The rows of this kind between the parts of a sum and its total below them; none where they stand elsewhere.

    A total that is printed more than once is the one closest to its parts.
    """
    lines = [(page.number, squeeze(line)) for page in pages for line in page.text.splitlines() if line.strip()]
    quotes = [evidence for part in parts for evidence in part]
    nearest: tuple[int, int, set[int]] | None = None
    for end in sorted({at for evidence in total for at in _lines_with(evidence, lines)}):
        above = [[at for at in _lines_with(evidence, lines) if at < end] for evidence in quotes]
        if not above or not all(above):
            continue
        places = {max(found) for found in above}
        if nearest is None or end - min(places) < nearest[1] - nearest[0]:
            nearest = min(places), end, places
    if nearest is None or nearest[1] - nearest[0] > MAX_LINES:
        return ()
    start, end, places = nearest
    rows = [charge_of(lines[at][1], languages) for at in range(start + 1, end) if at not in places]
    return tuple(row for row in rows if row is not None)


def sums_with(charges: Sequence[Charge]) -> Iterator[Decimal]:
    """All that one or more of the rows may add together."""
    sums = {Decimal(0)}
    for charge in charges[:MAX_ROWS]:
        sums |= {known + added for known in sums for added in charge.added}
    yield from sorted(sums)


def _lines_with(evidence: Evidence, lines: Sequence[tuple[int, str]]) -> list[int]:
    """The lines of a page that have a quote, which is no piece of a longer number."""
    quote = re.compile(rf"(?<![\d.,]){re.escape(squeeze(evidence.quote))}(?!\d|[.,]\d)")
    return [at for at, (page, line) in enumerate(lines) if page == evidence.page and quote.search(line)]


def _is_amount(number: Number, line: str) -> bool:
    return (number.decimals == 2 or bool(number.currency)) and not line[number.end :].lstrip().startswith("%")
