"""Numbers as documents of several languages write them: what a complete text is, and how results hold it.

`blocks/values/amounts.py` finds numbers in running text.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from blocks.values.errors import InvalidValue

MINUS_SIGNS = "-\u2212\u2013\u2012"
SPACES = " \u00a0\u202f\u2009\u2007\u2005\u2006\u2008\u200a"
"""Blanks that may group thousands: the plain one, and the narrow ones of Unicode."""
UNREADABLE = "?*\u25a1\u25a0\u25af\ufffd"
"""What stands for a figure that could not be read: a number beside it is a piece of a longer one."""
APOSTROPHES = "'\u2019\u2018\u02bc\u00b4`"
_GROUPED = re.compile(r"\d{1,3}(?:([.,])(?:\d{2}\1)*\d{3}(?:\1\d{3})*)?")
"""Digits in groups of three, or as in India of two before the last three, parted by one sign."""
_TWO_DECIMALS = {sign: re.compile(rf"\d{re.escape(sign)}\d\d(?![\d.,])") for sign in ",."}


def parse_number(text: str, languages: tuple[str, ...] = ("en",)) -> Decimal:
    """The number that the complete `text` is.

    Of two different separators the last parts the decimals. A separator that repeats groups thousands. A single
    separator before exactly three digits has its meaning in `languages` (Unicode CLDR, by babel), and groups thousands
    where they differ. Raises `InvalidValue`.
    """
    body = "".join(c for c in text if c not in SPACES and c not in APOSTROPHES and c != "\t").strip()
    negative = bool(re.match(rf"^\(.*\)$|^[{MINUS_SIGNS}]|.*[{MINUS_SIGNS}]$", body))
    body = body.strip("()" + MINUS_SIGNS + "+")
    if not re.fullmatch(r"\d*(?:[.,]\d+)*", body) or not any(c.isdigit() for c in body):
        raise InvalidValue(text, "number")
    separators = [c for c in body if c in ".,"]
    decimal = _decimal_separator(body, separators, languages)
    integer_part, _, digits = body.rpartition(decimal) if decimal else (body, "", "")
    if any(c in ".," for c in integer_part) and not _GROUPED.fullmatch(integer_part):
        raise InvalidValue(text, "number")
    value = Decimal("".join(c for c in integer_part if c.isdigit()) + (f".{digits}" if digits else ""))
    return -value if negative else value


def _decimal_separator(body: str, separators: list[str], languages: tuple[str, ...]) -> str | None:
    if not separators:
        return None
    last = separators[-1]
    if len(set(separators)) == 2:
        return last if separators.count(last) == 1 else None
    if len(separators) > 1:
        return None
    integer_part, digits = body.split(last)
    if len(digits) != 3 or integer_part in {"", "0"} or len(integer_part) > 3:
        return last
    is_decimal = any(decimal_symbol(language) == last for language in languages)
    return last if is_decimal and all(group_symbol(language) != last for language in languages) else None


@lru_cache(maxsize=64)
def decimal_symbol(language: str) -> str:
    """The sign before a number's decimals, by Unicode CLDR."""
    from babel.numbers import get_decimal_symbol

    return str(get_decimal_symbol(language.replace("-", "_")))


@lru_cache(maxsize=64)
def group_symbol(language: str) -> str:
    """The sign between a number's thousands, by Unicode CLDR."""
    from babel.numbers import get_group_symbol

    return str(get_group_symbol(language.replace("-", "_")))


def number_languages(texts: Sequence[str], languages: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `languages` that have the decimal sign of most amounts with two decimals in a document's pages.

    It decides what "5,000" is: in a document with "27,50" it is five.
    """
    commas, points = (sum(_two_decimals(text, symbol) for text in texts) for symbol in ",.")
    if commas == points:
        return languages
    symbol = "," if commas > points else "."
    return tuple(language for language in languages if decimal_symbol(language) == symbol) or languages


@lru_cache(maxsize=256)
def _two_decimals(text: str, symbol: str) -> int:
    return len(_TWO_DECIMALS[symbol].findall(text))


def parse_integer(text: str, languages: tuple[str, ...] = ("en",)) -> int:
    """A whole number. Raises `InvalidValue`, for fractions too."""
    value = parse_number(" ".join(text.split()), languages)
    if value != value.to_integral_value():
        raise InvalidValue(text, "whole number")
    return int(value)


def money_text(value: Decimal) -> str:
    """An amount as results hold it: a decimal string of two decimals, more only where they are not zero."""
    integer_part, _, digits = f"{value:f}".partition(".")
    return f"{integer_part}.{digits.rstrip('0').ljust(2, '0')}"


def number_text(value: Decimal) -> str:
    """A number as results hold it: a decimal string without zeros at its end."""
    plain = f"{value:f}"
    return (plain.rstrip("0").rstrip(".") or "0") if "." in plain else plain
