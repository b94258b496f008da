"""What calls cost, against usages of every provider with the sums worked out by hand, and what they cost at most.

Each case of usages/*.json has the reply as the provider sends it, the model, the cost, and how it follows from the
provider's published prices.
"""

import json
import random
import socket
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from blocks.gateway.model import Usage
from blocks.gateway.providers.catalogue import PROVIDERS
from blocks.gateway.registry.registry import ProviderName, RegisteredModel
from blocks.gateway.spending.prices import (
    CACHE_WRITE,
    CACHED,
    INPUT,
    OUTPUT,
    REASONING,
    REQUESTS,
    Price,
    base_usd,
    listed_price,
    price_of,
    prices_by_served,
)

FOLDER = Path(__file__).parent / "usages"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.json"))
    for case in json.loads(file.read_text())
]


def model(**values: Any) -> RegisteredModel:
    return RegisteredModel.model_validate({"name": "asked", "provider": "openai", "upstream": "gpt-4.1"} | values)


def known_price(**values: Any) -> Price:
    price = price_of(model(**values))
    assert price is not None
    return price


def test_there_are_enough_cases_of_every_provider() -> None:
    assert len(CASES) >= 40
    assert {case.values[0]["model"]["provider"] for case in CASES} == set(PROVIDERS)  # type: ignore[index]  # a dict


@pytest.mark.parametrize("case", CASES)
def test_a_usage_costs_what_the_published_prices_make_it(case: dict[str, Any]) -> None:
    asked = model(**case["model"])
    at = datetime.fromisoformat(case["at"]) if "at" in case else None
    price = price_of(asked)
    assert price is not None
    usage = PROVIDERS[asked.provider].read(asked, case["body"]).usage
    assert usage.is_stated
    assert price.cost(usage, at) == Decimal(case["cost_usd"]), case["how"]


@pytest.mark.parametrize("case", CASES)
def test_no_usage_costs_more_than_what_is_reserved_for_it(case: dict[str, Any]) -> None:
    asked = model(**case["model"])
    price = price_of(asked)
    assert price is not None
    usage = PROVIDERS[asked.provider].read(asked, case["body"]).usage
    assert price.max_cost(usage.input_tokens, 0, usage.output_tokens) >= Decimal(case["cost_usd"])


@pytest.mark.parametrize(
    ("provider", "upstream"),
    [
        ("openai", "gpt-4.1"),
        ("openai", "gpt-6.1-sol"),
        ("openai", "gpt-5.6-terra"),
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-haiku-5-5"),
        ("gemini", "gemini-2.5-pro"),
    ],
)
def test_costs_agree_with_the_price_list_s_own_arithmetic(provider: ProviderName, upstream: str) -> None:
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price

    draw = random.Random(f"{provider} {upstream}")
    price = known_price(provider=provider, upstream=upstream)
    for _ in range(200):
        cached, written, plain = (draw.choice((0, 1, 999, 150_000, 280_000)) for _ in range(3))
        answered = draw.randrange(100_000)
        hour = draw.randrange(written + 1) if provider == "anthropic" else 0
        usage = Usage(
            input_tokens=plain + cached + written,
            output_tokens=answered,
            cached_tokens=cached,
            cache_write_tokens=written,
            cache_write_1h_tokens=hour,
        )
        hourly = {"cache_write_1h_tokens": hour} if provider == "anthropic" else {}
        theirs = calc_price(
            ListedUsage(
                input_tokens=plain + cached + written,
                output_tokens=answered,
                cache_read_tokens=cached,
                cache_write_tokens=written,
                **hourly,
            ),
            upstream,
            provider_id={"gemini": "google"}.get(provider, provider),
        )
        assert price.cost(usage) == theirs.total_price
        assert price.max_cost(plain + cached + written, 0, answered) >= theirs.total_price


@pytest.mark.parametrize(
    "values",
    [
        {"upstream": "gpt-of-next-year"},
        {"upstream": "llama3.1:8b", "endpoint": "http://localhost:11434/v1"},
        {"upstream": "gpt-4.1", "endpoint": "http://localhost:8000/v1"},
        {"upstream": "gpt-image-1"},
        {"upstream": "tts-1"},
        {"upstream": "whisper-1"},
        {"upstream": "text-embedding-3-small"},
        {"upstream": "claude-sonnet-4-5"},
        {"upstream": "qwen", "endpoint": "http://gpu.example/v1", "input_price": "0.1"},
        {"upstream": "qwen", "endpoint": "http://gpu.example/v1", "output_price": "0.1", "cached_price": "0"},
    ],
    ids=lambda values: " ".join(map(str, values.values())),
)
def test_what_nobody_prices_has_no_price(values: dict[str, str]) -> None:
    assert price_of(model(**values)) is None


def test_only_what_costs_nothing_is_free() -> None:
    own = {"upstream": "llama", "endpoint": "http://localhost:1/v1", "input_price": "0", "output_price": "0"}
    assert known_price(**own).is_free
    assert not known_price(**own | {"output_price": "0.000001"}).is_free
    assert not known_price(upstream="gpt-4.1", input_price="0", output_price="0").is_free  # cached tokens have a price


def test_what_is_reserved_covers_images_the_provider_s_frame_and_the_dearest_tier() -> None:
    plain = known_price(upstream="gpt-4.1")
    # 10,000 bytes and 1,000 for the frame at $2.00, 4,096 at $8.00 per million
    assert plain.max_cost(10_000, 0, 4_096) == Decimal("0.054768")
    assert plain.max_cost(10_000, 2, 4_096) == Decimal("0.054768") + Decimal("0.024")  # 6,000 tokens an image
    assert known_price(upstream="gpt-4o-mini").max_cost(0, 1, 0) >= Decimal("0.15") * 48_169 / 1_000_000
    written = known_price(provider="anthropic", upstream="claude-sonnet-4-5")
    assert written.max_cost(99_000, 0, 0) == Decimal("0.6")  # 100,000 tokens written for an hour at $6.00
    assert written.max_cost(299_000, 0, 0) == Decimal("3.6")  # and 300,000 of them at $12.00


def test_what_was_not_stated_costs_nothing_that_is_known() -> None:
    assert known_price(upstream="gpt-4.1").cost(Usage(is_stated=False)) == 0


RESEARCH = {"upstream": "perplexity/sonar-deep-research", "endpoint": "https://openrouter.ai/api/v1"}
"""The list has $2 for its input, $8 for its output and $3 for its reasoning."""


def test_the_output_price_of_a_row_replaces_the_list_s_price_of_reasoning() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000, reasoning_tokens=600_000)
    assert known_price(**RESEARCH).cost(usage) == Decimal(2) + Decimal("3.2") + Decimal("1.8")
    assert known_price(**RESEARCH, output_price="1").cost(usage) == Decimal(3)
    assert known_price(**RESEARCH, output_price="1").max_cost(0, 0, 1_000_000) == Decimal("1.002")
    assert known_price(**RESEARCH, input_price="1").cost(usage) == Decimal(6)  # and the input price replaces it not


def test_the_write_price_of_a_row_holds_for_what_is_kept_an_hour_too() -> None:
    price = known_price(provider="anthropic", upstream="claude-sonnet-4-5", cache_write_price="7")
    usage = Usage(input_tokens=1_000_000, cache_write_tokens=1_000_000, cache_write_1h_tokens=400_000)
    assert price.cost(usage) == Decimal(7)


def test_each_price_of_a_row_replaces_its_own_and_no_other() -> None:
    usage = Usage(input_tokens=150_000, cached_tokens=50_000, output_tokens=10_000)
    assert known_price().cost(usage) == Decimal("0.2") + Decimal("0.025") + Decimal("0.08")
    assert known_price(input_price="1").cost(usage) == Decimal("0.1") + Decimal("0.025") + Decimal("0.08")
    assert known_price(cached_price="0").cost(usage) == Decimal("0.2") + Decimal("0.08")


def test_beside_a_field_that_changes_the_prices_none_comes_from_the_list() -> None:
    usage = Usage(input_tokens=150_000, cached_tokens=50_000, output_tokens=10_000)
    priority: dict[str, Any] = {"extra_body": {"service_tier": "priority"}, "input_price": "4", "output_price": "16"}
    assert known_price(**priority).cost(usage) == Decimal("0.6") + Decimal("0.16")
    assert price_of(model(extra_body={"service_tier": "priority"}, input_price="4")) is None


def test_the_last_period_that_holds_counts_and_the_first_where_none_does() -> None:
    class Until(NamedTuple):
        year: int

        def active(self, request_timestamp: datetime) -> bool:
            return request_timestamp.year < self.year

    def rates(usd: int) -> dict[str, Decimal]:
        return {INPUT: Decimal(usd), OUTPUT: Decimal(0)}

    price = Price(((Until(2010), rates(1)), (Until(2030), rates(2)), (Until(2020), rates(3))))
    usage = Usage(input_tokens=1_000_000)
    years = {2005: 3, 2019: 3, 2025: 2, 2035: 1}
    assert {year: price.cost(usage, datetime(year, 1, 1, tzinfo=UTC)) for year in years} == years
    assert price.max_cost(999_000, 0, 0) == 3  # whichever holds when the request arrives
    assert not Price(((None, rates(0)), (Until(2000), rates(1)))).is_free


def test_a_fee_per_request_is_reserved_and_paid_once() -> None:
    price = Price(((None, {INPUT: Decimal(0), OUTPUT: Decimal(0), REQUESTS: Decimal(12)}),))
    assert not price.is_free
    assert price.cost(Usage()) == price.max_cost(10, 0, 10) == Decimal("0.012")


def test_the_dearest_kind_of_token_is_reserved() -> None:
    price = Price(((None, {INPUT: Decimal(1), CACHE_WRITE: Decimal(3), OUTPUT: Decimal(1), REASONING: Decimal(5)}),))
    assert price.max_cost(999_000, 0, 1_000_000) == Decimal(8)


def test_contradictory_counts_never_make_a_cost_negative() -> None:
    price = known_price(upstream="gpt-4.1")
    usage = Usage(input_tokens=10, cached_tokens=1_000, cache_write_tokens=50, output_tokens=5, reasoning_tokens=99)
    assert price.cost(usage) == Decimal("0.0005") + 50 * Decimal("0.000002") + 5 * Decimal("0.000008")


def test_tokens_that_are_written_to_the_cache_and_read_from_it_are_paid_for_both_and_the_rest_as_input() -> None:
    price = known_price(upstream="google/gemini-2.5-flash", endpoint="https://openrouter.ai/api/v1")
    usage = Usage(input_tokens=1_010, cached_tokens=1_000, cache_write_tokens=1_000)
    rates = price.rates()
    expected = 10 * base_usd(rates[INPUT]) + 1_000 * (base_usd(rates[CACHED]) + base_usd(rates[CACHE_WRITE]))
    assert price.cost(usage) == expected.scaleb(-6)


def test_the_price_of_the_model_that_a_reply_names() -> None:
    asked = model(upstream="gpt-4.1")
    price = known_price(upstream="gpt-4.1")
    by_served = prices_by_served(asked, price)
    usage = Usage(input_tokens=1_000_000)
    assert by_served("gpt-4.1-mini-2025-04-14").cost(usage) == Decimal("0.4")
    assert [by_served(name) for name in ("", "gpt-4.1", "gpt-of-next-year")] == [price] * 3
    partly = model(upstream="gpt-4.1", input_price="1")
    assert prices_by_served(partly, price)("gpt-4.1-mini").cost(usage) == 1
    own = model(upstream="gpt-4.1", input_price="1", output_price="1")
    assert prices_by_served(own, price)("gpt-4.1-mini") is price


def test_prices_are_looked_up_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a price was asked for over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    listed_price.cache_clear()
    assert price_of(model(upstream="gpt-4.1")) is not None
    assert price_of(model(upstream="unheard-of")) is None
