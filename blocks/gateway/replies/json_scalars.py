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

    @property
    def is_absurd(self) -> bool:
        """Whether it has more digits, or a larger exponent, than any figure of a document."""
        _, _, exponent = self.lower().partition("e")
        return len(self) > LONGEST_NUMBER or (exponent != "" and abs(int(exponent)) > LARGEST_EXPONENT)


def no_number(text: str) -> Never:
    """Refuses NaN and Infinity, which JSON does not have. Raises `Unreadable`."""
    raise Unreadable("NaN or Infinity")
