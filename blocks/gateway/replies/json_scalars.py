"""JSON's scalars as replies have them: numbers stay as they are written, and what is no number in JSON is refused."""

from typing import Never

LONGEST_NUMBER = 100
LARGEST_EXPONENT = 30
"""No figure of a document comes near either, and longer ones are slow to compute with."""


class Unreadable(Exception):
    """What makes a text unreadable. Never leaves this room: `read_object` makes it a `MalformedReply`."""


class NumberText(str):
    """A JSON number as it is written."""

    __slots__ = ()


def exact_number(text: str) -> NumberText:
    """A number's digits, as they are written. Raises `Unreadable` where they are absurdly many."""
    _, _, exponent = text.lower().partition("e")
    if len(text) > LONGEST_NUMBER or (exponent and abs(int(exponent)) > LARGEST_EXPONENT):
        raise Unreadable("a number of absurd size")
    return NumberText(text)


def no_number(text: str) -> Never:
    """Refuses NaN and Infinity, which JSON does not have. Raises `Unreadable`."""
    raise Unreadable("NaN or Infinity")
