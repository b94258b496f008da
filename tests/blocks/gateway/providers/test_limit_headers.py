import pytest

from blocks.gateway.providers.limit_headers import Allowance, LimitHeaders, read_limit_headers

HEADERS: list[tuple[dict[str, str], LimitHeaders | None]] = [
    ({}, None),
    ({"content-type": "application/json", "Retry-After": "3"}, None),
    (
        {
            "X-RateLimit-Limit-Requests": "60",
            "X-RateLimit-Remaining-Requests": "59",
            "X-RateLimit-Reset-Requests": "1s",
            "x-ratelimit-limit-tokens": "150000",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        LimitHeaders(Allowance(59, 60, 1.0), Allowance(149_984, 150_000, 360.0)),
    ),
    (
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"},
        LimitHeaders(Allowance(0, None, 0.12)),
    ),
    (
        {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1h2m3.5s"},
        LimitHeaders(Allowance(3, None, 3_723.5)),
    ),
    (
        {"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "42"},
        LimitHeaders(None, Allowance(7, None, 42)),
    ),
    (
        {
            "date": "Fri, 17 May 2024 10:00:00 GMT",
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2024-05-17T10:00:02Z",
            "anthropic-ratelimit-tokens-limit": "40000",
            "anthropic-ratelimit-tokens-remaining": "1000",
            "anthropic-ratelimit-tokens-reset": "2024-05-17T12:00:30+02:00",
            "anthropic-ratelimit-input-tokens-remaining": "30000",
        },
        LimitHeaders(Allowance(49, 50, 2.0), Allowance(1_000, 40_000, 30.0)),
    ),
    (
        {"anthropic-ratelimit-input-tokens-remaining": "5", "anthropic-ratelimit-input-tokens-limit": "10"},
        LimitHeaders(None, Allowance(5, 10)),
    ),
    (
        {
            "Date": "Fri, 17 May 2024 10:00:00 GMT",
            "X-RateLimit-Limit": "20",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1715940005000",
        },
        LimitHeaders(Allowance(0, 20, 5.0)),
    ),
    (
        {"date": "Fri, 17 May 2024 10:00:00 GMT", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "1715940000"},
        LimitHeaders(Allowance(1, None, 0.0)),
    ),
    ({"x-ratelimit-remaining-requests": "-2"}, LimitHeaders(Allowance(0))),
    ({"x-ratelimit-remaining-requests": "many", "x-ratelimit-remaining-tokens": "nan"}, None),
    (
        {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "soon", "date": "yesterday"},
        LimitHeaders(Allowance(1)),
    ),
    ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": " "}, LimitHeaders(Allowance(1))),
]


@pytest.mark.parametrize(("headers", "said"), HEADERS)
def test_limit_headers_are_read(headers: dict[str, str], said: LimitHeaders | None) -> None:
    assert read_limit_headers(headers) == said
