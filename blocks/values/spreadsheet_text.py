"""Text that no spreadsheet computes: an apostrophe stands before whatever could be the begin of a formula.

Also within a text, behind a separator: a spreadsheet that is set to another separator than the file's cuts cells there.
The starts are those of OWASP's page on CSV injection: https://owasp.org/www-community/attacks/CSV_Injection
"""

import re

_FORMULA = r"=+\-@＝＋－＠"
_UNSEEN = r"'\" \x0b\x0c\x1c-\x1f\x85\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2069\u3000\ufeff"
"""What a spreadsheet may drop before it looks for a formula: quotes, blanks that are no separators, invisible marks."""
_CAN_BEGIN = rf"[{_UNSEEN}]*[{_FORMULA}]"
_AT_START = re.compile(rf"[\t\r\n']|{_CAN_BEGIN}")
_INSIDE = re.compile(rf"(?<=[,;|\t\r\n])(?={_CAN_BEGIN})")
_MARKED_INSIDE = re.compile(rf"(?<=[,;|\t\r\n])'(?={_CAN_BEGIN})")


def inert(text: str) -> str:
    """The text as a file has it."""
    marked = _INSIDE.sub("'", text)
    return f"'{marked}" if _AT_START.match(text) else marked


def restored(text: str) -> str:
    """The text that `inert` had."""
    marked = text[1:] if text.startswith("'") and _AT_START.match(text, 1) else text
    return _MARKED_INSIDE.sub("", marked)
