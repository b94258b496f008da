"""The rate limits that a reply's headers state.

- OpenAI and its format: ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``; a reset is a duration (``6m0s``)
- Anthropic: ``anthropic-ratelimit-{requests,tokens,input-tokens}-{limit,remaining,reset}``; a reset is an RFC 3339 time
- gateways such as OpenRouter: ``x-ratelimit-{limit,remaining,reset}``; a reset is (milli)seconds since 1970

An unreadable header is treated as missing.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from blocks.gateway.providers.retry_after import seconds_to_go, stated_now

NAMES = (
    ("x-ratelimit-{}-requests", "x-ratelimit-{}-tokens"),
    ("anthropic-ratelimit-requests-{}", "anthropic-ratelimit-tokens-{}"),
    ("anthropic-ratelimit-requests-{}", "anthropic-ratelimit-input-tokens-{}"),
    ("x-ratelimit-{}", ""),
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit: `remaining` of `limit`, which is full again in `reset_s` (a minute if not stated)."""

    remaining: float
    limit: float | None = None
    reset_s: float | None = None

    def wait_s(self, amount: float) -> float:
        """How long until `amount` is left, if the limit refills at a steady rate and nobody uses it."""
        reset_s = 60.0 if self.reset_s is None else self.reset_s
        missing = amount - self.remaining
        used = max((self.limit or 0.0) - self.remaining, missing)
        return reset_s * missing / used if missing > 0 else 0.0


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """The limits on requests and on tokens that a reply states; None where it states none."""

    requests: Allowance | None = None
    tokens: Allowance | None = None


def read_limit_headers(headers: Mapping[str, str]) -> LimitHeaders | None:
    """The limits that a reply's headers state, None where they state none. Names may be in any case."""
    lower = {name.lower(): value for name, value in headers.items()}
    if not any("ratelimit-" in name for name in lower):
        return None
    now_s = stated_now(lower, time.time())
    requests = tokens = None
    for request_name, token_name in NAMES:
        requests = requests or _allowance(lower, request_name, now_s)
        tokens = tokens or (_allowance(lower, token_name, now_s) if token_name else None)
    return LimitHeaders(requests, tokens) if requests or tokens else None


def _allowance(headers: Mapping[str, str], name: str, now_s: float) -> Allowance | None:
    remaining = _number(headers.get(name.format("remaining"), ""))
    if remaining is None:
        return None
    limit = _number(headers.get(name.format("limit"), ""))
    wait_s = seconds_to_go(headers.get(name.format("reset"), ""), now_s)
    return Allowance(remaining, limit, None if wait_s is None else max(0.0, wait_s))


def _number(value: str) -> float | None:
    """A count, at least 0: some gateways state a negative remainder."""
    try:
        number = float(value)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
