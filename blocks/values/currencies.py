"""Currencies as documents write them: codes, signs, signs with the letters of a country (A$), names in use.

A bare dollar, yen or crown sign has several meanings; `meanings_of` gives them, the usual one first.
"""

import re
import unicodedata
from functools import lru_cache

from blocks.values.errors import InvalidValue

CURRENCY_SIGNS = {
    "€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₺": "TRY", "₩": "KRW", "฿": "THB",
    "₫": "VND", "₱": "PHP", "₴": "UAH", "US$": "USD", "S$": "SGD", "A$": "AUD", "C$": "CAD", "HK$": "HKD", "R$": "BRL",
    "AU$": "AUD", "CA$": "CAD", "CDN$": "CAD", "CAN$": "CAD", "CAD$": "CAD", "AUD$": "AUD", "NZD$": "NZD",
    "USD$": "USD", "SGD$": "SGD", "HKD$": "HKD",
    "NZ$": "NZD", "SG$": "SGD", "MX$": "MXN", "MXN$": "MXN", "MEX$": "MXN", "NT$": "TWD",
    "TT$": "TTD", "BB$": "BBD", "RD$": "DOP", "FJ$": "FJD", "J$": "JMD", "CN¥": "CNY", "JP¥": "JPY", "RMB": "CNY",
    "RM": "MYR", "RS": "INR", "RP": "IDR", "ZŁ": "PLN", "KČ": "CZK", "FT": "HUF", "SFR": "CHF", "FR": "CHF",
    "EURO": "EUR", "EUROS": "EUR", "DOLLAR": "USD", "DOLLARS": "USD", "POUND": "GBP", "POUNDS": "GBP",
    "RINGGIT": "MYR", "FRANKEN": "CHF", "RUPEES": "INR",
}  # fmt: skip
MEANINGS = {
    "$": {"US": "USD", "CA": "CAD", "AU": "AUD", "NZ": "NZD", "SG": "SGD", "HK": "HKD", "MX": "MXN", "TW": "TWD"},
    "¥": {"JP": "JPY", "CN": "CNY"},
}
"""What a sign means in the countries that use it, the usual meaning first."""
CURRENCY = r"(?:[A-Za-z]{0,3}[$¥]|[€£₹₽₺₩฿₫₱₴]|[A-Za-zŁłČč]{2,8}\.?)"
"""A regular expression of what may be a currency; `is_currency_word` decides."""
WORDS = frozenset(sign for sign in CURRENCY_SIGNS if sign.isalpha())


@lru_cache(maxsize=1)
def currency_codes() -> frozenset[str]:
    """The ISO 4217 codes, by babel."""
    from babel.numbers import list_currencies

    return frozenset(list_currencies())


def parse_currency(text: str) -> str:
    """The ISO 4217 code of a code, a sign or a name in use (``€``, ``RM``, ``euros``). Raises `InvalidValue`."""
    token = " ".join(text.split()).strip(".:;,()[] ").upper()
    code = CURRENCY_SIGNS.get(token, token)
    if len(code) == 3 and code in currency_codes():
        return code
    raise InvalidValue(text, "currency")


@lru_cache(maxsize=4096)
def is_currency_word(word: str) -> bool:
    """Whether a word or sign is a currency; a code must be in capitals."""
    token = word.strip(". ").upper()
    return token in CURRENCY_SIGNS or (len(token) == 3 and token in currency_codes() and word[:3].isupper())


def without_currency(text: str) -> str:
    """An amount's text without its currency. Raises `InvalidValue` where it holds other words."""
    for token in re.findall(r"[^\W\d_]*[$¥]|[€£₹₽₺₩฿₫₱₴]|[^\W\d_]+\.?", text):
        upper = token.rstrip(".").upper()
        if upper not in CURRENCY_SIGNS and upper not in currency_codes():
            raise InvalidValue(text, "amount of money")
        text = text.replace(token, "", 1)
    return "".join(c for c in text if unicodedata.category(c) != "Sc")
