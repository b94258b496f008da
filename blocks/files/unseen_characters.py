"""Characters that no program shows and a machine reads: Unicode's tags, and rows of variation selectors.

Tags (U+E0000 to U+E007F) repeat ASCII, and have a meaning only in the flags of regions. A variation selector chooses
the form of the letter before it; several in a row can carry any bytes.
"""

import re

_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
_TAGS = "[\U000e0000-\U000e007f]+"
_SELECTORS = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}"
_UNSEEN = re.compile(f"({_FLAG})|({_TAGS})|({_SELECTORS})")


def without_unseen(text: str) -> tuple[str, str]:
    """The text without them, and what they say."""
    if text.isascii():
        return text, ""
    unseen_texts: list[str] = []

    def take(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        unseen_texts.append(_text_of_tags(found[2]) if found[2] else _text_of_selectors(found[3]))
        return ""

    return _UNSEEN.sub(take, text), "\n".join(filter(None, unseen_texts))


def _text_of_tags(tags: str) -> str:
    return "".join(chr(ord(tag) - 0xE0000) for tag in tags if 0xE0020 <= ord(tag) < 0xE007F)


def _text_of_selectors(selectors: str) -> str:
    codes = (ord(selector) for selector in selectors)
    carried = bytes(code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16 for code in codes)
    return "".join(character for character in carried.decode("utf-8", "replace") if character.isprintable())
