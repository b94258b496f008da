"""Facts of the chat completions format that no whole reply shows: contradictory counts, and what is no logarithm."""

import math
from decimal import Decimal
from typing import Any

import pytest

from blocks.gateway.errors import CallFailed
from blocks.gateway.model import Usage
from blocks.gateway.providers.counts import stated_cost
from blocks.gateway.providers.openai_chat import logprobs, openai_usage, read
from blocks.gateway.registry.registry import RegisteredModel


def usage_of(prompt: object, completion: object = 10, **more: Any) -> Usage:
    return openai_usage({"prompt_tokens": prompt, "completion_tokens": completion} | more, "prompt", "completion")


def details(**counts: object) -> dict[str, object]:
    return {"prompt_tokens_details": counts}


@pytest.mark.parametrize(
    ("cached", "written", "kept"),
    [
        (600, 400, (600, 400)),
        (990, 980, (990, 980)),  # a router writes what it reads
        (1_000, 1_001, (1_000, 0)),
        (0, 1_000, (0, 1_000)),
        (-1, 1.5, (0, 0)),
    ],
)
def test_cached_and_written_tokens_are_each_no_more_than_was_sent(
    cached: object, written: object, kept: tuple[int, int]
) -> None:
    usage = usage_of(1_000, **details(cached_tokens=cached, cache_write_tokens=written))
    assert (usage.cached_tokens, usage.cache_write_tokens) == kept
    assert usage.input_tokens == 1_000


def test_more_cached_tokens_than_were_sent_are_counted_beside_them() -> None:
    usage = usage_of(211, total_tokens=221, **details(cached_tokens=384, text_tokens=211))
    assert (usage.input_tokens, usage.cached_tokens) == (595, 384)
    assert usage_of(0, **details(cached_tokens=384)).input_tokens == 384


def test_grok_on_azure_counts_cached_tokens_beside_those_sent() -> None:
    body = {
        "model": "grok-4-fast",
        "prompt_filter_results": [],
        "choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 10, **details(cached_tokens=640)},
    }
    asked = RegisteredModel(name="asked", provider="openai", upstream="grok-4-fast")
    assert read(asked, body).usage.input_tokens == 1_540
    assert read(asked, body | {"model": "gpt-4o"}).usage.input_tokens == 900


def test_reasoning_is_never_more_than_was_written() -> None:
    for reasoning, kept in ((10, 10), (11, 0)):
        usage = usage_of(5, completion_tokens_details={"reasoning_tokens": reasoning})
        assert (usage.reasoning_tokens, usage.output_tokens) == (kept, 10)


def test_reasoning_that_the_total_has_beside_the_rest_is_output_too() -> None:
    usage = usage_of(5, total_tokens=40, completion_tokens_details={"reasoning_tokens": 25})
    assert (usage.reasoning_tokens, usage.output_tokens) == (25, 35)


def test_deepseek_names_its_cache_apart_and_the_details_go_first() -> None:
    assert usage_of(100, prompt_cache_hit_tokens=64).cached_tokens == 64
    assert usage_of(100, prompt_cache_hit_tokens=64, **details(cached_tokens=32)).cached_tokens == 32


@pytest.mark.parametrize(
    ("prompt", "completion"), [(None, 10), (10, None), (True, 10), (10, "10"), (10, 2_000_000_000)]
)
def test_a_total_that_is_no_count_leaves_the_usage_unstated(prompt: object, completion: object) -> None:
    usage = usage_of(prompt, completion)
    assert not usage.is_stated
    assert (usage.input_tokens, usage.output_tokens) == (0, 0)


def test_logarithms_are_taken_all_or_none() -> None:
    good = {"token": "9", "logprob": -0.5}
    assert logprobs([good, {"token": ".", "logprob": 0}]) == (("9", -0.5), (".", 0.0))
    for bad in (0.1, -math.inf, math.nan, "-1", None):
        assert logprobs([good, {"token": ".", "logprob": bad}]) == ()


@pytest.mark.parametrize(
    ("counts", "stated"),
    [
        ({"cost": 0.00012}, "0.00012"),
        ({"cost": {"total_cost": 0.006, "request_cost": 0.005}}, "0.006"),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}}, "0.002"),
        ({"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}}, "0.0021"),
        ({"cost": 0.0001, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.0001}}, "0.0001"),
        ({"cost_in_usd_ticks": 37_756_000}, "0.0037756"),
        ({"cost_in_usd_ticks": 21_000_000_000}, "2.1"),
        ({"cost_in_usd_ticks": 0}, None),
        ({"cost": "free"}, None),
        ({}, None),
    ],
)
def test_the_cost_that_a_router_states(counts: dict[str, Any], stated: str | None) -> None:
    expected = None if stated is None else Decimal(stated)
    assert usage_of(100, **counts).stated_cost_usd == expected
    assert stated_cost(counts) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "refused midway", "code": 400}, "choices": []},
        {"choices": [{"finish_reason": "error", "error": {"message": "refused midway", "code": 400}}]},
    ],
)
def test_an_error_in_place_of_a_reply_keeps_the_usage_that_is_billed(body: dict[str, Any]) -> None:
    asked = RegisteredModel(name="a", provider="openai", upstream="u")
    with pytest.raises(CallFailed) as raised:
        read(asked, body | {"usage": {"prompt_tokens": 100, "completion_tokens": 7}})
    assert raised.value.usage == Usage(input_tokens=100, output_tokens=7)
