"""Amounts that only remark on the amount before them: "240.00 (incl. VAT 40.00)", "204.00 at a rate of 0.85".

The label of a row is that of its amount, not of what the row adds in brackets, behind a comma or behind such a word.
"""

import re
from collections.abc import Iterable

from blocks.reader.candidates import Candidate
from blocks.values.currencies import is_currency_word

IS_AMOUNT = -2.0
"""A number that counts more than that looks like an amount; a bare "3" is a count or the number of a house."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_OPENS = re.compile(r"[(\[;]|,\s|\s[/\u2013\u2014-]\s")
_OF_A_REMARK = re.compile(
    r"@|\b(?:incl\w*|inkl\w*|including|excl\w*|contains?|dar(?:in|unter)|davon|enth(?:ä|ae?)lt\w*|dont|soit|inclus\w*|which"
    r"|rate|exchange|kurs|wechselkurs|umgerechnet|cours|taux|at|zu[mr]?|à|if|bei|bis|when|until|avant|sous"
    r"|less|abz(?:ü|ue)gl\w*|abzgl|moins|skonto|discount|escompte|plus|zzgl|zuz(?:ü|ue)gl\w*)\b",
    re.IGNORECASE,
)


def remarks(row: Iterable[Candidate]) -> frozenset[tuple[int, int]]:
    """The places of those amounts of a row that remark on another one before them in their cell."""
    in_order = sorted(row, key=lambda found: found.place)
    return frozenset(found.place for found in in_order if _is_remark(found, in_order))


def _is_remark(found: Candidate, row: Iterable[Candidate]) -> bool:
    """Whether words of a remark stand between an amount and the first one of its cell."""
    first = next((other for other in row if other.cell == found.cell and other.weight > IS_AMOUNT), None)
    if first is None or found.start < first.end:
        return False
    text = found.cell.text
    between = text[first.end : found.start]
    if between.rstrip(" €$£").endswith("="):
        return False
    is_open = between.rfind("(") > between.rfind(")")
    around = between + (text[found.end :].partition(")")[0] if is_open else "")
    words = [word for word in _WORD.findall(around) if not is_currency_word(word)]
    return bool(_OF_A_REMARK.search(around) or (words and _OPENS.search(between)))
