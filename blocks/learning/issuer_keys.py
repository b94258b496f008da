"""What identifies the business that issued a document: its VAT id, IBAN, registration number, phone, domain and name.

Keys are found by their form and kept as digests, so that they can be looked up and not read. The recipient's keys stand
on a document as well. So no single key decides: kinds of keys that agree are weighed against kinds that contradict.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from blocks.reader.lexicon import plain
from blocks.records import Page
from blocks.values.typed_values import EMAIL, IBAN

Keys = Mapping[str, tuple[str, ...]]
"""The digests of a document's keys by kind."""

KEY_BYTES = 6
MAX_KEYS = 6
"""So many keys of a kind are kept, the first ones."""
MAX_CHARACTERS = 20_000
"""So much of a document's text is searched, half from its beginning and half from its end."""
NAME = "name"
NAME_LINES = 16
"""So many lines at the beginning may be the issuer's name, and as many at the end."""
MAX_NAME_CHARACTERS = 70
WEIGHTS = {"iban": 2, "vat": 2, "registration": 2, "domain": 2, "phone": 1, NAME: 3}
"""What a kind counts when two documents agree in it, and when they contradict each other."""
SAME_FROM = 2
"""From this weight on two documents have the same issuer."""

_VAT = re.compile(
    r"(?<![A-Z0-9])(?:AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|CHE|XI)"
    r"[ .-]?U?(?:[0-9A-Z][ .-]?){1,3}\d(?:[ .]?\d){5,9}(?![A-Z0-9])"
)
_TAX_NUMBER = re.compile(
    r"(?:gst|sst|vat|ust|tax|tva|siret|siren|abn|steuer|btw|mwst)[^\n\d]{0,24}(\d[\d\s/.-]{5,20}\d)", re.IGNORECASE
)
_REGISTRATION = re.compile(
    r"(?<![\w-])(\d{4,12}\s?-\s?[A-Z])(?!\w)|(?:hrb|hra|reg(?:istration)?\.?\s?n[or°]|roc|company\s?n[or°]|co\.?\s?n[or°])"
    r"[^\n\d]{0,12}(\d[\d\s-]{3,14}[A-Z\d])",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![^\W\d_])(?:tel|telefon|phone|fon|hotline|ph|fax|t)\b[^\n\d+(]{0,12}(\+?\(?\d[\d\s()./-]{5,18}\d)",
    re.IGNORECASE,
)
_DOMAIN = re.compile(r"(?:www\.|https?://(?:www\.)?)([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})", re.IGNORECASE)
_PUBLIC = frozenset(
    ("gmail", "googlemail", "yahoo", "hotmail", "outlook", "live", "gmx", "web", "t-online", "icloud", "aol", "freenet")
)
"""Mail services whose domain says nothing of who writes."""
_CELL_GAP = re.compile(r"\s{2,}|\t")
PHONE_DIGITS = 7
"""The last digits of a number, which are the same with and without its country's code."""


def issuer_keys(pages: Sequence[Page], names: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """The keys of a document. `names` are the issuer's names where a person stated them; else any line at its head or
    foot may be one.
    """
    text = "\n".join(page.text for page in pages)
    if len(text) > MAX_CHARACTERS:
        text = f"{text[: MAX_CHARACTERS // 2]}\n{text[-MAX_CHARACTERS // 2 :]}"
    ibans = [re.sub(r"\W", "", match[0])[:22] for match in IBAN.finditer(text)]
    text = IBAN.sub(" ", text)  # the figures of an account number look like other keys
    found = {
        "iban": ibans,
        "vat": [_digits(match[0]) for match in _VAT.finditer(text)]
        + [_digits(match[1]) for match in _TAX_NUMBER.finditer(text)],
        "registration": [_digits(match[1] or match[2]) for match in _REGISTRATION.finditer(text)],
        "phone": [_digits(match[1])[-PHONE_DIGITS:] for match in _PHONE.finditer(text)],
        "domain": _domains(text),
        NAME: [plain(name) for name in names] or list(_possible_names(text)),
    }
    return {kind: _digests(kind, values) for kind, values in found.items() if any(values)}


def agreement(mine: Keys, others: Keys, ignored: frozenset[str] = frozenset()) -> int:
    """How much two documents' keys speak for the same issuer: kinds that agree less kinds that contradict.

    `ignored` are keys that many issuers' documents bear, such as the recipient's. Names only agree: what is not a name
    is among them.
    """
    total = 0
    for kind, weight in WEIGHTS.items():
        own, other = set(mine.get(kind, ())) - ignored, set(others.get(kind, ())) - ignored
        if own & other:
            total += weight
        elif own and other and kind != NAME:
            total -= weight
    return total


def _digits(text: str) -> str:
    return re.sub(r"\W", "", text).upper()


def _domains(text: str) -> list[str]:
    mails = [match[0].rpartition("@")[2] for match in EMAIL.finditer(text)]
    hosts = [*mails, *(match[1] for match in _DOMAIN.finditer(text))]
    return [host.lower() for host in hosts if host.lower().split(".")[0] not in _PUBLIC]


def _possible_names(text: str) -> Iterable[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    ends = lines if len(lines) <= 2 * NAME_LINES else [*lines[:NAME_LINES], *lines[-NAME_LINES:]]
    for line in ends:
        for cell in _CELL_GAP.split(line.strip()):
            if 2 < len(cell) <= MAX_NAME_CHARACTERS and any(c.isalpha() for c in cell):
                yield plain(cell)


def _digests(kind: str, values: Sequence[str]) -> tuple[str, ...]:
    distinct = list(dict.fromkeys(value for value in values if value))
    kept = distinct if kind == NAME else distinct[:MAX_KEYS]
    return tuple(blake2b(f"{kind}:{value}".encode(), digest_size=KEY_BYTES).hexdigest() for value in kept)
