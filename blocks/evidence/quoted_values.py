"""Whether a quote has an amount, a telephone number, a code or a text.

A piece of something longer does not count: 345 in 12345, "an" in "Meridian", 20 in 2024-11-20.
"""

import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from functools import lru_cache

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.values.amounts import dated, numbers, parse_money
from blocks.values.currencies import CURRENCY_SIGNS, MEANINGS, parse_currency
from blocks.values.errors import InvalidValue
from blocks.values.typed_values import fold, parse_iban, parse_phone

MIN_FUZZY_LETTERS = 8
MIN_FUZZY_RATIO = 90.0
"""The similarity (rapidfuzz ratio, of 100) from which on the letters of words are those of a text."""
_PHONE = re.compile(r"\+?[\d(][\d \u00a0\u202f().\u2010\u2011\u2013-]*\d")
_CURRENCY = re.compile(r"[^\W\d_]+[$¥]?|[^\w\s]")
_NAME_SIGNS = re.compile(r"(?<=[^\W\d_])(?:\+{1,2}|#)(?!\w)")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Letters of scripts that put no blanks around words (Thai, Lao, Khmer, Chinese, Japanese) or glue endings (Korean)."""
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def has_number(
    quote: str, value: str, languages: tuple[str, ...], *, beside: Collection[Decimal] = (), is_integer: bool = False
) -> bool:
    """Whether a number of `quote` is `value`, a decimal string. An integer may also be a date's year.

    `beside` are the other numbers of a table's row. Where they have a part of "2 150,00", those are two numbers.
    """
    try:
        wanted = parse_money(value, ("en",))
    except InvalidValue:
        return False
    for number in numbers(quote, languages):
        if any(number.value * sign == wanted for sign in number.signs):
            return True
        parts = [part.value for part in number.parts]
        if parts and parts[0] in beside and wanted in parts:
            return True
        if parts and parts[-1] in beside and wanted == parts[0]:
            return True
    return is_integer and any(int(year) == wanted for year in _years(quote, languages))


def _years(quote: str, languages: tuple[str, ...]) -> Iterator[str]:
    for start, end in dated(quote, languages):
        yield from _YEAR.findall(quote[start:end])


def has_phone(quote: str, value: str, languages: tuple[str, ...]) -> bool:
    """Whether a telephone number of `quote` is `value` (E.164): its complete national number.

    Where the quote names a country, it must be the value's.
    """
    import phonenumbers

    try:
        if parse_phone(quote, languages) == value:
            return True
    except InvalidValue:
        pass  # the quote may hold more than the number; its parts decide
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return False
    national, country = phonenumbers.national_significant_number(number), str(number.country_code)
    international = {country + national, f"{country}0{national}"}
    local = {national, f"0{national}", *international, *(f"{out}{country}{national}" for out in ("00", "011"))}
    for match in _PHONE.finditer(quote):
        if re.search(r"\w\Z", quote[: match.start()]):
            continue
        if digits(match[0]) in (international if match[0].startswith("+") else local):
            return True
    return False


def has_iban(quote: str, value: str) -> bool:
    """Whether words of `quote` are the IBAN, whose checksum must be right."""
    try:
        return parse_iban(value) == value and _has_words(quote, value)
    except InvalidValue:
        return False


def has_currency(quote: str, value: str) -> bool:
    """Whether a word or sign of `quote` is the code, sign or name of the currency."""
    return any(_is_currency(quote, match, value) for match in _CURRENCY.finditer(quote))


def _is_currency(quote: str, match: re.Match[str], value: str) -> bool:
    """Whether a word or sign is the currency. "all" and "try" are codes only in capitals or beside a figure."""
    token = match[0]
    if value in MEANINGS.get(token, {}).values():
        return True
    try:
        if parse_currency(token) != value:
            return False
    except InvalidValue:
        return False
    is_word = token.isalpha() and len(token) <= 3
    is_sign = token.upper() in CURRENCY_SIGNS
    if not is_word or (token.isupper() and not is_sign) or token in {"RM", "Rs", "Rp", "RP", "zł", "Kč"}:
        return True
    if quote.strip(" .:()[]") == token:
        return True
    beside = re.search(r"\d\s?\Z", quote[: match.start()]) or re.match(r"[.:]?\s?\d", quote[match.end() :])
    return beside is not None


def has_text(quote: str, value: JsonValue) -> bool:
    """Whether words of `quote` are the text, case, accents, blanks and punctuation aside.

    A text of at least eight letters may differ from them in a few letters, never in a digit.
    """
    if _has_words(quote, str(value)):
        return True
    wanted, (there, borders) = letters(str(value)), _bordered(quote)
    if len(wanted) < MIN_FUZZY_LETTERS or wanted in there or digits(wanted) != digits(there):
        return False
    found = fuzz.partial_ratio_alignment(wanted, there, score_cutoff=MIN_FUZZY_RATIO)
    if found is None or found.dest_end <= found.dest_start:
        return False
    starts = {max(b for b in borders if b <= found.dest_start), min(b for b in borders if b >= found.dest_start)}
    ends = {max(b for b in borders if b <= found.dest_end), min(b for b in borders if b >= found.dest_end)}
    return any(fuzz.ratio(wanted, there[start:end]) >= MIN_FUZZY_RATIO for start in starts for end in ends)


def letters(text: str) -> str:
    """The letters and digits of a text in comparable form, with the signs of names such as C++ and C#."""
    return _bordered(text)[0]


@lru_cache(maxsize=4096)
def _bordered(text: str) -> tuple[str, frozenset[int]]:
    """The letters of a text, and the places among them where a word begins or ends."""
    kept: list[str] = []
    borders = {0}
    named = {place for match in _NAME_SIGNS.finditer(text) for place in range(*match.span())}
    for place, char in enumerate(text):
        folded = [c for c in fold(char) if c.isalnum() or place in named]
        if not folded and (char.isspace() or fold(char)):
            borders.add(len(kept))
        is_word = _UNSPACED.match(char) is not None
        borders.update({len(kept), len(kept) + len(folded)} if is_word else ())
        kept.extend(folded)
    borders.add(len(kept))
    return "".join(kept), frozenset(borders)


def _has_words(quote: str, value: str) -> bool:
    wanted, (there, borders) = letters(value), _bordered(quote)
    if not wanted:
        return False
    at = there.find(wanted)
    while at >= 0:
        if at in borders and at + len(wanted) in borders:
            return True
        at = there.find(wanted, at + 1)
    return False


def digits(text: str) -> str:
    """The digits of a text."""
    return "".join(c for c in text if c.isdigit())
