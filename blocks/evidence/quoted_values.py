"""What a quote says: whether an amount, a telephone number, a code or a text stands in it, whole.

A value that is only a piece of what is printed is not said: 345 in 12345, "an" in "Meridian", 20 in 2024-11-20.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from pydantic import JsonValue
from rapidfuzz import fuzz

from blocks.document_types.schema import DocumentField, FieldType
from blocks.values.dates import find_dates
from blocks.values.typed_values import (
    CURRENCY_SIGNS,
    InvalidValue,
    fold,
    parse_money,
    parse_number,
    parse_phone,
    typed_value,
)

SHORTEST_FUZZY_TEXT = 8
FUZZY_TEXT_AT = 90.0
"""Least similarity (rapidfuzz ratio, of 100) of a text's letters with those of as many whole words of the quote."""

_MINUS = "-\u2212\u2013\u2012"
_NUMBER = re.compile(
    r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f\u2009]\d{3})+(?:[.,]\d{1,5}(?![.,]?\d)|(?![\w%]|[.,]\d))"
    r"|(?<!\d)\d+(?:[.,]\d+|['’]\d{3}(?!\d))*|(?<![\w.,])[.,]\d+"
)
MOST_BEFORE = 12
"""How many characters before a number its sign and currency may take."""
_PARTED = re.compile(r"\d+(?: [.,]|[.,] )\d\d(?![\d.,])")
"""An amount with a blank beside its decimal sign, as OCR leaves one."""
_SIGN_BEFORE = re.compile(
    rf"(?P<open>^\s*|\s|[(:;=/|]|(?P<glued>[^\W\d_]))(?:[€$£¥₹]\s?)?(?P<minus>[{_MINUS}])(?P<gap>\s?)"
    r"(?:(?:[€$£¥₹]|[A-Za-z]{1,2}\$|[A-Z]{3}|RM|R[sp]\.?)\s?)?\Z"
)
_MINUS_AFTER = re.compile(rf"\s?(?:[€$£¥₹]\s?)?[{_MINUS}](?![{_MINUS}\w]|\s?\d)")
_CREDIT_AFTER = re.compile(r"\s?CR(?!\w)")
_PHONE = re.compile(r"\+?[\d(][\d \u00a0\u202f().\u2010\u2011\u2013-]*\d")
_CURRENCY = re.compile(r"[^\W\d_]+\$?|[^\w\s]")
_NAME_SIGNS = re.compile(r"(?<=[^\W\d_])(?:\+{1,2}|#)(?!\w)")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Letters of scripts that put no blanks around words (Thai, Lao, Khmer, Chinese, Japanese) or glue endings (Korean)."""
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text with the signs it may have: 1, -1 or both. `parts` are what it is where blanks part it."""

    value: Decimal
    signs: tuple[int, ...]
    parts: tuple[Decimal, ...] = ()


def says_number(
    quote: str, value: str, languages: tuple[str, ...], *, beside: Collection[Decimal] = (), is_integer: bool = False
) -> bool:
    """Whether a number of `quote` is `value`, a decimal string; a whole number may be a date's year.

    `beside` are the other numbers of a table's row: where they have the first group of "2 150,00", that is two numbers.
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
        if number.parts and wanted == number.parts[0] and number.parts[-1] in beside:
            return True
    return is_integer and any(int(year) == wanted for year in _years(quote, languages))


@lru_cache(maxsize=1024)
def numbers(quote: str, languages: tuple[str, ...]) -> tuple[Number, ...]:
    """The numbers of a text but those of its dates, each as `languages` write numbers."""
    text = _without_dates(quote, languages)
    found: list[Number] = []
    for match in (*_NUMBER.finditer(text), *_PARTED.finditer(text)):
        for start, written in _pieces(match[0], languages):
            value = parse_number(written, languages)
            at = match.start() + start
            split = written.split(" ") if match.re is _NUMBER else []
            parts = tuple(parse_number(one, languages) for one in split) if len(split) == 2 else ()
            found.append(Number(value, _signs(text, at, at + len(written)), parts))
    return tuple(found)


def _pieces(written: str, languages: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The whole where it is a number, else those of its pieces that are one."""
    try:
        parse_number(written, languages)
    except InvalidValue:
        for match in re.finditer(r"\d+", written):
            yield match.start(), match[0]
    else:
        yield 0, written


def _signs(text: str, start: int, end: int) -> tuple[int, ...]:
    """A minus counts where it touches the number or its currency.

    One that may be a dash as well, at the start of a line or glued to a word, leaves both signs, as brackets do.
    """
    first = max(start - MOST_BEFORE, 0)
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
        is_amount = re.search(r"[.,]\d\d\Z", text[start:end]) and rest[0] in _MINUS
        return (-1,) if is_amount else (1, -1)
    return (1,)


@lru_cache(maxsize=1024)
def _without_dates(quote: str, languages: tuple[str, ...]) -> str:
    text = quote
    for start, end in _dates(quote, languages):
        text = text[:start] + "\n" * (end - start) + text[end:]
    return text


def _dates(quote: str, languages: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the dates of a text stand; what begins or ends within a number with decimals is none."""
    if not any(c.isdigit() for c in quote):
        return
    for found in find_dates(quote, languages):
        is_cut = re.search(r"\d[.,]\Z", quote[: found.start]) or re.match(r"[.,]\d", quote[found.end :])
        if not is_cut:
            yield found.start, found.end


def _years(quote: str, languages: tuple[str, ...]) -> Iterator[str]:
    for start, end in _dates(quote, languages):
        yield from _YEAR.findall(quote[start:end])


def says_phone(quote: str, value: str, languages: tuple[str, ...]) -> bool:
    """Whether a telephone number of `quote` is `value` (E.164): its whole national number.

    The country is that of the quote where the quote names one; else it comes from elsewhere, and any is taken.
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
        digits = "".join(c for c in match[0] if c.isdigit())
        if digits in (international if match[0].startswith("+") else local):
            return True
    return False


def says_code(field: DocumentField, quote: str, value: str, languages: tuple[str, ...]) -> bool:
    """Whether a code stands in `quote` as a whole word, or a sign or name of it does."""
    if field.type is FieldType.CURRENCY:
        return any(_is_currency(field, quote, match, value, languages) for match in _CURRENCY.finditer(quote))
    try:
        return typed_value(field, value, languages) == value and _stands_whole(quote, value)
    except InvalidValue:
        return False


def _is_currency(
    field: DocumentField, quote: str, match: re.Match[str], value: str, languages: tuple[str, ...]
) -> bool:
    """Codes and short signs are in capitals, or beside a figure: "all" and "try" are words too."""
    token = match[0]
    try:
        if typed_value(field, token, languages) != value:
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


def says_text(quote: str, value: JsonValue) -> bool:
    """Whether whole words of `quote` are the text, case, accents, blanks and punctuation aside.

    A text of at least eight letters may differ from them in a few letters, never in a digit.
    """
    if _stands_whole(quote, str(value)):
        return True
    wanted, (there, borders) = letters(str(value)), _bordered(quote)
    if len(wanted) < SHORTEST_FUZZY_TEXT or wanted in there or _digits(wanted) != _digits(there):
        return False
    found = fuzz.partial_ratio_alignment(wanted, there, score_cutoff=FUZZY_TEXT_AT)
    if found is None or found.dest_end <= found.dest_start:
        return False
    starts = {max(b for b in borders if b <= found.dest_start), min(b for b in borders if b >= found.dest_start)}
    ends = {max(b for b in borders if b <= found.dest_end), min(b for b in borders if b >= found.dest_end)}
    return any(fuzz.ratio(wanted, there[start:end]) >= FUZZY_TEXT_AT for start in starts for end in ends)


def letters(text: str) -> str:
    """The letters and digits of a text as they are compared, with the signs that tell names apart (C, C++, C#)."""
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


def _stands_whole(quote: str, value: str) -> bool:
    wanted, (there, borders) = letters(value), _bordered(quote)
    if not wanted:
        return False
    at = there.find(wanted)
    while at >= 0:
        if at in borders and at + len(wanted) in borders:
            return True
        at = there.find(wanted, at + 1)
    return False


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())
