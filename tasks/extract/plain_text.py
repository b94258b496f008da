"""Text, Markdown, csv and jsonl: bytes to characters. Runs in a child, one document each."""

import codecs
import encodings.aliases
from typing import Any

import charset_normalizer
from charset_normalizer import from_bytes

from blocks.errors import Empty
from tasks.extract.reading import Reading, clean, text_pages

ENGINE = f"charset-normalizer {charset_normalizer.__version__}"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
GUESSED_BYTES = 200_000
LIKELY = ["cp1252", "iso8859_15", "cp1250", "cp1251", "cp1253", "cp1254", "cp437", "cp850", "mac_roman", "utf_16_le"]
LIKELY += ["utf_16_be", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "koi8_r"]


def warm_up() -> None:
    """Load every codec: a child may not be able to read our files."""
    for name in set(encodings.aliases.aliases.values()):
        try:
            codecs.lookup(name)
        except LookupError:
            continue  # a codec of another system
    decode("Größe: 5 €".encode("cp1252"))


def read(content: bytes, arguments: dict[str, Any]) -> bytes:
    """A `Reading` of one page, or of several where form feeds part them, packed. Arguments: media_type."""
    text = clean(decode(content))
    if not text.strip():
        raise Empty("it holds nothing but white space")
    return Reading(
        arguments["media_type"], ENGINE, text_pages(page for page in text.split("\f") if page.strip())
    ).pack()


def decode(content: bytes) -> str:
    """The bytes as text: by byte order mark, as UTF-8, or in the encoding that charset-normalizer finds most likely.

    Where nothing fits, Windows-1252 is taken, as browsers do.
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        best = from_bytes(content[:GUESSED_BYTES], cp_isolation=LIKELY).best()
        return content.decode(best.encoding if best else "cp1252", "replace")
