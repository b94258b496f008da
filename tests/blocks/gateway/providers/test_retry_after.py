"""Every form in which a provider asks to wait."""

import json

import pytest

from blocks.gateway.providers.retry_after import retry_after_s

NOW = 1_767_225_590.5  # 31 December 2025, 23:59:50.5 GMT
GOOGLE = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "x/google.rpc.RetryInfo"}]}}


def google(delay: object) -> bytes:
    body = json.loads(json.dumps(GOOGLE))
    body["error"]["details"][0]["retryDelay"] = delay
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("headers", "body", "wanted"),
    [
        ({"Retry-After": "2"}, b"", 2.0),
        ({"retry-after": "1.5"}, b"", 1.5),
        ({"retry-after": "0"}, b"", 0.0),
        ({"retry-after": "-3"}, b"", 0.0),
        ({"retry-after": "30s"}, b"", 30.0),
        ({"retry-after-ms": "250"}, b"", 0.25),
        ({"retry-after": "1", "retry-after-ms": "1750"}, b"", 1.75),
        ({"retry-after": "Wed, 31 Dec 2025 23:59:59 GMT"}, b"", 8.5),
        ({"retry-after": "Wednesday, 31-Dec-25 23:59:59 GMT"}, b"", 8.5),
        ({"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, b"", 0.0),
        ({"retry-after": "2025-12-31T23:59:59Z"}, b"", 8.5),
        # the server's clock is an hour ahead of this one's
        ({"retry-after": "Thu, 01 Jan 2026 00:59:59 GMT", "date": "Thu, 01 Jan 2026 00:59:52 GMT"}, b"", 7.0),
        ({}, b'{"error": {"message": "Rate limit reached. Please try again in 1m2s. Visit us."}}', 62.0),
        ({}, b"Please try again in 20ms.", 0.02),
        ({}, b"Please try again in 7m54.336s.", 474.336),
        ({}, b"please TRY AGAIN in 6h3m2.5s", 21_782.5),
        ({}, b"Please retry after 26 seconds.", 26.0),
        ({}, b"Retry after 1 minute and 30 seconds", 90.0),
        ({}, b"Please retry in 47.434392449s.", 47.434392449),
        ({}, google("17s"), 17.0),
        ({}, google("45.837906927s"), 45.837906927),
        ({}, google({"seconds": "3", "nanos": 500_000_000}), 3.5),
        ({}, b"[" + google("12s") + b"]", 12.0),
        ({}, b'{"error": {"retry_after": 12}}', 12.0),
        ({}, b'{"error": {"metadata": {"retry_after_ms": 1500}}}', 1.5),
        ({"retry-after": "2"}, b"try again in 20s", 20.0),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0"}, b"", 360.0),
        ({"x-ratelimit-reset-requests": "120ms"}, b"", 0.12),
        (
            {
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-requests": "12",
                "x-ratelimit-reset-tokens": "1.5s",
                "x-ratelimit-remaining-tokens": "0",
            },
            b"",
            1.5,
        ),
        ({"anthropic-ratelimit-tokens-reset": "2025-12-31T23:59:59Z"}, b"", 8.5),
        ({"x-ratelimit-reset": "1767225599"}, b"", 8.5),
        ({"x-ratelimit-reset": "1767225599500"}, b"", 9.0),
        ({"x-ratelimit-reset-tokens": "1h", "retry-after": "3"}, b"", 3.0),
    ],
)
def test_each_form_is_understood(headers: dict[str, str], body: bytes, wanted: float) -> None:
    found = retry_after_s(headers, body, NOW)
    assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"retry-after": "soon"}, b"we are busy"),
        ({"retry-after": "NaN"}, b""),
        ({"retry-after": "inf"}, b""),
        ({"retry-after": "9" * 40}, b""),
        ({}, google(None)),
        ({}, b'{"retry_after": true}'),
        ({}, b"wait 3 models"),
        ({}, b"[" * 100_000),
        ({}, b"\xff\xfe retry"),
    ],
)
def test_what_says_nothing_is_no_time(headers: dict[str, str], body: bytes) -> None:
    assert retry_after_s(headers, body, NOW) is None
