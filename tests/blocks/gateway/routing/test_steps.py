"""A step makes a new state: what was there before it stays as it was."""

import asyncio

import pytest

from blocks.document_types.schema import RouteStep, StepAcceptance
from blocks.gateway.errors import ServerFailed
from blocks.gateway.routing.calls import Caller
from blocks.gateway.routing.outages import Outages
from blocks.gateway.routing.steps import DocumentSteps, RouteState, Unanswered
from blocks.reader.reading import VERSION
from tests.doubles.routed_models import Answer, ScriptedGateway, bill, fails, reads

A, B, C = (RouteStep(model=name, accept=StepAcceptance(confidence=1.0)) for name in "abc")
LOCAL = RouteStep(model="local")
RIGHT = {"day": "2024-05-01", "total": "9.00"}
DOWN: Answer = fails(ServerFailed("m", 503))
UNSURE = reads(0.5, None, **RIGHT)


def take(answers: dict[str, Answer], *route: RouteStep) -> tuple[RouteState, Unanswered | None]:
    gateway = ScriptedGateway(answers)
    document = gateway.assignment(bill(*route))

    async def run() -> tuple[RouteState, Unanswered | None]:
        return await DocumentSteps(document, Caller(gateway, Outages(0))).take(RouteState(), document.steps)

    return asyncio.run(run())


def test_a_state_keeps_what_each_step_did() -> None:
    state, unanswered = take({"a": DOWN, "b": UNSURE}, A, B)
    assert [(trace.step, trace.model, trace.outcome) for trace in state.traces] == [
        (0, "a", "server_failed"),
        (1, "b", "unsure"),
    ]
    assert (state.answer.model, state.missed, state.is_final, unanswered) == ("b@v1", B.accept, False, None)


@pytest.mark.parametrize(
    ("answers", "first_step", "failed"),
    [
        ({"a": DOWN, "b": DOWN, "c": DOWN}, 0, ["a", "b", "c"]),
        ({"a": UNSURE, "b": DOWN, "c": DOWN}, 1, ["b", "c"]),
        ({"a": DOWN, "b": UNSURE, "c": DOWN}, 2, ["c"]),
    ],
)
def test_only_the_steps_since_the_last_answer_are_taken_again(
    answers: dict[str, Answer], first_step: int, failed: list[str]
) -> None:
    state, unanswered = take(answers, A, B, C, LOCAL)
    assert unanswered is not None
    assert unanswered.steps[0].at == first_step
    assert [name for name, _ in unanswered.failed_until(state)] == failed
    assert len(unanswered.before.traces) == first_step, "the state before the outage has nothing of it"


def test_the_reader_s_answer_after_a_failure_ends_nothing() -> None:
    state, unanswered = take({"a": DOWN}, A, LOCAL)
    assert (state.is_final, unanswered is not None) == (False, True)
    assert state.answer.model == f"local@{VERSION}"


def test_the_reader_s_answer_ends_a_route_without_failures() -> None:
    state, _ = take({"a": UNSURE}, LOCAL, A)
    assert (state.is_final, [trace.model for trace in state.traces]) == (True, ["local"])
