"""What a line of text could be: a name, a person, part of an address, a contact line, a heading."""

import re
from functools import lru_cache

from blocks.values.dates import find_dates
from blocks.values.typed_values import fold, squeeze

MAX_NAME_WORDS, MAX_NAME_LETTERS = 7, 70
_LEGAL = (
    r"gmbh(?:\s?&\s?co\.?\s?kg)?|ag|kg|ohg|gbr|ug|e\.?\s?k\.?|e\.?\s?v\.?|mbh|kgaa|se|a\.?\s?g\.|s\.?a\.?r\.?l\.?|s\.?a\.?s\.?u?|"
    r"s\.?a\.?|eurl|sci|snc|s\.?p\.?a\.?|s\.?r\.?l\.?|b\.?v\.?|n\.?v\.?|ltd\.?|limited|plc|llp|llc|inc\.?|corp\.?|co\.?|"
    r"sdn\.?\s?b[hn]d\.?|s/b|bhd\.?|pvt\.?\s?ltd\.?|pte\.?\s?ltd\.?|oy|ab|a/s|aps|sp\.?\s?z\s?o\.?o\.?|s\.?l\.?|enterprise|trading|"
    r"restaurant|restoran|pharmacy|hardware|supermarket|hypermarket|store|stores|mart|cafe|bakery|kedai|perniagaan"
)
LEGAL_FORM = re.compile(rf"(?<![\w.])(?:{_LEGAL})(?![\w])", re.IGNORECASE)
_STRONG_LEGAL = re.compile(
    r"(?<![\w.])(?:gmbh|ag|kg|ohg|gbr|ug|mbh|sarl|sas|sa|eurl|b\.?v\.?|n\.?v\.?|ltd\.?|limited|plc|llc|inc\.?|corp\.?|sdn\.?\s?b[hn]d\.?|"
    r"s/b|bhd\.?|oy|ab|a\.\s?g\.?|s\.a\.(?:r\.l\.|s\.)?|s\.p\.a\.|s\.r\.l\.|e\.\s?k\.?|e\.\s?v\.?)(?!\w)",
    re.IGNORECASE,
)
_LEGAL_ONLY = re.compile(
    rf"(?:[\W_]*(?:(?<!\w)(?:{_LEGAL})(?!\w)|\([^()]{{1,20}}\)|(?<!\w)\d{{5,}}-\w))+[\W_]*", re.IGNORECASE
)
_REGISTRATION = re.compile(
    r"[\s,;:]*(?:[(\[](?=[^)\]]*\d)[\w\s./:-]*[)\]]?|(?:co\.?|company|reg\.?|roc|gst|business)\s*(?:reg|no|id|regn)\b.*|\b\d{5,}\s?-\s?[A-Z])\W*$",
    re.IGNORECASE,
)
POSTCODE_LINE = re.compile(
    r"(?:^|[\s,;●•·|-])(?:[A-Z]{1,2}[- ])?\d{4,6}\s+"
    r"(?!(?:HRS?|AM|PM|UHR|KWH|STK|PCS?|KG|QTY|NO)\b)[A-ZÄÖÜÉÈ][^\W\d_]{2,}|"
    r"\b[A-Z]{2}\s+\d{5}(?:-\d{4})?\b|\b\d{4}\s?[A-Z]{2}\s+[A-Z]|"
    r"\b[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b"
)
_STREET = re.compile(
    r"(?:stra(?:ss|\w)e|str\.?|weg|platz|allee|gasse|ring|damm|ufer)\s*\d|"
    r"^(?:no|lot|unit|blk|suite)\.?\s?\d[\w\s,&/-]{0,12}$|"
    r"\b(?:rue|avenue|boulevard|bd|chemin|route|place|allée|street|st\.?|road|rd\.?|ave|lane|drive|blvd|suite|floor|"
    r"jalan|jln|lorong|taman|lot|block|blok|kawasan|persiaran|plaza|lebuh)\b",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"\b(?:tel|telephone|phone|fon|fax|telefax|mobile|hotline|email|e-mail|www|https?|iban|bic|swift|siret|gst|sst|vat|tva|ust|uid|"
    r"reg(?:istration)?\s?no|co\.?\s?reg|roc\s?no|steuer|tax\s?(?:id|no))\b|@",
    re.IGNORECASE,
)
_NOT_A_NAME = re.compile(
    r"\b(?:invoice|receipt|rechnung|facture|quittung|beleg|kassenbon|bon|bill|cash|copy|page|seite|welcome|thank|date|datum|tel|time|"
    r"total|table|order|cashier|customer|kopie|original|duplicate|reprint|gutschrift|avoir|number|stylesheet|curriculum|vitae|resume|"
    r"version|slip|nr|nummer|details|address|adresse|contact|kontakt|qty|amount|description|stamp|member)\b",
    re.IGNORECASE,
)
_KEYED = re.compile(r"^[^\W\d_][\w .()/'-]{1,30}\s?:(?!//)")
_FIGURES = re.compile(r"\d[.,:/]\d|[\w-]+(?:nummer|datum)\b", re.IGNORECASE)
"""Amounts, dates, times, and German words for a number or a date: none is part of a name."""
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_SALUTATION = re.compile(
    r"^(?:herrn?|frau|firma|fa\.|mr\.?|mrs\.?|ms\.?|monsieur|madame|m\.|mme|attn:?|z\.\s?hd\.?|an)\s*$", re.IGNORECASE
)
_PERSON_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-])*\.?")
_PARTICLE = re.compile(r"de|du|van|von|der|den|zu|le|la|bin|binti|al|el|di|da|dos|y|e")


def is_legal_form(text: str) -> bool:
    """Whether a text is a legal form and nothing else."""
    return _LEGAL_ONLY.fullmatch(text) is not None


def has_legal_form(text: str) -> bool:
    """Whether a name holds a legal form, such as GmbH."""
    return _STRONG_LEGAL.search(text) is not None


def is_address(text: str) -> bool:
    """Whether a line reads as part of a postal address."""
    return bool(POSTCODE_LINE.search(text) or _STREET.search(text))


def is_contact(text: str) -> bool:
    """Whether a line holds a telephone, web, tax or bank reference."""
    return bool(_CONTACT.search(text))


def is_title(text: str) -> bool:
    """Whether a line has a word of titles, page numbers and table headers, which no name has."""
    return _NOT_A_NAME.search(text) is not None


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    from babel import Locale

    languages = ("en", "de", "fr", "nl", "it", "es")
    names = (name for language in languages for name in Locale(language).territories.values())
    return frozenset(fold(name) for name in names if len(name) > 2)


def ends_in_legal_form(text: str) -> bool:
    """Whether a line is a name that ends in a legal form."""
    name = clean_name(text)
    return looks_like_name(name) and any(match.end() >= len(name) - 1 for match in _STRONG_LEGAL.finditer(name))


def clean_name(text: str) -> str:
    """A name without the registration number, brackets and dashes around it."""
    name = squeeze(text)
    for _ in range(2):
        name = _REGISTRATION.sub("", name)
    legal = list(_STRONG_LEGAL.finditer(name))
    if legal and any(c.isdigit() for c in name[legal[-1].end() :]):
        name = name[: legal[-1].end()]
    return squeeze(name.strip(" ,;:*-–|#=_~<>\"'"))


def looks_like_name(text: str) -> bool:
    """Whether a line could be a name: mostly letters, and no title of a document, no address, no contact."""
    name = clean_name(text)
    letters = sum(c.isalpha() for c in name)
    is_wordy = letters >= 3 and len(name) <= MAX_NAME_LETTERS and letters >= 0.5 * len(name.replace(" ", ""))
    if not is_wordy or is_legal_form(name) or name.startswith(("(c)", "©")):
        return False
    if not any(word[:1].isupper() for word in name.split()):
        return False
    if _FIGURES.search(name) or _KEYED.match(name) or _SALUTATION.match(name) or fold(name) in _countries():
        return False
    if _YEAR.search(name) and next(find_dates(name, ("en", "de", "fr")), None) is not None:
        return False
    if not has_legal_form(name) and (is_title(name) or is_contact(name) or len(name.split()) > MAX_NAME_WORDS):
        return False
    return not (is_address(name) and not LEGAL_FORM.search(name))


def looks_like_person(text: str) -> bool:
    """Whether a line could be a person's name: two to five capitalised words or particles, without figures."""
    words = clean_name(text).split()
    if not 2 <= len(words) <= 5 or not looks_like_name(text) or has_legal_form(text):
        return False
    return all(_PARTICLE.fullmatch(word) or (word[0].isupper() and _PERSON_WORD.fullmatch(word)) for word in words)
