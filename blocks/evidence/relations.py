"""Values that contradict each other: sums that do not add up, rates that do not give the tax.

A type says by its hints which of its values belong together (`sum_of`, `column_sum`, `share_of`, `remainder_of`).
Where a document's values do not, one of them is wrong, or the document is; a person must look, and sees both figures.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from blocks.document_types.schema import DocumentType
from blocks.evidence.charges import between, sums_with
from blocks.evidence.settlements import is_explained, paid_below
from blocks.records import Evidence, Page
from blocks.values.amounts import numbers
from blocks.values.notation import notation_of

WITHIN = Decimal("0.02")
"""How far a sum may be from its total: parts are rounded one by one."""
ROUNDED_TO = Decimal("0.05")
"""The step that totals are rounded to where there is no smaller coin."""
WITHIN_PER_ROW = Decimal("0.01")
"""How far a tax may be from basis times rate, for each row of a table: it may be rounded row by row."""
_RATE = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,3})?)\s?%")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Fields whose values contradict each other, and why, with the figures."""

    fields: tuple[str, ...]
    why: str


def contradictions(
    document_type: DocumentType,
    values: Mapping[str, JsonValue],
    evidence: Mapping[str, Sequence[Evidence]],
    pages: Sequence[Page],
) -> tuple[Contradiction, ...]:
    """Every contradiction among typed values. `evidence` says where each stands. Takes a millisecond of CPU."""
    return (
        *_sums(document_type, values, evidence, pages),
        *_column_sums(document_type, values, pages),
        *_shares(document_type, values, evidence, pages),
        *_remainders(document_type, values, evidence, pages),
    )


def _sums(
    document_type: DocumentType,
    values: Mapping[str, JsonValue],
    evidence: Mapping[str, Sequence[Evidence]],
    pages: Sequence[Page],
) -> Iterator[Contradiction]:
    """Totals that are not the sum of their parts, nor that with the charges and discounts printed between them."""
    for name, field in document_type.fields.items():
        total, parts = _decimal(values.get(name)), [_decimal(values.get(part)) for part in field.hints.sum_of]
        known = [part for part in parts if part is not None]
        if total is None or not parts or len(known) < len(parts):
            continue
        summed = sum(known, Decimal(0))
        if _is_near(summed, total):
            continue
        quotes = [evidence.get(part, ()) for part in field.hints.sum_of]
        languages = notation_of(tuple(page.text for page in pages), document_type.languages).numbers
        charges = between(quotes, evidence.get(name, ()), pages, languages)
        if not any(_is_near(summed + added, total) for added in sums_with(charges)):
            added = " + ".join(f"{part} {values[part]}" for part in field.hints.sum_of)
            why = f"{added} is {summed:f}, not {name} {total:f}"
            yield Contradiction((name, *field.hints.sum_of), why)


def _column_sums(
    document_type: DocumentType, values: Mapping[str, JsonValue], pages: Sequence[Page]
) -> Iterator[Contradiction]:
    """Tables whose column does not add up to its field, nor to any amount that the document prints instead.

    Rows may be gross, and a discount or a charge may stand between them and the total.
    """
    for name, field in document_type.fields.items():
        if field.hints.column_sum is None or (total := _decimal(values.get(name))) is None:
            continue
        table, _, column = field.hints.column_sum.partition(".")
        rows = values.get(table)
        cells = [_decimal(row.get(column)) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        known = [cell for cell in cells if cell is not None]
        if not known or len(known) < len(cells):
            continue
        summed = sum(known, Decimal(0))
        if not _is_near(summed, total) and not _is_explained(summed, total, document_type, values, pages):
            yield Contradiction((name, table), f"{table} add up to {summed:f}, not {name} {total:f}")


def _is_explained(
    summed: Decimal,
    total: Decimal,
    document_type: DocumentType,
    values: Mapping[str, JsonValue],
    pages: Sequence[Page],
) -> bool:
    """Whether the document prints the sum of the rows, or its difference from the total, as an amount of its own."""
    fields = {abs(value) for name in document_type.fields if (value := _decimal(values.get(name))) is not None}
    if abs(summed) in fields:
        return True
    languages = document_type.languages
    printed = {number.value for page in pages for line in page.text.splitlines() for number in numbers(line, languages)}
    return bool({abs(summed), abs(summed - total)} & (printed - fields))


def _shares(
    document_type: DocumentType,
    values: Mapping[str, JsonValue],
    evidence: Mapping[str, Sequence[Evidence]],
    pages: Sequence[Page],
) -> Iterator[Contradiction]:
    """Shares that are not the rate beside them, where the document has no other rate."""
    for name, field in document_type.fields.items():
        if field.hints.share_of is None:
            continue
        share, whole = _decimal(values.get(name)), _decimal(values.get(field.hints.share_of))
        rates = {match.replace(",", ".") for page in pages for match in _RATE.findall(page.text)}
        if share is None or not whole or len(rates) != 1 or not _has_rate_beside(evidence.get(name, ()), pages):
            continue
        rate = Decimal(rates.pop())
        due = (whole * rate / 100).quantize(Decimal("0.01"))
        rows = max((len(value) for value in values.values() if isinstance(value, list)), default=0)
        if abs(due - share) > WITHIN + WITHIN_PER_ROW * rows:
            why = f"{rate:f} % of {field.hints.share_of} {whole:f} is {due:f}, not {name} {share:f}"
            yield Contradiction((name, field.hints.share_of), why)


def _remainders(
    document_type: DocumentType,
    values: Mapping[str, JsonValue],
    evidence: Mapping[str, Sequence[Evidence]],
    pages: Sequence[Page],
) -> Iterator[Contradiction]:
    """What is due and differs from its total without a payment, a deposit, an earlier balance that is printed.

    So does a total that is taken for what is due, above a payment of a part of it.
    """
    for name, field in document_type.fields.items():
        whole = field.hints.remainder_of
        due, total = _decimal(values.get(name)), _decimal(values.get(whole)) if whole else None
        if whole is None or due is None or total is None:
            continue
        languages = notation_of(tuple(page.text for page in pages), document_type.languages).numbers
        if not _is_near(abs(due), abs(total)):
            if not is_explained(total, due, pages, languages):
                yield Contradiction((name, whole), f"{name} {due:f} is not {whole} {total:f}, and no row explains it")
            continue
        quotes = evidence.get(name, ())
        paid = (
            paid_below(total, quotes[0].quote, pages, languages) if quotes == evidence.get(whole) and quotes else None
        )
        if paid is not None:
            yield Contradiction((name,), f"{name} {due:f} is {whole}, but {paid:f} is printed as paid")


def _has_rate_beside(evidence: Sequence[Evidence], pages: Sequence[Page]) -> bool:
    """Whether a rate stands in a line with the quotes."""
    texts = {page.number: page.text for page in pages}
    lines = [line for quote in evidence for line in texts.get(quote.page, "").splitlines() if quote.quote in line]
    return any(_RATE.search(line) for line in lines)


def _is_near(summed: Decimal, total: Decimal) -> bool:
    difference = abs(summed - total)
    return difference <= WITHIN or (difference < ROUNDED_TO and not total % ROUNDED_TO)


def _decimal(value: JsonValue) -> Decimal | None:
    return Decimal(value) if isinstance(value, str) and re.fullmatch(r"-?\d+(?:\.\d+)?", value) else None
