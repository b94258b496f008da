"""Facts of the chat completions format that no whole reply shows: contradictory counts, and what is no logarithm."""

import math
from typing import Any

import pytest

from blocks.gateway.model import Usage
from blocks.gateway.providers.openai_chat import logprobs, openai_usage


def usage_of(prompt: object, completion: object = 10, **more: Any) -> Usage:
    return openai_usage({"prompt_tokens": prompt, "completion_tokens": completion} | more, "prompt", "completion")


def details(**counts: object) -> dict[str, object]:
    return {"prompt_tokens_details": counts}


@pytest.mark.parametrize(
    ("cached", "written", "kept"),
    [
        (600, 400, (600, 400)),
        (600, 401, (600, 0)),  # together more than was sent: what is left is paid as input
        (1_000, 1, (1_000, 0)),
        (1_001, 400, (0, 400)),
        (0, 1_000, (0, 1_000)),
        (-1, 1.5, (0, 0)),
    ],
)
def test_cached_and_written_tokens_are_together_never_more_than_was_sent(
    cached: object, written: object, kept: tuple[int, int]
) -> None:
    usage = usage_of(1_000, **details(cached_tokens=cached, cache_write_tokens=written))
    assert (usage.cached_tokens, usage.cache_write_tokens) == kept
    assert usage.input_tokens == 1_000


def test_reasoning_is_never_more_than_was_written() -> None:
    for reasoning, kept in ((10, 10), (11, 0)):
        usage = usage_of(5, completion_tokens_details={"reasoning_tokens": reasoning})
        assert usage.reasoning_tokens == kept


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
