"""HTML to the text that a browser would show, tables in rows, by inscriptis. Runs in a parser process."""

import re
from importlib.metadata import version
from typing import Any

import lxml.html
from inscriptis import Inscriptis
from inscriptis.css_profiles import RELAXED_CSS_PROFILE
from inscriptis.model.config import ParserConfig
from lxml import etree

from blocks.errors import Corrupt, Empty
from blocks.files.encodings import decode, load_codecs
from blocks.files.media_types import HTML
from tasks.extract.reading import Reading, clean, text_pages

MEDIA_TYPES = {"text/html": "HTML"}
VERSION = 6
PACKAGES = ("inscriptis", "lxml", "charset-normalizer")
SETTINGS = ()

ENGINE = f"inscriptis {version('inscriptis')}"
UNSHOWN = ("script", "style", "noscript", "template", "head", "object", "svg", "datalist")
NOT_TEXT = ("hidden", "password", "file", "image", "color", "range", "submit", "reset", "button")
CHECKED, UNCHECKED = "[x]", "[ ]"
MALFORMED = (etree.LxmlError, ValueError, RecursionError)

_DECLARED_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.I)
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|(?<![\w-])opacity\s*:\s*(?:0?\.0\d*|0(?:\.0\d*)?)%?\s*(?:;|!|$)"
    r"|font-size\s*:\s*(?:0?\.\d+|0(?:\.\d+)?)(?:px|pt|%)?\s*(?:;|!|$)|font-size\s*:\s*0(?:\.0\d*)?r?em\b"
    r"|font-size\s*:\s*1(?:\.\d+)?(?:px|pt|%)|text-indent\s*:\s*-\d{3,}"
    r"|transform\s*:[^;]*\bscale[xy]?\(\s*0?\.?0*\s*[,)]"
    r"|clip-path\s*:\s*inset\(\s*(?:[5-9]\d|100)%\s*\)",
    re.I,
)
_AWAY = re.compile(r"(?<![\w-])(?:left|right|top|bottom|margin-left|margin-top)\s*:\s*-\d{3,}", re.I)
_PLACED = re.compile(r"position\s*:\s*(?:absolute|fixed)|(?<![\w-])margin-(?:left|top)\s*:\s*-\d{4,}", re.I)
_NO_SIZE = re.compile(r"(?<![\w-])(?:max-)?(?:height|width)\s*:\s*0(?:\.0+)?(?:px|pt|em|rem|%)?\s*(?:;|!|$)", re.I)
_CUT = re.compile(r"overflow(?:-[xy])?\s*:\s*(?:hidden|clip)", re.I)
_COLOUR = re.compile(r"(?<![\w-])color\s*:\s*([^;!]+)", re.I)
_TRANSPARENT = re.compile(
    r"transparent|(?:rgb|hsl)a?\([^)]*[,/]\s*(?:0?\.0\d*|0(?:\.0\d*)?)%?\s*\)|#[\da-f]{6}00|#[\da-f]{3}0", re.I
)
_BACKGROUND = re.compile(r"background(?:-color|-image)?\s*:\s*([^;!]+)", re.I)
_WHITE = "#ffffff"
NO_BACKGROUND = ("transparent", "none", "inherit", "initial", "unset")
_LAID_OUT = re.compile(r"display|float|width|margin|padding|position", re.I)
_LAYS_OUT = re.compile(r"flex|grid|column", re.I)
_BEFORE_CENTS = re.compile(r"(?<![\d.,])(?!10$)(?:\d{1,3}(?:([.,'’\s])\d{3})+|\d+)$")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_REFERENCE = re.compile(r"&#(?:x([0-9a-f]{1,8})(?![0-9a-f])|([0-9]{1,8})(?!\d));?", re.I)
_UNFIT = frozenset({*range(1, 32), 0xFFFE, 0xFFFF}) - {9, 10, 13}
"""What no XML may hold. lxml reads it by reference, and refuses it when a text is set anew."""
_SIMPLE_SELECTOR = re.compile(r"([.#])([\w-]+)")


def warm_up() -> None:
    """Load what inscriptis and lxml load at their first document."""
    load_codecs()
    text_of_html("<html><body><table><tr><td>1</td></tr></table></body></html>")


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` of one page, packed. Raises `Corrupt` and `Empty`."""
    declared = _DECLARED_CHARSET.search(content[:4_096])
    text, hidden, title = text_of_html(decode(content, declared[1].decode() if declared else None))
    if not text.strip() and not hidden:
        raise Empty("no text of it is shown")
    pages = text_pages([text])
    pages[0].hidden_text = hidden
    return Reading(HTML, ENGINE, pages, {"title": title} if title else {}).pack()


def text_of_html(markup: str) -> tuple[str, str, str]:
    """The visible text, the hidden text (without scripts, styles and comments), and the title. Raises `Corrupt`."""
    try:
        # Without `huge_tree` the parser ends, and says nothing, at a text or an attribute of more than 10 MB: a pasted
        # photo. The process has limits of its own.
        parser = lxml.html.HTMLParser(huge_tree=True)
        tree = lxml.html.document_fromstring(_fit(markup) or "<html/>", parser=parser)
    except MALFORMED as error:
        raise Corrupt(HTML, str(error) or type(error).__name__) from error
    title = " ".join((tree.findtext(".//title") or "").split())
    hiding = _hiding_selectors(tree)
    has_style_sheet = bool(tree.xpath("//style | //link[@rel='stylesheet']"))
    for element in tree.xpath("//comment() | //processing-instruction()"):
        _drop(element)
    for element in list(tree.iter(*UNSHOWN)):
        _drop(element)
    for element in list(tree.iter("input", "select")):
        _show_value(element)
    hidden = []
    for element in list(tree.iter(etree.Element)):
        if _is_hidden(element, hiding) and (element.getparent() is not None):
            hidden.append(" ".join(element.text_content().split()))
            _drop(element)
    for element in list(tree.iter("span")):
        if _is_inline(element, has_style_sheet):
            element.tag = "b"  # inscriptis puts blanks around a span
    for element in tree.iter("sup"):
        _part_from_number(element)
    shown = Inscriptis(tree, ParserConfig(css=RELAXED_CSS_PROFILE)).get_text()
    lines = [line.rstrip() for line in shown.replace("\xa0", " ").split("\n")]
    return "\n".join(lines).strip("\n"), "\n".join(dict.fromkeys(filter(None, hidden))), title


def _fit(markup: str) -> str:
    """The markup as lxml takes it: without control characters, and without an XML declaration, which would state an
    encoding of what is decoded already."""
    plain = clean(markup).replace("\f", " ")
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", _REFERENCE.sub(_fit_character, plain) if "&#" in plain else plain)


def _fit_character(reference: re.Match[str]) -> str:
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    return clean(chr(code)).replace("\f", " ") if code in _UNFIT else reference[0]


def _show_value(element: Any) -> None:
    """Make a form field the text that a browser shows in it; drop it if it shows none."""
    if element.tag == "select":
        options = list(element.iter("option"))
        shown = [option for option in options if "selected" in option.attrib] or options[:1]
        value = ", ".join(" ".join(option.text_content().split()) for option in shown)
    elif element.get("type", "").lower() in ("checkbox", "radio"):
        value = CHECKED if "checked" in element.attrib else UNCHECKED
    else:
        value = element.get("value", "")
    if element.get("type", "").lower() in NOT_TEXT or not value.strip():
        _drop(element)
        return
    for option in list(element):
        element.remove(option)
    element.tag, element.text = "span", f" {value} "


def _is_inline(span: Any, has_style_sheet: bool) -> bool:
    """Whether nothing lays the span out as a box of its own, so that it parts no word."""
    parent = span.getparent()
    if has_style_sheet and (span.get("class") or span.get("id") or (parent is not None and parent.get("class"))):
        return False  # the style sheet may make it a column
    lays_out = parent is not None and _LAYS_OUT.search(parent.get("style", ""))
    return not _LAID_OUT.search(span.get("style", "")) and not lays_out


def _part_from_number(raised: Any) -> None:
    """Two raised digits behind a whole number are its decimals; others are a note's or an exponent, parted from it."""
    written = raised.text_content()
    previous = raised.getprevious()
    behind = raised.getparent().text if previous is None else previous.tail or previous.text_content()
    if not written[:1].isdigit() or not (behind or "")[-1:].isdigit():
        return
    number = _BEFORE_CENTS.search(behind)
    is_cents = number is not None and len(written) == 2 and written.isdigit()
    mark = " " if number is None or not is_cents else "," if number[1] == "." else "."
    raised.text = mark + (raised.text or "")


def _hiding_selectors(tree: Any) -> frozenset[str]:
    """Classes and ids that a style sheet of the page hides; rules within @media do not count."""
    found: set[str] = set()
    for style in tree.iter("style"):
        sheet = re.sub(r"/\*.*?\*/", "", style.text or "", flags=re.S)
        sheet = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet)
        for selectors, rule in _RULE.findall(sheet):
            if _hides(rule):
                found.update(
                    selector.strip()
                    for selector in selectors.split(",")
                    if _SIMPLE_SELECTOR.fullmatch(selector.strip())
                )
    return frozenset(found)


def _is_hidden(element: Any, hiding: frozenset[str]) -> bool:
    style = element.get("style", "")
    if "hidden" in element.attrib or (style and _hides(style)):
        return True
    colour = _own_colour(element, style)
    if colour and (_TRANSPARENT.fullmatch(colour) or _is_unseen(colour, element)):
        return True
    if hiding:
        names = {f".{name}" for name in element.get("class", "").split()} | {f"#{element.get('id', '')}"}
        return bool(names & hiding)
    return False


def _hides(style: str) -> bool:
    """Whether a rule hides its elements: not drawn, without size, or moved out of the window."""
    return bool(
        _HIDING.search(style)
        or (_AWAY.search(style) and _PLACED.search(style))
        or (_NO_SIZE.search(style) and _CUT.search(style))
    )


def _own_colour(element: Any, style: str) -> str:
    """The colour that an element gives its text, in normal form; empty if it gives none."""
    declared = _COLOUR.findall(style) if style else []
    if declared:
        return _plain(declared[-1])
    return _plain(element.get("color", "")) if element.tag == "font" else ""


def _plain(colour: str) -> str:
    """A colour in normal form: ``#rrggbb`` for white, black and colours in numbers; other names are unchanged."""
    colour = "".join(colour.split()).lower()
    if re.fullmatch(r"#?[\da-f]{3}", colour):
        return "#" + "".join(2 * digit for digit in colour.lstrip("#"))
    if re.fullmatch(r"[\da-f]{6}", colour):
        return f"#{colour}"
    numbers = re.fullmatch(r"rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})(?:,1(?:\.0+)?)?\)", colour)
    if numbers:
        return "#" + "".join(f"{int(number):02x}" for number in numbers.groups())
    return {"white": _WHITE, "black": "#000000"}.get(colour, colour)


def _is_unseen(colour: str, element: Any) -> bool:
    """Whether letters have the colour of the nearest background, which is white if none is set."""
    for around in [element, *element.iterancestors()]:
        declared = _BACKGROUND.findall(around.get("style", ""))
        background = declared[-1] if declared else around.get("bgcolor") or around.get("background")
        if background and _plain(background) not in NO_BACKGROUND:
            return _plain(background) == colour
        if around.get("class") and colour == _WHITE:
            return False  # a style sheet may colour it
    return colour == _WHITE


def _drop(element: Any) -> None:
    """Remove an element and keep the text after it."""
    parent = element.getparent()
    if parent is None:
        return
    tail = element.tail
    if tail:
        previous = element.getprevious()
        if previous is not None:
            previous.tail = (previous.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    parent.remove(element)
