"""HTML to the text that a browser would show, tables in rows, by inscriptis. Runs in a child, one document each."""

import re
from importlib.metadata import version
from typing import Any

import lxml.html
from inscriptis import Inscriptis
from inscriptis.css_profiles import RELAXED_CSS_PROFILE
from inscriptis.model.config import ParserConfig
from lxml import etree

from blocks.characters import decode, load_codecs
from blocks.errors import Corrupt, Empty
from blocks.media_types import HTML
from tasks.extract.reading import Reading, clean, text_pages

ENGINE = f"inscriptis {version('inscriptis')}"
UNSHOWN = ("script", "style", "noscript", "template", "head", "object", "svg", "select", "datalist")
MAX_DEPTH_ERRORS = (etree.LxmlError, ValueError, RecursionError)

_DECLARED_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.I)
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|!|$)"
    r"|font-size\s*:\s*0(?:\.\d+)?(?:px|pt|em|rem|%)?\s*(?:;|!|$)|text-indent\s*:\s*-\d{3,}",
    re.I,
)
_WHITE = re.compile(
    r"(?<![\w-])color\s*:\s*(?:#fff(?:fff)?\b|white\b|rgba?\(\s*255\s*,\s*255\s*,\s*255|transparent)", re.I
)
_BACKGROUND = re.compile(r"background(?:-color|-image)?\s*:", re.I)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE_SELECTOR = re.compile(r"([.#])([\w-]+)")


def warm_up() -> None:
    """Load what inscriptis and lxml load at their first document."""
    load_codecs()
    text_of_html("<html><body><table><tr><td>1</td></tr></table></body></html>")


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` of one page, packed. Raises `Corrupt` and `Empty`."""
    declared = _DECLARED_CHARSET.search(content[:4_096])
    text, hidden, title = text_of_html(_decode(content, declared[1].decode() if declared else None))
    if not text.strip() and not hidden:
        raise Empty("no text of it is shown")
    pages = text_pages([text])
    pages[0].hidden_text = hidden
    return Reading(HTML, ENGINE, pages, {"title": title} if title else {}).pack()


def _decode(content: bytes, charset: str | None) -> str:
    if charset:
        try:
            return content.decode(charset)
        except (LookupError, UnicodeDecodeError):
            pass  # the declaration is wrong; the bytes decide
    return decode(content)


def text_of_html(markup: str) -> tuple[str, str, str]:
    """What is shown, what is there and not shown (scripts, styles and comments left aside), and the title.

    Raises `Corrupt` where no parser makes anything of it.
    """
    try:
        tree = lxml.html.document_fromstring(_without_declaration(clean(markup)) or "<html/>")
    except MAX_DEPTH_ERRORS as error:
        raise Corrupt(HTML, str(error) or type(error).__name__) from error
    title = " ".join((tree.findtext(".//title") or "").split())
    hiding = _hiding_selectors(tree)
    for element in tree.xpath("//comment() | //processing-instruction()"):
        _drop(element)
    for element in list(tree.iter(*UNSHOWN)):
        _drop(element)
    hidden = []
    for element in list(tree.iter(etree.Element)):
        if _is_hidden(element, hiding) and (element.getparent() is not None):
            hidden.append(" ".join(element.text_content().split()))
            _drop(element)
    shown = Inscriptis(tree, ParserConfig(css=RELAXED_CSS_PROFILE)).get_text()
    lines = [line.rstrip() for line in shown.replace("\xa0", " ").split("\n")]
    return "\n".join(lines).strip("\n"), "\n".join(dict.fromkeys(filter(None, hidden))), title


def _without_declaration(markup: str) -> str:
    """lxml refuses text that declares an encoding: it is decoded already."""
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", markup)


def _hiding_selectors(tree: Any) -> frozenset[str]:
    """Classes and ids that a style sheet of the page hides on a screen; rules within @media do not count."""
    found: set[str] = set()
    for style in tree.iter("style"):
        sheet = re.sub(r"/\*.*?\*/", "", style.text or "", flags=re.S)
        sheet = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", sheet)
        for selectors, rule in _RULE.findall(sheet):
            if _HIDING.search(rule):
                found.update(
                    selector.strip()
                    for selector in selectors.split(",")
                    if _SIMPLE_SELECTOR.fullmatch(selector.strip())
                )
    return frozenset(found)


def _is_hidden(element: Any, hiding: frozenset[str]) -> bool:
    style = element.get("style", "")
    if "hidden" in element.attrib or (style and _HIDING.search(style)):
        return True
    if element.tag == "input" or element.get("type") == "hidden":
        return True
    if style and _WHITE.search(style) and not _has_background(element):
        return True
    if hiding:
        names = {f".{name}" for name in element.get("class", "").split()} | {f"#{element.get('id', '')}"}
        return bool(names & hiding)
    return False


def _has_background(element: Any) -> bool:
    """Whether anything around white letters is coloured."""
    around = [element, *element.iterancestors()]
    return any(
        parent.get("bgcolor")
        or parent.get("background")
        or parent.get("class")
        or _BACKGROUND.search(parent.get("style", ""))
        for parent in around
    )


def _drop(element: Any) -> None:
    """Take an element out and leave the text that follows it."""
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
