"""Whether a quote has an amount, a telephone number, a code or a text.

A piece of something longer does not count: 345 in 12345, "an" in "Meridian", 20 in 2024-11-20.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.values.dates import find_dates
from blocks.values.typed_values import (
    CURRENCY_SIGNS,
    MINUS_SIGNS,
    InvalidValue,
    fold,
    parse_currency,
    parse_iban,
    parse_money,
    parse_number,
    parse_phone,
)

MIN_FUZZY_LETTERS = 8
MIN_FUZZY_RATIO = 90.0
"""The similarity (rapidfuzz ratio, of 100) from which on the letters of words are those of a text."""
MAX_SIGN_CHARACTERS = 12
"""How many characters before a number its sign and currency may take."""

_NUMBER = re.compile(
    r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f\u2009]\d{3})+(?:[.,]\d{1,5}(?![.,]?\d)|(?![\w%]|[.,]\d))"
    r"|(?<!\d)\d+(?:[.,]\d+|['’]\d{3}(?!\d))*|(?<![\w.,])[.,]\d+"
)
_PARTED = re.compile(r"\d+(?: [.,]|[.,] )\d\d(?![\d.,])")
"""An amount with a blank beside its decimal sign, which OCR adds."""
_SIGN_BEFORE = re.compile(
    rf"(?P<open>^\s*|\s|[(:;=/|]|(?P<glued>[^\W\d_]))(?:[€$£¥₹]\s?)?(?P<minus>[{MINUS_SIGNS}])(?P<gap>\s?)"
    r"(?:(?:[€$£¥₹]|[A-Za-z]{1,2}\$|[A-Z]{3}|RM|R[sp]\.?)\s?)?\Z"
)
_MINUS_AFTER = re.compile(rf"\s?(?:[€$£¥₹]\s?)?[{MINUS_SIGNS}](?![{MINUS_SIGNS}\w]|\s?\d)")
_CREDIT_AFTER = re.compile(r"\s?CR(?!\w)")
_PHONE = re.compile(r"\+?[\d(][\d \u00a0\u202f().\u2010\u2011\u2013-]*\d")
_CURRENCY = re.compile(r"[^\W\d_]+\$?|[^\w\s]")
_NAME_SIGNS = re.compile(r"(?<=[^\W\d_])(?:\+{1,2}|#)(?!\w)")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Letters of scripts that put no blanks around words (Thai, Lao, Khmer, Chinese, Japanese) or glue endings (Korean)."""
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text with its possible signs: 1, -1 or both. `parts` are two numbers that it may be instead."""

    value: Decimal
    signs: tuple[int, ...]
    parts: tuple[Decimal, ...] = ()


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
        if number.parts and number.parts[0] in beside and wanted in number.parts:
            return True
        if number.parts and number.parts[-1] in beside and wanted == number.parts[0]:
            return True
    return is_integer and any(int(year) == wanted for year in _years(quote, languages))


@lru_cache(maxsize=1024)
def numbers(quote: str, languages: tuple[str, ...]) -> tuple[Number, ...]:
    """The numbers of a text as `languages` write them, but not those of its dates."""
    text = _without_dates(quote, languages)
    found: list[Number] = []
    for match in (*_NUMBER.finditer(text), *_PARTED.finditer(text)):
        for start, written in _pieces(match[0], languages):
            value = parse_number(written, languages)
            at = match.start() + start
            split = written.split(" ") if match.re is _NUMBER else []
            parts = tuple(parse_number(part, languages) for part in split) if len(split) == 2 else ()
            found.append(Number(value, _signs(text, at, at + len(written)), parts))
    return tuple(found)


def _pieces(written: str, languages: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The text and its place where it is a number, else its runs of digits."""
    try:
        parse_number(written, languages)
    except InvalidValue:
        for match in re.finditer(r"\d+", written):
            yield match.start(), match[0]
    else:
        yield 0, written


def _signs(text: str, start: int, end: int) -> tuple[int, ...]:
    """The possible signs of a number. A minus counts where it touches the number or its currency.

    Both signs are possible within brackets, and where a minus may be a dash: at the start of a line or behind a word.
    """
    first = max(start - MAX_SIGN_CHARACTERS, 0)
    before, rest = _SIGN_BEFORE.search(text[first:start]), text[end:]
    if text[max(start - 1, 0) : start] == "(" and rest.startswith(")"):
        return (1, -1)
    if before:
        if before["gap"]:
            line = text[: first + before.start("minus")].rpartition("\n")[2]
            return (1,) if line.strip(" €$£¥₹") else (1, -1)
        return (1, -1) if before["glued"] else (-1,)
    if _CREDIT_AFTER.match(rest):
        return (1, -1)
    if _MINUS_AFTER.match(rest):
        is_amount = re.search(r"[.,]\d\d\Z", text[start:end]) and rest[0] in MINUS_SIGNS
        return (-1,) if is_amount else (1, -1)
    return (1,)


@lru_cache(maxsize=1024)
def _without_dates(quote: str, languages: tuple[str, ...]) -> str:
    text = quote
    for start, end in _dates(quote, languages):
        text = text[:start] + "\n" * (end - start) + text[end:]
    return text


def _dates(quote: str, languages: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """The [start, end) of each date in a text; a date never begins or ends within a number with decimals."""
    if not any(c.isdigit() for c in quote):
        return
    for found in find_dates(quote, languages):
        if not re.search(r"\d[.,]\Z", quote[: found.start]) and not re.match(r"[.,]\d", quote[found.end :]):
            yield found.start, found.end


def _years(quote: str, languages: tuple[str, ...]) -> Iterator[str]:
    for start, end in _dates(quote, languages):
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
