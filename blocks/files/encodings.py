"""Bytes of text to characters, whatever their encoding."""

import codecs
import encodings.aliases

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
GUESSED_BYTES = 200_000
LIKELY = ["cp1252", "iso8859_15", "cp1250", "cp1251", "cp1253", "cp1254", "cp437", "cp850", "mac_roman", "koi8_r"]
LIKELY += ["utf_16_le", "utf_16_be", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]


def load_codecs() -> None:
    """Load every codec now: a process that gave up its rights may not be able to read their files later."""
    marked = {encoding for _, encoding in MARKS}  # utf-8-sig is among no aliases
    for name in sorted(marked | set(encodings.aliases.aliases.values())):
        try:
            codecs.lookup(name)
        except LookupError:
            continue  # a codec of another system
    decode("Größe: 5 € für alle, höchstens".encode("cp1252"))


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
        from charset_normalizer import from_bytes

        best = from_bytes(content[:GUESSED_BYTES], cp_isolation=LIKELY).best()
        return content.decode(best.encoding if best else "cp1252", "replace")
