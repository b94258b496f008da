"""Which country's habits a document follows, by its post codes, tax words, legal forms, currencies and countries.

The order of day and month, and what a bare dollar sign means, differ by country and hardly by language.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache

from blocks.values.typed_values import fold

STRONG, USUAL, WEAK = 2.0, 1.5, 0.7
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DC|DE|FL|GA|HI|IA|ID|IL|IN|KS|KY|LA|MA|MD|ME|MI|MN|MO|MS|MT|NC|ND|NE|NH|NJ|NM|NV|NY|OH|OK|OR|PA|RI|"
    "SC|SD|TN|TX|UT|VA|VT|WA|WI|WV|WY"
)
_CUES: tuple[tuple[str, float, re.Pattern[str]], ...] = tuple(
    (country, weight, re.compile(pattern))
    for country, weight, pattern in (
        ("US", STRONG, rf"\b(?:{_STATES})\.?,? \d{{5}}(?:-\d{{4}})?\b|\bEIN\b"),
        ("US", WEAK, r"\bUSD\b|US\$|\b[Ss]ales [Tt]ax\b|\b(?:Inc|LLC|Corp)\b"),
        ("US", WEAK, r"(?<![\w$])\$"),
        ("CA", STRONG, r"\b[ABCEGHJ-NPR-TVXY]\d[A-Z] ?\d[A-Z]\d\b|\b(?:HST|QST|TVQ|PST)\b"),
        ("CA", USUAL, r"\bCAD\b|\b(?:CDN|CA|C)\$"),
        ("GB", STRONG, r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b|\bGB ?\d{3} ?\d{4} ?\d{2}\b"),
        ("GB", USUAL, r"£|\bGBP\b"),
        ("AU", STRONG, r"\bABN\b|\bPty\b|\b(?:NSW|VIC|QLD|TAS|ACT) \d{4}\b"),
        ("AU", USUAL, r"\bAUD\b|\bAU?\$"),
        ("NZ", STRONG, r"\bNZBN\b"),
        ("NZ", USUAL, r"\bNZD\b|\bNZ\$"),
        ("SG", STRONG, r"\bPte\b|\bUEN\b"),
        ("SG", USUAL, r"\bSGD\b|\bSG?\$"),
        ("HK", USUAL, r"\bHKD\b|\bHK\$"),
        ("MX", USUAL, r"\bMXN\b|\bME?X\$|\bRFC\b"),
        ("TW", USUAL, r"\bTWD\b|\bNT\$"),
        ("MY", STRONG, r"(?i:\bsdn\b|\bbhd\b|\bs/b\b)"),
        ("MY", USUAL, r"\bRM(?![^\W\d_])|\bMYR\b|\bSST\b"),
        ("IN", STRONG, r"\bGSTIN\b|₹|\bINR\b"),
        ("CN", USUAL, r"\bCNY\b|\bRMB\b|\bCN¥"),
        ("JP", USUAL, r"\bJPY\b|\bJP¥"),
        ("CH", USUAL, r"\bCHF\b"),
        ("SE", USUAL, r"\bSEK\b"),
        ("EU", USUAL, r"€|\bEUR\b|\b(?:GmbH|MwSt|TVA|IVA|BTW)\b|\bUSt\b"),
    )
)
_WORD = re.compile(r"[^\W\d_]{3,}(?: [A-Z][^\W\d_]{3,})?")
_LANGUAGES = ("en", "de", "fr", "es", "it")


@lru_cache(maxsize=64)
def countries(texts: tuple[str, ...]) -> Mapping[str, float]:
    """How much speaks for each country, by its ISO 3166 code (EU for the countries of the euro)."""
    found: dict[str, float] = defaultdict(float)
    text = "\n".join(texts)
    for country, weight, pattern in _CUES:
        if pattern.search(text):
            found[country] += weight
    for country in _named(text):
        found[country] += USUAL
    return dict(found)


def _named(text: str) -> set[str]:
    names = _names()
    words = {word for match in _WORD.finditer(text) for word in (match[0], *match[0].split())}
    return {names[folded] for word in words if (folded := fold(word)) in names}


@lru_cache(maxsize=1)
def _names() -> Mapping[str, str]:
    from babel import Locale

    return {
        fold(name): code
        for language in reversed(_LANGUAGES)
        for code, name in Locale(language).territories.items()
        if len(code) == 2 and len(name) > 3
    }


@lru_cache(maxsize=64)
def short_date_order(country: str) -> str:
    """The order of day, month and year in a country's short dates, such as "dmy" (Unicode CLDR, by babel)."""
    from babel import Locale, UnknownLocaleError

    if country == "EU":
        return "dmy"
    try:
        pattern = Locale.parse(f"und_{country}").date_formats["short"].pattern.lower()
    except (UnknownLocaleError, ValueError):
        return "dmy"
    return "".join(sorted("dmy", key=pattern.find))


def likeliest(weights: Mapping[str, float], among: Sequence[str]) -> str | None:
    """The country with the most weight of `among`, None where none of them has any, or two have the same."""
    ranked = sorted(((weights.get(country, 0.0), country) for country in among), reverse=True)
    if not ranked or not ranked[0][0] or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]
