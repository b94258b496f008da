"""RTF by striprtf: its text, table rows on a line. Runs in a parser process."""

from importlib.metadata import version
from typing import Any

from striprtf.striprtf import rtf_to_text

from blocks.errors import Corrupt, Empty
from blocks.files.encodings import load_codecs
from blocks.files.media_types import RTF
from tasks.extract.reading import Reading, clean, text_pages

MEDIA_TYPES = {"application/rtf": "rtf"}
VERSION = 1
PACKAGES = ("striprtf",)
SETTINGS = ()

ENGINE = f"striprtf {version('striprtf')}"


def warm_up() -> None:
    """Load every codec: a parser process may not be able to read our files."""
    load_codecs()
    text_of_rtf(rb"{\rtf1\ansi first}")


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading`, packed. Arguments: media_type. Raises `Corrupt` and `Empty`."""
    pages = [page.strip("\n") for page in text_of_rtf(content).split("\f") if page.strip()]
    if not pages:
        raise Empty("it has no text")
    return Reading(RTF, ENGINE, text_pages(pages)).pack()


def text_of_rtf(content: bytes) -> str:
    """The text; where striprtf ends a table's cell with a bar, two spaces stand between cells. Raises `Corrupt`."""
    source = content.decode("latin-1")
    try:
        text: str = rtf_to_text(source, errors="replace")  # type: ignore[no-untyped-call]  # it states no types
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(RTF, str(error) or type(error).__name__) from error
    rows = ("  ".join(line.split("|")).strip() if line.endswith("|") else line for line in clean(text).split("\n"))
    return "\n".join(rows)
