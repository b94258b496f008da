"""JSON's scalars as replies have them: fractions stay as they are written, and what is no number in JSON is refused."""

from decimal import Decimal
from typing import Never

LONGEST_NUMBER = 100
LARGEST_EXPONENT = 30
"""No figure of a document comes near either, and longer ones are slow to compute with."""


ABSURD = "a number of absurd size"


class Unreadable(Exception):
    """What makes a text unreadable. Never leaves this room: `read_object` makes it a `MalformedReply`."""


class NumberText(str):
    """A JSON number with a fraction or an exponent, as it is written."""

    __slots__ = ()


def plain_number(number: "int | NumberText") -> str:
    """A number's digits without an exponent: 9.00 stays 9.00. Raises `Unreadable` where they are absurdly many."""
    if isinstance(number, int):
        if abs(number) >= 10**LONGEST_NUMBER:
            raise Unreadable(ABSURD)
        return str(number)
    _, _, exponent = number.lower().partition("e")
    if len(number) > LONGEST_NUMBER or (exponent and abs(int(exponent)) > LARGEST_EXPONENT):
        raise Unreadable(ABSURD)
    return f"{Decimal(number):f}"


def no_number(text: str) -> Never:
    """Refuses NaN and Infinity, which JSON does not have. Raises `Unreadable`."""
    raise Unreadable("NaN or Infinity")
