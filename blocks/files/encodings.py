"""Bytes of text to characters, whatever their encoding."""

import codecs
import encodings.aliases

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
GUESSED_BYTES = 200_000
LIKELY = ["cp1252", "iso8859_15", "cp1250", "cp1251", "cp1253", "cp1254", "cp437", "cp850", "mac_roman", "koi8_r"]
LIKELY += ["utf_16_le", "utf_16_be", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]
MEANINGLESS = frozenset({"us-ascii", "ascii", "unknown-8bit"})
"""Programs that do not know the encoding declare these: the bytes decide."""

UTF_16_ZEROS = 0.4
"""UTF-16 of Latin text has a zero byte at nearly every other place; other text has none."""
MAX_CONTROL_SHARE = 0.02
TEXT_CONTROLS = frozenset({7, 8, 9, 10, 12, 13, 27})


def load_codecs() -> None:
    """Load every codec now: an unprivileged process may not be able to read their files later."""
    marked = {encoding for _, encoding in MARKS}  # utf-8-sig is not among the aliases
    for name in sorted(marked | set(encodings.aliases.aliases.values())):
        try:
            codecs.lookup(name)
        except LookupError:
            continue  # a codec of another system
    decode("Größe: 5 € für alle, höchstens".encode("cp1252"))


def decode(content: bytes, declared: str | None = None) -> str:
    """The bytes as text.

    Tried in this order: the declared encoding, the byte order mark, UTF-8, the encoding that charset-normalizer finds
    most likely, and Windows-1252, as browsers do.
    """
    if declared and declared.lower() not in MEANINGLESS:
        try:
            return content.decode(declared)
        except (LookupError, UnicodeDecodeError):
            pass  # the declaration is wrong; the bytes decide
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(content[:GUESSED_BYTES], cp_isolation=LIKELY).best()
        return content.decode(best.encoding if best else "cp1252", "replace")


def sniff_text(head: bytes) -> str | None:
    """The head of a file as text, good enough to tell kinds of text apart; None if it is not text."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return head.decode(encoding, "replace")
    nulls = head.count(0)
    if nulls:
        for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
            if zeros.count(0) > UTF_16_ZEROS * len(zeros) and nulls < 1.1 * zeros.count(0):
                return head.decode(encoding, "replace")
        return None
    controls = sum(head.count(code) for code in range(32) if code not in TEXT_CONTROLS)
    if controls > MAX_CONTROL_SHARE * len(head):
        return None
    return head.decode("utf-8", "replace")
