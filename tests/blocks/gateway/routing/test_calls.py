"""Who of a step's models is asked, in which order, until when, and with how many documents at once."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from blocks.gateway.errors import CallFailed, LimitsReached, ServerFailed
from blocks.gateway.model import ModelReply, ModelRequest, Question
from blocks.gateway.registry.errors import ModelKeyMissing
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.routing.calls import RATE_LIMIT_WAIT_S, TURNS_PER_CALL, Caller, Turns
from blocks.gateway.routing.outages import Outages
from blocks.records import StepTrace
from tests.doubles.routed_models import PAGES, Answer, ScriptedGateway, bill, fails, model, reads
from tests.doubles.virtual_time import START_S, now, run_virtually

RIGHT: Answer = reads(day="2024-05-01")


def question(timeout_s: float | None = None) -> Question:
    request = ModelRequest(document_id="d", document_type=bill(), pages=PAGES)
    return Question(request, run_id="run", deadline=0.0, step=3, timeout_s=timeout_s)


def ask(
    gateway: ScriptedGateway, names: Sequence[str], asked: Question | None = None
) -> tuple[ModelReply | None, tuple[StepTrace, ...], tuple[CallFailed, ...]]:
    async def run() -> tuple[ModelReply | None, tuple[StepTrace, ...], tuple[CallFailed, ...]]:
        return await Caller(gateway, Outages(0, now), now).ask(asked or question(), names)

    return run_virtually(run())


def test_the_first_reply_ends_the_search_and_each_failure_before_it_is_traced() -> None:
    gateway = ScriptedGateway({"a": fails(ServerFailed("a", 503)), "b": RIGHT, "c": RIGHT})
    reply, traces, failures = ask(gateway, "abc")
    assert reply is not None
    assert (reply.model, gateway.names) == ("b", ["a", "b"])
    assert [(trace.step, trace.model, trace.outcome) for trace in traces] == [(3, "a", "server_failed")]
    assert [failure.kind for failure in failures] == ["server_failed"]


def test_a_mistake_in_the_registry_is_a_model_that_is_unavailable() -> None:
    gateway = ScriptedGateway({"a": fails(ModelKeyMissing("a", "env:KEY"))})
    reply, traces, failures = ask(gateway, "a")
    assert (reply, traces[0].outcome, failures[0].kind) == (None, "model_key_missing", "model_unavailable")
    assert "env:KEY" in str(failures[0])


@pytest.mark.parametrize("models", [(), (model("a", is_enabled=False),)])
def test_a_model_that_left_the_registry_or_was_disabled_is_not_asked(models: tuple[RegisteredModel, ...]) -> None:
    gateway = ScriptedGateway({"a": RIGHT}, models)
    _, _, failures = ask(gateway, "a")
    assert (gateway.names, [failure.kind for failure in failures]) == ([], ["model_unavailable"])


@pytest.mark.parametrize(("step_s", "given_s"), [(None, 60.0), (5.0, 5.0)])
def test_each_model_gets_its_own_deadline(step_s: float | None, given_s: float) -> None:
    gateway = ScriptedGateway({"a": fails(ServerFailed("a", 503)), "b": RIGHT}, wait_s=7.0)
    gateway.models = tuple(model(name, timeout_s=60.0) for name in "ab")
    ask(gateway, "ab", question(step_s))
    assert [asked.deadline - START_S for _, asked in gateway.asked] == pytest.approx([given_s, 7.0 + given_s])


def test_a_document_gives_up_its_place_in_the_rate_limit_after_an_hour() -> None:
    gateway = ScriptedGateway({"a": fails(LimitsReached("a"))}, wait_s=600.0)
    _, _, failures = ask(gateway, "a")
    assert [failure.kind for failure in failures] == ["limits_reached"]
    assert len(gateway.names) == RATE_LIMIT_WAIT_S / 600


def test_a_model_with_more_calls_in_flight_gives_more_turns_at_once() -> None:
    async def most_at_once(sizes: Sequence[int]) -> int:
        turns, at_once, most = Turns(), 0, 0

        async def hold(calls_in_flight: int) -> None:
            nonlocal at_once, most
            async with turns.at("a", calls_in_flight):
                at_once += 1
                most = max(most, at_once)
                await asyncio.sleep(1)
                at_once -= 1

        await asyncio.gather(*(hold(size) for size in sizes))
        return most

    def found(sizes: Sequence[int]) -> int:
        return run_virtually(most_at_once(sizes))

    assert found([1] * 20) == TURNS_PER_CALL
    assert found([1, 3] + [1] * 20) == 3 * TURNS_PER_CALL
    assert found([3, 1] + [1] * 20) == 3 * TURNS_PER_CALL, "turns that were given are not taken back"


def test_an_answer_from_a_model_ends_its_outage_and_one_from_the_cache_does_not() -> None:
    def answered(of: Callable[[ModelReply], ModelReply]) -> bool:
        outages = Outages(100, now)

        def answer(asked: Question) -> ModelReply:
            given = RIGHT(asked)
            assert isinstance(given, ModelReply)
            return of(given)

        async def run() -> bool:
            await Caller(ScriptedGateway({"a": answer}), outages, now).ask(question(), "a")
            return outages.has_answered("a", now())

        return run_virtually(run())

    assert answered(lambda given: given)
    assert not answered(lambda given: given.model_copy(update={"is_cached": True}))
