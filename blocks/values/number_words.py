"""Whole numbers spelled in English, as sentences have small numbers: "seven years", "twenty-five boxes"."""

import re

_ONES = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(_ONES, start=1)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_WORD = re.compile(rf"(?<!\w)(?:(?P<tens>{'|'.join(_TENS)})[\s-]+)?(?P<last>{'|'.join(_VALUES)})(?!\w)", re.IGNORECASE)


def spelled_number(text: str) -> int | None:
    """The number from 1 to 99 that the complete `text` spells, or None where it spells none."""
    match = _WORD.fullmatch(text.strip())
    return _value(match) if match else None


def spelled_numbers(text: str) -> set[int]:
    """Every number from 1 to 99 that is spelled in `text`."""
    return {value for match in _WORD.finditer(text) if (value := _value(match)) is not None}


def _value(match: re.Match[str]) -> int | None:
    last = _VALUES[match["last"].lower()]
    if match["tens"] is None:
        return last
    return _VALUES[match["tens"].lower()] + last if last < len(_TENS) + 2 else None
