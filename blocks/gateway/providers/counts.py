"""Token counts of providers as a `Usage`; an impossible count is treated as missing."""

from typing import Any

from blocks.gateway.model import Usage

MAX_TOKENS = 1_000_000_000
"""No request has more. A larger count is a mistake, and would use up the budgets."""


def count(value: object) -> int | None:
    """A count of tokens; None where `value` is missing, negative, fractional, too large, or no number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_TOKENS else None


def part_of(value: object, total: int) -> int:
    """A count that is part of `total`; 0 where it cannot be, so that all of `total` is charged at the full price."""
    tokens = count(value)
    return tokens if tokens is not None and tokens <= total else 0


def stated_usage(input_tokens: int | None, output_tokens: int | None, **parts: Any) -> Usage:
    """The usage of these totals, marked as not stated where either is missing. `parts` are counts of tokens."""
    if input_tokens is None or output_tokens is None:
        return Usage(is_stated=False)
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, **parts)
