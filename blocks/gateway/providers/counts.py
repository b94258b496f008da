"""Token counts of providers as a `Usage`; an impossible count is treated as missing."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from blocks.gateway.model import Usage
from blocks.gateway.providers.json_access import as_mapping

MAX_TOKENS = 1_000_000_000
"""No request has more. A larger count is a mistake, and would use up the budgets."""


MAX_CALL_USD = 1_000


def count(value: object) -> int | None:
    """A count of tokens; None where `value` is missing, negative, fractional, too large, or no number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_TOKENS else None


def usd(value: object) -> Decimal | None:
    """An amount of USD; None where `value` is missing, negative, no number, or more than any call costs."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= MAX_CALL_USD else None


def part_of(value: object, total: int) -> int:
    """A count that is part of `total`; 0 where it cannot be, so that all of `total` is charged at the full price."""
    tokens = count(value)
    return tokens if tokens is not None and tokens <= total else 0


def stated_usage(input_tokens: int | None, output_tokens: int | None, text: str, **parts: Any) -> Usage:
    """The usage of these totals. `parts` are counts of tokens, `text` is the reply's.

    It is not stated where a total is missing or cannot be: no request has 0 tokens, nor has a text.
    """
    if not input_tokens or output_tokens is None or (text and not output_tokens):
        return Usage(is_stated=False, stated_cost_usd=parts.get("stated_cost_usd"))
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, **parts)


def stated_cost(counts: Mapping[str, object]) -> Decimal | None:
    """What a usage of any format says that the reply costs in USD: OpenRouter's, with what the user's own key pays
    upstream, Perplexity's, and xAI's, which counts in ten thousand millionths."""
    stated = counts.get("cost")
    cost = usd(as_mapping(stated).get("total_cost") if isinstance(stated, dict) else stated)
    if counts.get("is_byok") is True:
        upstream = usd(as_mapping(counts.get("cost_details")).get("upstream_inference_cost"))
        return upstream if cost is None else cost + (upstream or 0)
    ticks = counts.get("cost_in_usd_ticks")
    if cost is None and isinstance(ticks, int) and ticks > 0:
        return usd(f"{ticks}e-10")
    return cost
