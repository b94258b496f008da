"""What is learnt from a server's refusals, and what is not."""

import asyncio
import json
import time

import pytest

from blocks.gateway.providers.server_traits import WAIT_FOR_FIRST_S, ServerTraits
from blocks.gateway.registry.registry import JsonMode

SCHEMA, OBJECT, PROMPT, UNKNOWN = JsonMode.SCHEMA, JsonMode.OBJECT, JsonMode.PROMPT, JsonMode.UNKNOWN
BODY = {"model": "m", "temperature": 0, "max_tokens": 9, "generationConfig": {"seed": 1, "maxOutputTokens": 9}}


def learn(traits: ServerTraits, message: str, mode: JsonMode = SCHEMA, status: int = 400) -> bool:
    reply = json.dumps({"error": {"message": message}}).encode()
    return traits.learn(traits.fitted(BODY), mode, "bill", status, reply)


def test_a_refused_parameter_is_left_out_wherever_it_stands() -> None:
    traits = ServerTraits()
    assert learn(traits, "temperature is not supported")
    assert learn(traits, "unknown name: seed")
    assert not learn(traits, "temperature is not supported"), "nothing new: the same request would be sent again"
    assert traits.fitted(BODY) == {"model": "m", "max_tokens": 9, "generationConfig": {"maxOutputTokens": 9}}


def test_the_bound_on_a_reply_is_renamed_once_and_never_left_out() -> None:
    traits = ServerTraits()
    assert learn(traits, "max_tokens is not supported, use max_completion_tokens")
    assert traits.fitted(BODY)["max_completion_tokens"] == 9
    assert not learn(traits, "max_completion_tokens is not supported")
    assert traits.fitted(BODY)["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    "message",
    [
        "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
        "invalid temperature: only 1 is allowed for this model",
        "`temperature` and `top_p` cannot both be specified for this model",
        "`temperature` must be strictly positive",
        "temperature must be 1 when reasoning is on",
        "thinking requires a temperature of 1",
    ],
)
def test_a_temperature_that_may_not_be_0_is_left_out(message: str) -> None:
    traits = ServerTraits()
    assert learn(traits, message)
    assert "temperature" not in traits.fitted(BODY)


def test_a_bound_that_must_be_another_is_not_renamed() -> None:
    traits = ServerTraits()
    assert not learn(traits, "max_tokens must be greater than thinking.budget_tokens")
    assert traits.fitted(BODY) is BODY


@pytest.mark.parametrize(
    "message",
    [
        "The specified schema produces a constraint that has too many states for serving.",
        "The specified schema produces a constraint that has too much branching for serving.",
        "A schema in GenerationConfig in the request exceeds the maximum allowed nesting depth.",
        "Schemas contains too many parameters with union types (20, limit: 16)",
        "output_config.format.schema: For 'integer' type, property minimum is not supported",
        "Request contains an invalid argument.",
    ],
)
def test_a_refused_schema_is_left_out_for_its_type_only(message: str) -> None:
    traits = ServerTraits()
    assert learn(traits, message)
    assert (traits.mode(SCHEMA, "bill"), traits.mode(SCHEMA, "memo")) == (OBJECT, SCHEMA)
    assert not traits.dropped


def test_a_refusal_without_a_reason_that_stays_without_the_schema_was_not_about_it() -> None:
    traits = ServerTraits()
    assert learn(traits, "Request contains an invalid argument.")
    assert not learn(traits, "Request contains an invalid argument.", OBJECT)
    assert traits.mode(SCHEMA, "bill") is SCHEMA


def test_modes_are_stepped_down_from_the_registered_one() -> None:
    traits = ServerTraits()
    assert (traits.mode(UNKNOWN, "bill"), traits.mode(OBJECT, "bill")) == (SCHEMA, OBJECT)
    assert learn(traits, "response_format json_schema is not currently supported")
    assert (traits.mode(UNKNOWN, "bill"), traits.mode(SCHEMA, "memo")) == (OBJECT, OBJECT)
    assert learn(traits, "response_format is not supported", OBJECT)
    assert traits.mode(UNKNOWN, "bill") is PROMPT
    assert not learn(traits, "response_format is not supported", PROMPT)
    traits.forget_modes()
    assert traits.mode(UNKNOWN, "bill") is SCHEMA


def test_a_schema_that_is_too_complex_is_refused_for_its_type_only() -> None:
    traits = ServerTraits()
    assert learn(traits, "response_format: schema is too complex")
    assert (traits.mode(UNKNOWN, "bill"), traits.mode(UNKNOWN, "memo")) == (OBJECT, SCHEMA)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("temperature is temporarily not supported, try again later", 400),
        ("temperature is not supported", 500),
        ("temperature must be a number", 400),
    ],
)
def test_what_passes_or_is_no_refusal_teaches_nothing(message: str, status: int) -> None:
    traits = ServerTraits()
    assert not learn(traits, message, status=status)
    assert traits.fitted(BODY) is BODY


def test_the_first_caller_of_an_unknown_server_goes_ahead_and_holds_up_nobody_for_long() -> None:
    async def entered_after(first_takes_s: float) -> float:
        traits = ServerTraits()

        async def first() -> None:
            async with traits.first_alone():
                await asyncio.sleep(first_takes_s)

        task = asyncio.create_task(first())
        await asyncio.sleep(0)
        started = time.monotonic()
        async with traits.first_alone():
            waited_s = time.monotonic() - started
        await task
        return waited_s

    assert 0.09 <= asyncio.run(entered_after(0.1)) < WAIT_FOR_FIRST_S
    assert WAIT_FOR_FIRST_S <= asyncio.run(entered_after(WAIT_FOR_FIRST_S + 0.3)) < WAIT_FOR_FIRST_S + 0.3


def test_a_mode_is_known_by_the_registry_or_by_a_call() -> None:
    assert ServerTraits().is_known(OBJECT)
    assert not ServerTraits().is_known(UNKNOWN)
    assert ServerTraits(known_mode=PROMPT).is_known(UNKNOWN)
