"""A run of lines with labels, then a run of lines with their values, in text without boxes.

OCR that reads a receipt column by column yields "TOTAL / CASH / CHANGE" and then "48.10 / 50.20 / 2.10": the third
value belongs to the third label.
"""

import re

from blocks.reader.lexicon import Label
from blocks.reader.lines import Row

SAME_LENGTH, LONGER = 3.4, 1.6
"""Log odds of a label's value: where both runs are equally long, and where more values follow."""
MAX_RUN = 14
_DIGITS = re.compile(r"\d(?![\d.,]*\s?%)")
_VALUE = re.compile(
    r"\d{1,3}|\W*(?:[A-Z]{0,3}\s?)?[-(]?\d[\d.,' ]*[.,]\d{1,4}\)?-?(?:\s?[A-Z€$]{1,3})?\W*|\W*[.,]\d\d\W*"
)


def opposite_rows(rows: tuple[Row, ...], labels: dict[int, list[Label]]) -> dict[int, tuple[int, float]]:
    """By the row of a label: the row of its value, and the log odds of it.

    Only for runs of two labels or more: the value of a single label is simply below it.
    """
    found: dict[int, tuple[int, float]] = {}
    at = 0
    while at < len(rows):
        run = _label_run(rows, labels, at)
        if run < 2:
            at += max(run, 1)
            continue
        values = 0
        while at + run + values < len(rows) and values <= run and _is_value(rows[at + run + values]):
            values += 1
        skipped = _leading_words(labels, at, run, run - values) if values < run else 0
        if values >= run - skipped > 1:
            weight = SAME_LENGTH if values == run - skipped else LONGER
            found.update({at + skipped + i: (at + run + i, weight) for i in range(run - skipped)})
        at += run
    return found


def _leading_words(labels: dict[int, list[Label]], start: int, run: int, wanted: int) -> int:
    """How many rows at the beginning of a run are no labels, up to `wanted`."""
    count = 0
    while count < min(wanted, run) and not labels.get(start + count):
        count += 1
    return count


def _label_run(rows: tuple[Row, ...], labels: dict[int, list[Label]], start: int) -> int:
    length, known = 0, 0
    while start + length < len(rows) and length < MAX_RUN:
        row = rows[start + length]
        if row.top is not None or len(row.cells) > 1 or _is_value(row):
            break
        is_label = bool(labels.get(row.index))
        is_word = len(row.text.split()) <= 4 and not _DIGITS.search(row.text)
        if not is_label and not is_word:
            break
        known += is_label
        length += 1
    return length if known else 0


def _is_value(row: Row) -> bool:
    return row.top is None and _VALUE.fullmatch(row.text) is not None
