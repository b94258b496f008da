"""A parser process's reply: notes on what the worker still has to do, and the extraction as JSON.

The process writes the JSON of `blocks.records.Extraction`. The worker checks it against that record and keeps the
bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic_core import from_json, to_json

from blocks.files.unseen_characters import without_unseen
from blocks.records import PAGES_UNREAD
from tasks.extract.reading_order import Laid

MAX_NAMED = 10


@dataclass(slots=True)
class PageReading:
    """A page as a parser read it.

    `needs_ocr`: the page shows something and has no usable text. `is_layer`: the text is invisible and over an image. A
    scanner has recognised it, or an attacker has planted it; OCR of the image decides. `is_doubtful`: the text may be
    wrongly mapped; it stays if OCR confirms it.
    """

    number: int
    text: str = ""
    method: str = "parsed"
    width: float = 0.0
    height: float = 0.0
    laid: Laid | None = None
    hidden_text: str = ""
    rotation_degrees: int = 0
    needs_ocr: bool = False
    is_layer: bool = False
    is_doubtful: bool = False
    is_blank: bool = False

    def as_json(self) -> dict[str, object]:
        """The page as `blocks.records.Page` has it."""
        if self.laid is None:
            self.text, unseen_text = without_unseen(self.text)
            self.hidden_text = "\n".join(filter(None, (self.hidden_text, unseen_text)))
        page: dict[str, object] = {"number": self.number, "method": self.method, "text": self.text}
        if self.width:
            page |= {"width": self.width, "height": self.height}
        if self.laid is not None and self.laid.spans:
            page["words"] = {"spans": self.laid.spans, "boxes": self.laid.boxes}
        if self.hidden_text:
            page["hidden_text"] = self.hidden_text
        if self.rotation_degrees:
            page["rotation_degrees"] = self.rotation_degrees
        return page


@dataclass(frozen=True, slots=True)
class Notes:
    """What the worker still has to do: pages to read by OCR, those among them with an unconfirmed text layer and those
    with a doubtful text, and whether there are form fields to list."""

    ocr_pages: tuple[int, ...] = ()
    layer_pages: tuple[int, ...] = ()
    doubtful_pages: tuple[int, ...] = ()
    has_form: bool = False


@dataclass(slots=True)
class Reading:
    """A document as a parser read it."""

    media_type: str
    engine: str
    pages: list[PageReading]
    attributes: dict[str, str] = field(default_factory=dict)
    has_form: bool = False

    def pack(self, language: str = "") -> bytes:
        """The notes, a line feed, and the JSON of an `Extraction`."""
        notes = {
            "ocr_pages": [page.number for page in self.pages if page.needs_ocr],
            "layer_pages": [page.number for page in self.pages if page.is_layer],
            "doubtful_pages": [page.number for page in self.pages if page.is_doubtful],
            "has_form": self.has_form,
        }
        extraction = {
            "media_type": self.media_type,
            "pages": [page.as_json() for page in self.pages],
            "engine": self.engine,
            "language": language,
            "attributes": self.attributes,
        }
        return to_json(notes) + b"\n" + to_json(extraction)


def unpack(packed: bytes) -> tuple[Notes, bytes]:
    """The notes, and the JSON of an `Extraction`."""
    line, _, extraction = packed.partition(b"\n")
    notes = from_json(line)
    pages = {kind: tuple(notes[kind]) for kind in ("ocr_pages", "layer_pages", "doubtful_pages")}
    return Notes(**pages, has_form=bool(notes["has_form"])), extraction


def named_unread(numbers: Sequence[int]) -> dict[str, str]:
    """The attribute that names the pages that could not be read; none where all were read."""
    if not numbers:
        return {}
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    return {PAGES_UNREAD: ", ".join(map(str, numbers[:MAX_NAMED])) + more}


def clean(text: str) -> str:
    """The text without lone surrogates, NUL and other control characters: no database or prompt takes them."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").translate(_NO_CONTROLS)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_NO_CONTROLS = dict.fromkeys(code for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\f\x85") | {
    0x0D: "\n",
    0xFFFE: "-",
    0xFFFF: None,
}


def text_pages(texts: Iterable[str]) -> list[PageReading]:
    """Pages of formats that are text by nature."""
    return [PageReading(number, text) for number, text in enumerate(texts, 1)]
