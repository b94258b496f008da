"""Names of organisations and people where no label announces them: letterheads, address blocks, sender lines.

How documents are laid out, in general: a company's name opens the document or its block, often ends in a legal form
(GmbH, SARL, Sdn Bhd), and stands above its street and town; a letter repeats its sender in one line with dots or
dashes over the window for the recipient's address.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from blocks.gateway.providers.local.lines import Cell, Row, overlap
from blocks.values import fold, squeeze

BLOCK_LINES = 9
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
    r"(?:str(?:\.|asse|aße)|weg|platz|allee|gasse|ring|damm|ufer)\b\.?\s*\d|"
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
_HOUSE_NUMBER = re.compile(r"\s\d{1,4}\s?[a-z]?(?:\s?[-/]\s?\d{1,4})?$")
_KEYED = re.compile(r"^[^\W\d_][\w .()/'-]{1,30}\s?:(?!//)")
_SALUTATION = re.compile(
    r"^(?:herrn?|frau|firma|fa\.|mr\.?|mrs\.?|ms\.?|monsieur|madame|m\.|mme|attn:?|z\.\s?hd\.?|an)\s*$", re.IGNORECASE
)
_PERSON_WORD = re.compile(
    r"[A-ZÀ-Þ][A-Za-zÀ-ÿ'’-]*\.?|(?:de|du|van|von|der|den|zu|le|la|bin|binti|al|el|di|da|dos|y|e)", re.UNICODE
)
_SENDER_PARTS = re.compile(r"\s+[●•·|∙▪*]\s*|\s*[●•·|∙▪]\s+|\s+[-–—]\s+")


@dataclass(frozen=True, slots=True)
class Name:
    """A possible name: [start, end) of a cell, the cells that it goes on in, and what speaks for it."""

    cell: Cell
    start: int
    end: int
    value: str
    lines: tuple[str, ...]
    has_legal_form: bool
    has_trade_word: bool
    has_address: bool
    is_sender_line: bool = False
    place: int = 0
    more: tuple[Cell, ...] = ()


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
    """Whether a line holds a word of a document's furniture: its title, a page number, the head of a table."""
    return _NOT_A_NAME.search(text) is not None


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    from babel import Locale

    languages = ("en", "de", "fr", "nl", "it", "es")
    return frozenset(fold(name) for one in languages for name in Locale(one).territories.values() if len(name) > 2)


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
    """Whether a line could be a name: letters above all, no title of a document, no address, no contact."""
    name = clean_name(text)
    letters = sum(c.isalpha() for c in name)
    if letters < 3 or len(name) > 70 or letters < 0.5 * len(name.replace(" ", "")):
        return False
    if name.startswith(("(c)", "©")) or not any(word[:1].isupper() for word in name.split()):
        return False
    if _NOT_A_NAME.search(name) and not _STRONG_LEGAL.search(name):
        return False
    if fold(name) in _countries() or _KEYED.match(name) or _SALUTATION.match(name):
        return False
    if _CONTACT.search(name) and not _STRONG_LEGAL.search(name):
        return False
    return not (is_address(name) and not LEGAL_FORM.search(name))


def looks_like_person(text: str) -> bool:
    """Whether a line could be a person's name: two to five words, capitalised but for particles, without figures."""
    words = clean_name(text).split()
    if not 2 <= len(words) <= 5 or not looks_like_name(text) or has_legal_form(text):
        return False
    return all(_PERSON_WORD.fullmatch(word) for word in words)


def find_names(rows: tuple[Row, ...], skip: frozenset[tuple[int, int]] = frozenset()) -> list[Name]:
    """Every line that could name someone and is backed by a legal form, an address below it, or its place at the top.

    `skip` holds (row, start) of cells that labels explain.
    """
    names: list[Name] = []
    place = 0
    for row in rows:
        for cell in row.cells:
            if (row.index, cell.start) in skip:
                continue
            sender = _sender_line(cell)
            if sender:
                names.append(sender)
                continue
            if not looks_like_name(cell.text):
                continue
            name = named(cell, rows, place)
            if _HOUSE_NUMBER.search(name.value) and name.lines and POSTCODE_LINE.search(name.lines[0]):
                continue
            if name.has_legal_form or name.has_trade_word or name.has_address or place < 6:
                names.append(name)
            place += 1
    return names


def _sender_line(cell: Cell) -> Name | None:
    parts = _SENDER_PARTS.split(cell.text)
    if len(parts) < 3 or not looks_like_name(parts[0]) or not POSTCODE_LINE.search(" ".join(parts[1:])):
        return None
    value = clean_name(parts[0])
    start = cell.text.find(value)
    if start < 0:
        return None
    return Name(cell, start, start + len(value), value, (cell.text,), has_legal_form(value), False, True, True)


def _goes_on(name: str, following: str) -> bool:
    """Whether a name's second line follows: a legal form by itself or first, or the rest of an open bracket."""
    if name.count("(") > name.count(")"):
        return ")" in following and looks_like_name(following)
    starts = LEGAL_FORM.match(following.strip())
    is_form = _LEGAL_ONLY.fullmatch(following) is not None or (starts is not None and looks_like_name(following))
    return is_form or (name.endswith(("&", "-", "+")) and looks_like_name(following))


def named(cell: Cell, rows: tuple[Row, ...], place: int) -> Name:
    """The name that a cell begins, with what stands around it. `place` counts the names above it."""
    below = cells_below(cell, rows, BLOCK_LINES)
    lines = tuple(one.text for one in below)
    value, more = clean_name(cell.text), list[Cell]()
    start = max(cell.text.find(value), 0)
    end = start + len(value)
    is_legal = bool(_STRONG_LEGAL.search(value))
    if below and not is_legal:
        for following in below[:2]:
            if not _goes_on(value, following.text):
                break
            lines = lines[1:]
            if rest := clean_name(following.text):
                value = f"{value} {rest}"
                more.append(following)
            if _STRONG_LEGAL.search(value):
                break
    is_trade = bool(LEGAL_FORM.search(value))
    has_address = any(is_address(line) for line in lines[:4])
    return Name(cell, start, end, value, lines, has_legal_form(value), is_trade, has_address, False, place, tuple(more))


def cells_below(cell: Cell, rows: tuple[Row, ...], limit: int) -> list[Cell]:
    """The cells of the same column under a cell, nearest first, until a gap of more than two lines' height."""
    found: list[Cell] = []
    last = cell
    for row in rows[cell.row + 1 : cell.row + 1 + limit * 2]:
        if row.page != cell.page or len(found) == limit:
            break
        if cell.box is None:
            found.append(row.cells[0])
            continue
        for other in row.cells:
            if other.box is None or last.box is None:
                continue
            height = max(last.box[3] - last.box[1], 1.0)
            is_aligned = overlap(cell.box, other.box) > 0.3 and abs(other.box[0] - cell.box[0]) < 6 * height
            if is_aligned and other.box[1] - last.box[3] < 1.8 * height:
                found.append(other)
                last = other
                break
    return found
