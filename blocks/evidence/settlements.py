"""Rows that part what is due from a total: payments, deposits, allowances, balances of earlier papers, withheld taxes.

What is due differs from the total only by what the document prints. A row counts by its own words, and neither one of
what is still to be paid ("Deposit due") nor one that depends on a condition does.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from blocks.evidence.charges import charge_of
from blocks.evidence.conditions import folded, is_conditional
from blocks.records import Page
from blocks.values.amounts import Number, numbers

MAX_ROWS = 8
"""How many rows of this kind explain a difference; with more, chance would."""
_DEDUCTED = re.compile(
    r"\b(?:paid|payments?|pre-?paid|pre-?payments?|deposits?|retainer|advances?|on account|received|credits?"
    r"|vouchers?|gift cards?"
    r"|allowances?|write-?off|discounts?|bezahlt|gezahlt|angezahlt|erhalten\w*|\w*zahlung(?:en)?|vorkasse|akonto"
    r"|a conto|abschlage?"
    r"|\w*gutschrift(?:en)?|\w*guthaben|\w*gutschein|\w*rabatt|nachlass|payes?|payees?|acomptes?|avances?"
    r"|regle(?:es?)?|reglements?|versements?"
    r"|encaisse\w*|arrhes|provision|avoirs?|remise|pagado|pagos?|anticipos?|abonos?|senal|pagato|acconti?"
    r"|acconto|pagamenti?"
    r"|caparra|versato|betaald|aanbetaling|voorschot|betaling(?:en)?"
    r"|withh\w*|retention|retenu?es?|ritenuta|retencion|\w*einbehalt\w*|quellensteuer|irpf|tds|cis)\b"
)
_PAID = re.compile(
    r"\b(?:deposit (?:paid|received)|(?:less|minus) deposit|(?:amount|already|total) paid"
    r"|paid (?:on|to date|by|already)|payments? received|anzahlung|bereits (?:ge|be)zahlt|abzuglich \w*zahlung"
    r"|acompte (?:verse|paye|recu|regle)|deja (?:paye|regle|verse)"
    r"|anticipo pagado|acconto (?:versato|pagato)|aanbetaling)\b"
    r"|^(?:paid|payments?|bezahlt|gezahlt|payee?|pagado|pagato|betaald)\W*(?:[a-z]{3}\W*)?$"
)
_SECTION = re.compile(
    r"(?:payments?|zahlungen|zahlungseingange?|paiements|reglements|pagos|pagamenti|betalingen)"
    r"(?: (?:received|made|history|details|recus?|effectues?))?\W*"
)
"""A heading above rows of payments that say only how each was paid."""
_ADDED = re.compile(
    r"\b(?:(?:previous|prior|opening|old) balance|balance (?:brought )?forward|brought forward|carried forward"
    r"|b/?f|arrears"
    r"|outstanding|overdue|past due|late fees?|interest|penalt(?:y|ies)|saldovortrag|vortrag|\w*saldo|ruckstand\w*"
    r"|\w*zinsen|mahngebuhr(?:en)?|saumnis\w*|solde (?:precedent|anterieur|reporte)|report|interets|penalites"
    r"|arriere\w*"
    r"|saldo (?:anterior|precedente)|interessi|mora|vorig saldo|achterstand)\b"
)
_STILL_TO_PAY = re.compile(
    r"\b(?:due|payable|to pay|to be paid|remaining|zu zahlen\w*|fallig\w*|zahlbar\w*|rest\w*|a payer|a regler"
    r"|a pagar|da pagare|te betalen)\b"
)
_SETTLED = re.compile(
    r"(?<!not )(?<!un)(?<!to be )(?<!be )(?<!when )(?<!if )\b(?:paid|settled|bezahlt|beglichen|acquittee?|payee?"
    r"|reglee?|pagad[oa]"
    r"|pagat[oa]|betaald|voldaan)\b"
)
_GAP = re.compile(r"\s{2,}|\t|\s*\|\s*")


def is_explained(total: Decimal, due: Decimal, pages: Sequence[Page], languages: tuple[str, ...]) -> bool:
    """Whether the rows of a document lead from its total to what is due, or it says that all is paid."""
    lines = [line for page in pages for line in page.text.splitlines() if line.strip()]
    if not due and any(_SETTLED.search(folded(line)) for line in lines):
        return True
    sums = {Decimal(0)}
    for options in list(dict.fromkeys(_steps(lines, languages)))[:MAX_ROWS]:
        sums |= {known + step for known in sums for step in options}
    wanted = abs(due) - abs(total)
    return any(abs(step - wanted) <= Decimal("0.02") for step in sums - {Decimal(0)})


def paid_below(total: Decimal, quote: str, pages: Sequence[Page], languages: tuple[str, ...]) -> Decimal | None:
    """A payment of a part of a total that is printed below the total's quote; None where there is none."""
    lines = [line for page in pages for line in page.text.splitlines() if line.strip()]
    below = itertools.dropwhile(lambda line: quote not in line, lines)
    for above, line in pairwise(below):
        for label, number in _labelled(above, line, languages):
            words = folded(label)
            is_paid = _PAID.search(words) and not _STILL_TO_PAY.search(words) and not is_conditional(label)
            if is_paid and 0 < number.value < abs(total):
                return number.value
    return None


def _steps(lines: Sequence[str], languages: tuple[str, ...]) -> Iterator[tuple[Decimal, ...]]:
    """What each row of this kind may add to the total."""
    is_section = False
    for above, line in pairwise(["", *lines]):
        if _SECTION.fullmatch(folded(line)):
            is_section = True
            continue
        for label, number in _labelled(above, line, languages):
            words = folded(label)
            is_section = is_section and not _STILL_TO_PAY.search(words)
            if not number.value or _STILL_TO_PAY.search(words) or is_conditional(label):
                continue
            if _ADDED.search(words):
                yield (number.value, -number.value) if -1 in number.signs else (number.value,)
            elif is_section or _DEDUCTED.search(words):
                yield (-number.value,)
            else:
                charge = charge_of(line, languages)
                if charge is not None:
                    yield charge.added


def _labelled(above: str, line: str, languages: tuple[str, ...]) -> Iterator[tuple[str, Number]]:
    """The amounts of a line, each with the text before it; those of a line of figures with what stands above them."""
    found = [number for number in numbers(line, languages) if _is_amount(number, line)]
    is_bare = sum(c.isalpha() for c in line) <= sum(len(number.currency) for number in found)
    if found and is_bare and above and not any(_is_amount(other, above) for other in numbers(above, languages)):
        cells, words = [text for text in _GAP.split(above.strip()) if text], above.split()
        headings = cells if len(cells) == len(found) else words
        if len(headings) == len(found):
            yield from zip(headings, found, strict=True)
        return
    start = 0
    for number in found:
        yield line[start : number.first], number
        start = number.last


def _is_amount(number: Number, line: str) -> bool:
    return (number.decimals > 1 or bool(number.currency)) and not line[number.end :].lstrip().startswith("%")
