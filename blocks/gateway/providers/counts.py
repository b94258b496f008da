"""Token counts as providers state them, made into a `Usage`; what cannot be a count is taken for not stated."""

from collections.abc import Mapping

from blocks.gateway.model import Usage

MOST_TOKENS = 1_000_000_000
"""No request has more: a larger count is a mistake, and would fill the budgets' books."""


def mapping(value: object) -> Mapping[str, object]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """`value` where it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """`value` where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """A count of tokens, None where `value` is none: missing, negative, fractional, absurdly large, or no number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if is_count and isinstance(value, int) else None


def part(value: object, whole: int) -> int:
    """A count that is part of another one; 0 where it cannot be, so that the whole is paid at the full price."""
    said = count(value)
    return said if said is not None and said <= whole else 0


def stated(input_tokens: int | None, output_tokens: int | None, **parts: int) -> Usage:
    """The usage of these totals, or one that says that it was not stated where either is missing."""
    if input_tokens is None or output_tokens is None:
        return Usage(is_stated=False)
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, **parts)
