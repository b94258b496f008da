"""The scalars of a reply's JSON: fractions stay as they are written, and NaN and Infinity are refused."""

from decimal import Decimal
from typing import Never

MAX_NUMBER_DIGITS = 100
MAX_EXPONENT = 30
"""No figure of a document is near these limits, and longer numbers are slow to compute with."""

ABSURD = "a number of absurd size"


class Unreadable(Exception):
    """Why a text cannot be read. It never leaves this room: `read_object` makes it a `MalformedReply`."""


class NumberText(str):
    """A JSON number with a fraction or an exponent, as it is written."""

    __slots__ = ()


def plain_number(number: "int | NumberText") -> str:
    """A number's digits without an exponent: 9.00 stays 9.00. Raises `Unreadable` where there are too many."""
    if isinstance(number, int):
        if abs(number) >= 10**MAX_NUMBER_DIGITS:
            raise Unreadable(ABSURD)
        return str(number)
    _, _, exponent = number.lower().partition("e")
    if len(number) > MAX_NUMBER_DIGITS or (exponent and abs(int(exponent)) > MAX_EXPONENT):
        raise Unreadable(ABSURD)
    return f"{Decimal(number):f}"


def no_number(text: str) -> Never:
    """Refuses NaN and Infinity, which JSON does not have. Raises `Unreadable`."""
    raise Unreadable("NaN or Infinity")
