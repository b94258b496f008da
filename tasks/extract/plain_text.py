"""Text, Markdown, csv and jsonl, unchanged. Runs in a parser process."""

from importlib.metadata import version
from typing import Any

from blocks.errors import Empty
from blocks.files.encodings import decode, load_codecs
from tasks.extract.reading import Reading, clean, text_pages

MEDIA_TYPES = {"text/plain": "txt", "text/markdown": "md", "text/csv": "csv", "application/jsonl": "jsonl"}
VERSION = 4
PACKAGES = ("charset-normalizer",)
SETTINGS = ()
MAX_DOCUMENTS = 500

ENGINE = f"charset-normalizer {version('charset-normalizer')}"


def warm_up() -> None:
    """Load every codec: a parser process may not be able to read our files."""
    load_codecs()


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` with a page for each part between form feeds, packed. Arguments: media_type.

    Raises `Empty`.
    """
    text = clean(decode(content))
    if not text.strip():
        raise Empty("it holds nothing but white space")
    pages = text_pages(page for page in text.split("\f") if page.strip())
    return Reading(arguments["media_type"], ENGINE, pages).pack()
