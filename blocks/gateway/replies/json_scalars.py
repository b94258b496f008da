"""The scalars of a reply's JSON: fractions stay as they are written, and NaN and Infinity are refused."""

from decimal import Decimal
from typing import Never

from jiter import LosslessFloat

MAX_NUMBER_DIGITS = 100
MAX_EXPONENT = 30
"""No figure of a document is near these limits, and longer numbers are slow to compute with."""

ABSURD = "a number of absurd size"


class Unreadable(Exception):
    """Why a text cannot be read. It never leaves this room: `read_object` makes it a `MalformedReply`."""


def as_written(number: str) -> LosslessFloat:
    """A JSON number with a fraction or an exponent, which keeps its text."""
    return LosslessFloat(number.encode())


def plain_number(number: int | LosslessFloat) -> str:
    """A number's digits without an exponent: 9.00 stays 9.00. Raises `Unreadable` where there are too many."""
    if isinstance(number, int):
        if abs(number) >= 10**MAX_NUMBER_DIGITS:
            raise Unreadable(ABSURD)
        return str(number)
    text = str(number)
    _, _, exponent = text.lower().partition("e")
    if len(text) > MAX_NUMBER_DIGITS or (exponent and abs(int(exponent)) > MAX_EXPONENT):
        raise Unreadable(ABSURD)
    return f"{Decimal(text):f}"


def no_number(text: str) -> Never:
    """Refuses NaN and Infinity, which JSON does not have. Raises `Unreadable`."""
    raise Unreadable("NaN or Infinity")
