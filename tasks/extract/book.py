"""epub: the chapters in reading order, a page each (EPUB 3.3: container, package, spine). Runs in a parser process."""

from importlib.metadata import version
from io import BytesIO
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree

from blocks.errors import Corrupt, Empty, TooManyPages
from blocks.files.archive_types import MALFORMED_ZIP
from blocks.files.encodings import decode
from tasks.extract import html
from tasks.extract.reading import PageReading, Reading

MEDIA_TYPES = {"application/epub+zip": "epub"}
VERSION = 4
PACKAGES = ("inscriptis", "lxml", "charset-normalizer")
SETTINGS = ()

ENGINE = f"inscriptis {version('inscriptis')}"
_CONTAINER = "META-INF/container.xml"


def warm_up() -> None:
    """Load what inscriptis and lxml load at their first document."""
    html.warm_up()
    etree.fromstring(b"<a/>", _parser())


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading`, packed. Arguments: media_type, max_pages. Raises `Corrupt`, `Empty` and `TooManyPages`."""
    media_type = arguments["media_type"]
    try:
        with ZipFile(BytesIO(content)) as archive:
            chapters = [decode(archive.read(chapter)) for chapter in _spine(archive, arguments["max_pages"])]
    except (*MALFORMED_ZIP, etree.LxmlError, AttributeError) as error:
        raise Corrupt(media_type, str(error) or type(error).__name__) from error
    pages: list[PageReading] = []
    for chapter in chapters:
        text, hidden, _ = html.text_of_html(chapter)
        if text.strip() or hidden:
            pages.append(PageReading(len(pages) + 1, text, hidden_text=hidden))
    if not pages:
        raise Empty("no text of it is shown")
    return Reading(media_type, ENGINE, pages).pack()


def _spine(archive: ZipFile, max_pages: int) -> list[str]:
    """The names of the chapters in reading order."""
    container = etree.fromstring(archive.read(_CONTAINER), _parser())
    package_name = container.find(".//{*}rootfile").get("full-path", "")
    package = etree.fromstring(archive.read(package_name), _parser())
    places = {item.get("id"): item.get("href", "") for item in package.iterfind(".//{*}manifest/{*}item")}
    wanted = [item.get("idref") for item in package.iterfind(".//{*}spine/{*}itemref") if item.get("idref") in places]
    if len(wanted) > max_pages:
        raise TooManyPages(len(wanted), max_pages)
    return [normpath(join(dirname(package_name), unquote(places[name]))) for name in wanted]


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True)
