"""How long a provider asks to wait, in every form that providers use.

- ``retry-after-ms`` (Azure OpenAI); ``retry-after`` in seconds, fractions included, or as an HTTP date (RFC 9110)
- in the body: ``RetryInfo.retryDelay`` ("17s", Google), ``retry_after`` and ``retry_after_ms``, and prose such as
  "Please try again in 1m2.5s", "retry after 26 seconds"
- without any of these, ``x-ratelimit-reset-*`` and ``anthropic-ratelimit-*-reset`` of used-up limits
"""

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MAX_BODY = 64 * 1024
_EARLIEST_MOMENT = 1e9
"""A number from here on is a moment, in seconds since 1970, not a duration."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?)\s*(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
)
_PROSE = re.compile(
    r"(?:try(?:ing)? again|retry|retrying|wait|resets?|available again)(?: your request)?(?: again)?"
    r"(?: (?:in|after|for))?(?: about| at least| approximately)?:?\s*((?:\d+(?:\.\d+)?\s*[a-z]+[\s,]*(?:and\s+)?)+)"
)


def retry_after_s(headers: Mapping[str, str], body: bytes, now: float) -> float | None:
    """The minimum wait in seconds, the longest of several; None where the reply states none. A past time is 0.

    `now` is the time since 1970 at which the reply came.
    """
    named = {name.lower(): value.strip() for name, value in headers.items()}
    text = body[:_MAX_BODY].decode("utf-8", "replace")
    waits = [wait for wait in (*_in_headers(named, now), *_in_body(text)) if math.isfinite(wait)]
    if not waits:
        waits = list(_of_limits(named, now))
    return max(0.0, *waits) if waits else None


def _in_headers(headers: Mapping[str, str], now: float) -> Iterator[float]:
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        yield milliseconds / 1_000
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        yield seconds
    elif value:
        moment = _moment(value)
        if moment is not None:
            yield moment - stated_now(headers, now)
        yield from _span(value.lower())


def _in_body(text: str) -> Iterator[float]:
    with contextlib.suppress(ValueError, RecursionError):  # prose, or cut off: it is searched as text below
        yield from _in_json(json.loads(text))
    for found in _PROSE.finditer(text.lower()):
        yield from _span(found[1])


def _in_json(value: object) -> Iterator[float]:
    """The waits under the keys that providers use, anywhere in an error's body."""
    if isinstance(value, list):
        for item in value:
            yield from _in_json(item)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        name = key.lower().replace("-", "_")
        if name in ("retrydelay", "retry_delay", "retry_after", "retryafter", "retry_after_seconds", "retry_after_s"):
            yield from _delay(item)
        elif name in ("retry_after_ms", "retryafterms"):
            yield from (wait / 1_000 for wait in _delay(item))
        else:
            yield from _in_json(item)


def _delay(item: object) -> Iterator[float]:
    """A duration in JSON: seconds, "17s", or the seconds and nanoseconds of a protobuf."""
    if isinstance(item, dict):
        seconds, nanos = item.get("seconds", 0), item.get("nanos", 0)
        item = float(seconds) + float(nanos) / 1e9 if _is_number(seconds) and _is_number(nanos) else ""
    stated_s = _number(str(item)) if not isinstance(item, bool) else None
    if stated_s is not None:
        yield stated_s
    else:
        yield from _span(str(item).lower())


def _of_limits(headers: Mapping[str, str], now: float) -> Iterator[float]:
    """When the used-up limits reset. Where none is known to be used up, when each limit resets."""
    resets: dict[str, float] = {}
    for name, value in headers.items():
        if "ratelimit" in name and "reset" in name:
            wait = seconds_to_go(value, stated_now(headers, now))
            resets |= {} if wait is None else {name: wait}
    left = {name: _number(headers.get(name.replace("reset", "remaining"), "")) for name in resets}
    used_up = [resets[name] for name, remaining in left.items() if remaining is not None and remaining <= 0]
    yield from used_up or resets.values()


def seconds_to_go(value: str, now: float) -> float | None:
    """The seconds until a reset, below 0 where it has passed; None where `value` is no time.

    A reset is a duration, in seconds or with units, or a moment: RFC 3339, or (milli)seconds since 1970.
    """
    number = _number(value)
    if number is None:
        moment = _moment(value)
        return next(_span(value.lower()), None) if moment is None else moment - now
    if number < _EARLIEST_MOMENT:
        return number
    return (number / 1_000 if number >= _EARLIEST_MOMENT * 1_000 else number) - now


def stated_now(headers: Mapping[str, str], now: float) -> float:
    """The provider's clock, from the reply's `Date`, so that a wrong clock on either side does no harm; else `now`.

    Names of `headers` are in lower case.
    """
    stated = _moment(headers.get("date", ""))
    return now if stated is None else stated


def _span(text: str) -> Iterator[float]:
    """A duration with its units, such as 1m2.5s or 26 seconds."""
    parts = [(float(number), unit) for number, unit in _SPAN.findall(text)]
    if parts:
        yield sum(number * _UNITS_S["ms" if unit.startswith(("ms", "mil")) else unit[0]] for number, unit in parts)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,15}(\.\d+)?", text) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | str) and _number(str(value)) is not None


def _moment(text: str) -> float | None:
    """A date as HTTP writes it, or RFC 3339, in seconds since 1970."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None
