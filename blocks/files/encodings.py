"""Bytes of text to characters, whatever their encoding."""

import codecs
import encodings
import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence

BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
GUESSED_BYTES = 200_000
LATIN = ("cp1252", "iso8859_15", "cp850", "cp437", "mac_roman", "cp1250", "cp1254", "cp852")
"""In this order where several fit alike. Windows-1252 is first, as in browsers."""
OTHERS = ["cp1251", "cp1253", "koi8_r", "utf_16_le", "utf_16_be", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]
LONE_SHARE = 0.5
"""In languages of Latin letters, a letter with an accent nearly always stands between letters without."""
MAX_STRANGERS_SHARE = 0.25
WEST = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýßœðþ")
EAST = frozenset("áâäçéëíîóôöúüýßąćčďđęěłľńňőřśšťţůűźżžşă")
TURKISH = frozenset("âçîöûüğışİ")
LETTERS = {"cp1250": EAST, "cp852": EAST, "cp1254": TURKISH}
MARKS_BETWEEN_LETTERS = frozenset("’·\xa0\xad–—/")
MARKS = frozenset("’‘“”«»›…–—·•€£§°©®™½¼¾²³ªº\xa0\xad×±µ│─┌┐└┘├┤┬┴┼═║╔╗╚╝█▓▒░")
OPENING_MARKS = frozenset("„‚‹¿¡")
EASTERN_LANGUAGES = ("Hungarian", "Croatian", "Slovene")
"""As charset-normalizer calls them."""
MEANINGLESS = frozenset({"ascii", "unknown-8bit", "utf-8"})
"""Declarations that add nothing: programs that do not know the encoding write them, and UTF-8 is tried anyway."""
WINDOWS = "cp1252"
LATIN_1 = frozenset({"iso8859-1", "cp1252"})
"""Browsers read both as Windows-1252 (WHATWG Encoding Standard): the bytes that differ are quotes, dashes and the euro
sign in one, and controls that no text has in the other."""

UTF_16_ZEROS = 0.4
"""UTF-16 of Latin text has a zero byte at nearly every other place; other text has none."""
MAX_CONTROL_SHARE = 0.02
TEXT_CONTROLS = frozenset({7, 8, 9, 10, 12, 13, 27})
REPLACED = "\N{REPLACEMENT CHARACTER}"
SOUND_TO_BROKEN = 2
"""How many sound sequences of UTF-8 outweigh a broken one. Text of another encoding has sound ones by chance only."""
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_HIGH_CHARACTER = re.compile(r"[^\x00-\x7f]")
_EAST_ONLY, _TURKISH_ONLY = re.compile("[őűčćđ]"), re.compile("[ışğ]")
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def load_codecs() -> None:
    """Load every codec now: an unprivileged process may not be able to read their files later."""
    for module in pkgutil.iter_modules(encodings.__path__):
        try:
            importlib.import_module(f"encodings.{module.name}")
            codecs.lookup(module.name)
        except (ImportError, LookupError):
            continue  # a codec of another system, or no codec
    decode("Größe: 5 € für alle, höchstens".encode("cp1252") * 20)
    decode("счёт номер двенадцать".encode("cp1251"))


def decode(content: bytes, declared: str | None = None) -> str:
    """The bytes as text.

    Tried in this order: the byte order mark, UTF-16 without one, UTF-8, the declared encoding, UTF-8 with a few broken
    bytes, the encoding that fits its letters best, and Windows-1252, as browsers do. UTF-8 comes before the
    declaration, because a text of another encoding is hardly ever sound UTF-8 and declarations are often wrong.
    """
    return content.decode(_encoding_of(content, _known(declared)), "replace")


def _encoding_of(content: bytes, stated: str | None) -> str:
    if by_form := _marked(content) or _utf_16_without_mark(content[:GUESSED_BYTES]):
        return by_form
    if stated in _SHIFTED and (0 in content or not stated.startswith(("utf-16", "utf-32"))):
        return stated
    if _is_sound(content, "utf-8"):
        return "utf-8"
    if stated is not None and stated not in MEANINGLESS | LATIN_1 and _is_sound(content, stated):
        return stated
    if _is_mostly_utf_8(content):
        return "utf-8"
    return WINDOWS if stated in LATIN_1 else _likely_encoding(content)


def _likely_encoding(content: bytes) -> str:
    """The encoding of Latin letters that fits best, else what charset-normalizer finds.

    charset-normalizer takes French in Windows-1252 for cp1250, and DOS encodings for either.
    """
    content = content[:GUESSED_BYTES]
    pieces = _HIGH_BYTES.findall(content)
    from charset_normalizer import from_bytes

    if sum(len(piece) == 1 for piece in pieces) >= LONE_SHARE * len(pieces):
        strangers = {encoding: _strangers(content.decode(encoding, "replace"), encoding) for encoding in LATIN}
        best = min(LATIN, key=strangers.__getitem__)
        if strangers[best] <= MAX_STRANGERS_SHARE * sum(map(len, pieces)):
            tied = [encoding for encoding in LATIN if strangers[encoding] == strangers[best]]
            return _other_than_windows(content, tied) if best == WINDOWS else best
    found = from_bytes(content, cp_isolation=[*LATIN, *OTHERS]).best()
    return found.encoding if found else WINDOWS


def _other_than_windows(content: bytes, tied: Sequence[str]) -> str:
    """Windows-1252, unless the text is of a language whose letters are letters in Windows-1252 too."""
    if "cp1254" in tied and _TURKISH_ONLY.search(content.decode("cp1254", "replace")):
        return "cp1254"
    if "cp1250" in tied and _EAST_ONLY.search(content.decode("cp1250", "replace")):
        from charset_normalizer import from_bytes

        found = from_bytes(content, cp_isolation=[WINDOWS, "cp1250"]).best()
        if found and found.encoding == "cp1250" and found.language in EASTERN_LANGUAGES:
            return "cp1250"
    return WINDOWS


def _strangers(text: str, encoding: str) -> int:
    """How many characters beyond ASCII are no letters of its languages, or stand where no writer puts them."""
    letters = LETTERS.get(encoding, WEST)
    return sum(_is_stranger(text[at - 1 : at], text[at], text[at + 1 : at + 2], letters) for at in _high_places(text))


def _high_places(text: str) -> Iterator[int]:
    return (found.start() for found in _HIGH_CHARACTER.finditer(text))


def _is_stranger(before: str, char: str, after: str, letters: frozenset[str]) -> bool:
    if char in letters or char.lower() in letters:
        return char.isupper() and before.islower()
    if char in OPENING_MARKS:
        return before.isalpha()
    is_within = before.isalpha() and after.isalpha()
    return char not in MARKS or (is_within and char not in MARKS_BETWEEN_LETTERS)


def _is_sound(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


_SHIFTED = frozenset(
    {"iso2022_jp", "iso2022_jp_2", "iso2022_kr", "hz", "utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32"}
)
"""Encodings whose bytes are sound UTF-8, or ASCII, and mean something else. Only a declaration tells."""


def _known(declared: str | None) -> str | None:
    """The declared encoding by the name that Python gives it; None if there is no such encoding for text."""
    try:
        found = codecs.lookup((declared or "").strip())
    except (LookupError, ValueError):
        return None
    return found.name if found._is_text_encoding else None


def _is_mostly_utf_8(content: bytes) -> bool:
    """Whether the text is UTF-8 with a few broken bytes: cut within a character, or joined from two sources."""
    sound = len(_SEQUENCE.findall(content))
    return sound >= SOUND_TO_BROKEN * content.decode("utf-8", "replace").count(REPLACED)


def _marked(content: bytes) -> str | None:
    return next((encoding for mark, encoding in BYTE_ORDER_MARKS if content.startswith(mark)), None)


def _utf_16_without_mark(head: bytes) -> str | None:
    nulls = head.count(0)
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])) if nulls else ():
        if zeros.count(0) > UTF_16_ZEROS * len(zeros) and nulls < 1.1 * zeros.count(0):
            return encoding
    return None


def sniff_text(head: bytes) -> str | None:
    """The head of a file as text, good enough to tell kinds of text apart; None if it is not text."""
    by_form = _marked(head) or _utf_16_without_mark(head)
    if by_form is not None:
        return head.decode(by_form, "replace")
    if 0 in head:
        return None
    controls = sum(head.count(code) for code in range(32) if code not in TEXT_CONTROLS)
    if controls > MAX_CONTROL_SHARE * len(head):
        return None
    return head.decode("utf-8", "replace")
