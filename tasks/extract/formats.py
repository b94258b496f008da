"""The registry of formats: which format reader reads which media type.

A format reader is a module beside this one, with a function `read` that runs in a parser process. It states at its
top, as literals, what it reads and what decides how it reads:

- `MEDIA_TYPES`: what people call each format, by media type
- `VERSION`: raised when the same document may get another extraction
- `PACKAGES`: the packages whose new version may read another text
- `SETTINGS`: the settings that decide what is read: ``ocr``, ``passwords``
- `MAX_DOCUMENTS`: how many documents a parser process may read before it ends; 1 unless stated, as only a reader
  that keeps nothing of a document may read the next in the same process

A reader imports its parser's libraries, which a worker does without. So a statement is read from the reader's source.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READERS = (
    "pdf",
    "image",
    "heic",
    "plain_text",
    "html",
    "mail",
    "outlook_mail",
    "word_document",
    "open_document",
    "rich_text",
    "spreadsheet",
    "slides",
    "book",
)
STATED = ("MEDIA_TYPES", "VERSION", "PACKAGES", "SETTINGS", "MAX_DOCUMENTS")

PDF_FALLBACK = "tasks.extract.pdf_fallback:read"
PDF_FORM = "tasks.extract.pdf_fallback:form_values"
READ = "read"
RENDER = "render"
"""The function that draws a page for OCR, in readers whose pages may need it."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a reader states of itself. `module` runs in a parser process."""

    module: str
    media_types: dict[str, str]
    version: int
    packages: tuple[str, ...]
    settings: tuple[str, ...]
    max_documents: int = 1


def stated_by(reader: str) -> Format:
    """The statement at the top of a reader's source."""
    source = Path(__file__).with_name(f"{reader}.py").read_text(encoding="utf-8")
    top = re.split(r"^(?:def|class|@)", source, maxsplit=1, flags=re.M)[0]
    stated: dict[str, Any] = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(top).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in STATED
    }
    return Format(f"tasks.extract.{reader}", **{name.lower(): value for name, value in stated.items()})


FORMATS: dict[str, Format] = {
    media_type: known for known in map(stated_by, READERS) for media_type in known.media_types
}
"""The format of each media type that Winnow reads."""
