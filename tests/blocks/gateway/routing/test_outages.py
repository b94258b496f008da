"""Outages of all models, in virtual time: how long they delay documents, and when they send them to review."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from blocks import progress
from blocks.document_types.schema import DocumentType, RouteStep, StepAcceptance
from blocks.gateway.errors import (
    BudgetExhausted,
    CallFailed,
    CircuitOpen,
    ConnectionFailed,
    DeadlinePassed,
    KeyRefused,
    OutOfCredit,
    RateLimited,
    RequestRefused,
    ServerFailed,
    UpstreamMissing,
)
from blocks.gateway.model import Model, ModelReply, Question
from blocks.gateway.policies.circuit import CircuitBreaking, Circuits
from blocks.gateway.policies.correction import Correcting
from blocks.gateway.policies.limits import Limited, Limits
from blocks.gateway.policies.retries import BUDGET_FLOOR, BUDGET_SHARE, RetryBudget, Retrying
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.routing.outages import FIRST_WAIT_S, MAX_FAULTS_AMONG_ANSWERS, DocumentWaits, Outages, again_in_s
from blocks.gateway.routing.plan import plan_route
from blocks.gateway.routing.route import OUTAGE_WAIT_LIMIT_S, Route, Routed
from blocks.gateway.routing.steps import Assignment
from blocks.reader.reading import VERSION, read
from tests.doubles.failing_models import Scripted
from tests.doubles.routed_models import PAGES, ScriptedGateway, bill, model, reads
from tests.doubles.virtual_time import START_S, now, run_virtually

LOCAL = RouteStep(model="local")
A, B = RouteStep(model="a"), RouteStep(model="b")
NEVER = StepAcceptance(confidence=1.0)
RIGHT: dict[str, Any] = {"day": "2024-05-01", "total": "9.00"}
Fault = Callable[[], CallFailed]

FAULTS: dict[str, Fault] = {
    "503": lambda: ServerFailed("m", 503),
    "refused": lambda: ConnectionFailed("m", "refused", was_sent=False),
    "reset": lambda: ConnectionFailed("m", "reset", was_sent=True),
    "time-out": lambda: DeadlinePassed("m", 5),
    "429": lambda: RateLimited("m"),
    "429 for 2 s": lambda: RateLimited("m", 2.0),
}
"""All that a provider does while it is down, or says it is too busy."""


@dataclass(frozen=True)
class Down:
    """An outage of all models: how they fail, and from when to when after the start."""

    fault: Fault
    from_s: float
    to_s: float
    takes_s: float = 0.3


class TwoModels:
    """A gateway of two models, each behind the real policies, that are down at the same time.

    `asked_in_outage` counts the requests that reached them meanwhile, by model.
    """

    def __init__(self, down: Down) -> None:
        self._models = tuple(model(name, tier="cheap", position=at, in_flight=4) for at, name in enumerate("ab"))
        self._down = down
        self._circuits = Circuits(clock=now)
        self._chains = {one.name: self._chain(one) for one in self._models}
        self.asked_in_outage: Counter[str] = Counter()

    def registry(self) -> RegistryState:
        return RegistryState(self._models)

    async def answer(self, name: str, question: Question) -> ModelReply:
        return await self._chains[name].answer(question)

    def _chain(self, of: RegisteredModel) -> Model:
        def says(_at: int, question: Question) -> ModelReply | BaseException:
            if self._down.from_s <= now() - START_S < self._down.to_s:
                self.asked_in_outage[of.name] += 1
                return self._down.fault()
            reply = reads(**RIGHT)(question)
            assert isinstance(reply, ModelReply)
            return reply.model_copy(update={"model": of.name, "model_version": "v1"})

        scripted = Scripted(says, takes_s=self._down.takes_s)
        scripted.name = of.name
        circuit = self._circuits.get(of.name)
        limited = Limited(scripted, Limits(of, clock=now), circuit.check)
        breaking = CircuitBreaking(limited, circuit, clock=now)
        return Correcting(Retrying(breaking, RetryBudget(clock=now), clock=now))


def endure(down: Down, documents: int) -> tuple[list[Routed], float, Counter[str]]:
    """What became of the documents of a run, how long it took, and what was asked in the outage."""

    async def run() -> tuple[list[Routed], float, Counter[str]]:
        gateway = TwoModels(down)
        route, kind = Route(gateway, clock=now), bill(RouteStep(tier="cheap"), LOCAL)
        steps, reading = plan_route(kind, gateway.registry()), read(kind, PAGES)
        assigned = (Assignment(f"d{at}", kind, PAGES, "run", reading, steps) for at in range(documents))
        routed = await asyncio.gather(*(route.take(document) for document in assigned))
        return routed, now() - START_S, gateway.asked_in_outage

    return run_virtually(run())


def in_review(routed: list[Routed]) -> int:
    return sum(one.failure is not None for one in routed)


@pytest.mark.parametrize("name", FAULTS)
def test_all_models_down_for_a_minute_delay_a_run_and_send_nothing_to_review(name: str) -> None:
    takes_s = 5 if name == "time-out" else 0.3
    routed, took_s, asked = endure(Down(FAULTS[name], 3, 63, takes_s), 200)
    assert in_review(routed) == 0
    assert {one.answer.model for one in routed} <= {"a@v1", "b@v1"}
    assert 63 <= took_s <= (360 if takes_s > 1 else 150)
    assert max(asked.values()) <= (1 + BUDGET_SHARE) * 200 + BUDGET_FLOOR, "waiting documents are no storm"
    if name not in {"429", "429 for 2 s"}:  # a model that says it is busy is there, and no circuit opens
        assert asked.total() <= 60, "a few open the circuits, and then one at a time looks whether they are back"


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("from_s", [0.0, 0.1])
def test_a_small_run_outlives_an_outage_too(name: str, from_s: float) -> None:
    routed, took_s, asked = endure(Down(FAULTS[name], from_s, from_s + 60), 6)
    assert (in_review(routed), len(routed)) == (0, 6)
    assert 60 <= took_s <= 150
    assert max(asked.values()) <= (60 / 2 * 4 if name == "429 for 2 s" else 50)


@pytest.mark.parametrize("name", FAULTS)
def test_an_outage_that_outlasts_the_wait_limit_ends_in_review_when_it_is_used_up(name: str) -> None:
    routed, took_s, asked = endure(Down(FAULTS[name], 0, 400), 40)
    assert [one.failure.kind for one in routed if one.failure] == ["model_unavailable"] * 40
    assert {one.answer.model for one in routed} == {f"local@{VERSION}"}
    assert OUTAGE_WAIT_LIMIT_S - 20 <= took_s <= OUTAGE_WAIT_LIMIT_S + 60
    if name != "429 for 2 s":  # it says how often it may be asked: four calls in flight every 2 s
        assert max(asked.values()) <= 7 * 40 + BUDGET_FLOOR, "each wait is as long as all before it"


class Outage:
    """A model that fails, is left alone, or answers 429, until a moment of virtual time."""

    def __init__(self, until_s: float, refusal: Callable[[], CallFailed]) -> None:
        self.until_s, self.refusal = until_s, refusal

    def __call__(self, question: Question) -> ModelReply | Exception:
        return self.refusal() if now() - START_S < self.until_s else reads(**RIGHT)(question)


def open_for(seconds: float, why: str = "8 of its last 8 calls failed, the last with server_failed") -> CircuitOpen:
    return CircuitOpen("a", why, seconds)


def held(seconds: float) -> RateLimited:
    error = RateLimited("a", seconds)
    error.was_sent = False
    return error


def outlived(gateway: ScriptedGateway, document_type: DocumentType, documents: int = 1) -> tuple[list[Routed], float]:
    async def run() -> tuple[list[Routed], float]:
        route = Route(gateway, clock=now)
        assigned = [gateway.assignment(document_type, document_id=f"d{at}") for at in range(documents)]
        return await asyncio.gather(*(route.take(document) for document in assigned)), now() - START_S

    return run_virtually(run())


@pytest.mark.parametrize("refusal", [lambda: open_for(5), lambda: held(20)])
def test_a_short_outage_is_waited_out_and_leaves_no_trace(refusal: Callable[[], CallFailed]) -> None:
    gateway = ScriptedGateway({"a": Outage(60, refusal)}, (model("a", in_flight=2),))
    routed, took_s = outlived(gateway, bill(RouteStep(model="local", accept=NEVER), A, LOCAL), 50)
    assert {(one.answer.model, one.failure, len(one.steps)) for one in routed} == {("a@v1", None, 2)}
    assert 60 <= took_s <= 60 + refusal_s(refusal()) + 60


def refusal_s(error: CallFailed) -> float:
    return again_in_s([error]) or 0.0


@pytest.mark.parametrize("outage_s", [2, 60, 9_999])
def test_a_document_asks_again_after_waits_that_grow(outage_s: float) -> None:
    gateway = ScriptedGateway({"a": Outage(outage_s, lambda: ServerFailed("a", 503))})
    routed, took_s = outlived(gateway, bill(A))
    asked = gateway.names.count("a")
    if outage_s < OUTAGE_WAIT_LIMIT_S:
        assert (routed[0].answer.model, routed[0].failure, len(routed[0].steps)) == ("a@v1", None, 1)
        assert took_s <= max(2 * outage_s, FIRST_WAIT_S) * 1.5
        assert asked <= 6
    else:
        assert routed[0].failure is not None
        assert took_s == pytest.approx(OUTAGE_WAIT_LIMIT_S), "the last time it is asked is when the wait limit is over"
        assert 6 <= asked <= 7


@pytest.mark.parametrize("name", ["503", "reset", "time-out", "429"])
def test_a_document_that_a_model_fails_at_while_it_answers_others_stops_sooner(name: str) -> None:
    def waits(*, answers_others: bool) -> int:
        time_s, asked = 0.0, 0
        outages = Outages(OUTAGE_WAIT_LIMIT_S, lambda: time_s)
        document = DocumentWaits(outages, lambda: time_s)
        while True:
            time_s += 1
            if answers_others:
                outages.end("a")
            wait_s = document.next_s([("a", FAULTS[name]())])
            if wait_s is None:
                return asked
            time_s += wait_s
            asked += 1

    assert waits(answers_others=False) >= 5
    if name == "429":  # that others are answered says that there is a limit, not that the document is to blame
        assert waits(answers_others=True) >= 5
    else:
        assert waits(answers_others=True) == MAX_FAULTS_AMONG_ANSWERS


def test_who_watches_a_run_is_told_once_that_it_waits_and_why() -> None:
    told: list[progress.Event] = []
    unsubscribe = progress.subscribe(told.append)
    try:
        outages = Outages(OUTAGE_WAIT_LIMIT_S, lambda: 1.0)
        for _ in range(3):
            outages.wait_s([("a", ConnectionFailed("a", "its host is not known", was_sent=False))], 0.0)
        outages.end("a")
        outages.wait_s([("a", ServerFailed("a", 503))], 0.0)
    finally:
        unsubscribe()
    waits = [(event.model, event.max_s) for event in told if isinstance(event, progress.Waiting)]
    assert waits == [("a", OUTAGE_WAIT_LIMIT_S)] * 2
    assert "its host is not known" in str(told[0])


def test_while_another_model_answers_none_is_waited_for() -> None:
    gateway = ScriptedGateway({"a": Outage(60, lambda: open_for(5)), "b": reads(**RIGHT)})
    routed, took_s = outlived(gateway, bill(A, B, LOCAL))
    assert (gateway.names, routed[0].answer.model) == (["a", "b"], "b@v1")
    assert took_s < 1


def test_an_outage_that_lasts_ends_in_review_after_the_wait_limit_that_all_documents_share() -> None:
    gateway = ScriptedGateway({"a": Outage(9_999, lambda: open_for(5))})

    async def run() -> tuple[list[Routed], list[float]]:
        route, found, ends = Route(gateway, clock=now), [], []
        for number in range(3):
            found.append(await route.take(gateway.assignment(bill(A, LOCAL), document_id=f"d{number}")))
            ends.append(now() - START_S)
        return found, ends

    routed, ends = run_virtually(run())
    assert [one.failure.kind for one in routed if one.failure] == ["model_unavailable"] * 3
    assert 150 <= ends[0] <= OUTAGE_WAIT_LIMIT_S
    assert ends[2] <= OUTAGE_WAIT_LIMIT_S, "those that come later do not wait anew"


@pytest.mark.parametrize(
    "refusal",
    [
        lambda: open_for(30, "its last call ended with out_of_credit"),
        lambda: open_for(60, "the probe failed with key_refused"),
        lambda: open_for(30, "another worker found: it says upstream_missing"),
        lambda: KeyRefused("a", 401),
        lambda: OutOfCredit("a"),
        lambda: UpstreamMissing("a", "gpt"),
        lambda: RequestRefused("a", 400),
        lambda: BudgetExhausted("run", "1", "1"),
        lambda: held(600),
    ],
)
def test_what_a_person_must_put_right_what_is_about_the_document_and_what_takes_too_long_is_not_waited_for(
    refusal: Fault,
) -> None:
    routed, took_s = outlived(ScriptedGateway({"a": Outage(9_999, refusal)}), bill(A, LOCAL))
    assert took_s < 1
    assert routed[0].failure is not None


def test_a_model_whose_key_is_refused_keeps_no_document_from_waiting_for_the_other() -> None:
    gateway = ScriptedGateway({"a": lambda _: KeyRefused("a", 401), "b": Outage(60, FAULTS["503"])})
    routed, took_s = outlived(gateway, bill(A, B, LOCAL))
    assert routed[0].answer.model == "b@v1"
    assert took_s < 150


class AnswersOthers(ScriptedGateway):
    """A gateway whose model answers another document, from the cache or not, each time before it fails at the first."""

    def __init__(self, *, is_cached: bool) -> None:
        super().__init__({"a": reads(**RIGHT)})
        self.is_cached = is_cached
        self.route = Route(self, clock=now)

    async def answer(self, name: str, question: Question) -> ModelReply:
        if question.request.document_id == "failing":
            await self.route.take(self.assignment(bill(A), document_id="other"))
            raise ServerFailed("a", 503)
        reply = await super().answer(name, question)
        return reply.model_copy(update={"is_cached": self.is_cached})


@pytest.mark.parametrize(("is_cached", "expected_s"), [(True, OUTAGE_WAIT_LIMIT_S), (False, 25)])
def test_replies_from_the_cache_do_not_end_an_outage_and_replies_of_the_model_do(
    *, is_cached: bool, expected_s: float
) -> None:
    async def run() -> tuple[Routed, float]:
        gateway = AnswersOthers(is_cached=is_cached)
        routed = await gateway.route.take(gateway.assignment(bill(A), document_id="failing"))
        return routed, now() - START_S

    routed, took_s = run_virtually(run())
    assert routed.failure is not None
    assert took_s == pytest.approx(expected_s, rel=0.3), "waits of 5, 5 and 10 s, or all of the wait limit"


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([ServerFailed("a", 503, retry_after_s=40.0)], 40.0),
        ([ServerFailed("a", 503, retry_after_s=2.0)], 10.0),
        ([RateLimited("a", 2.0)], 2.0),
        ([RateLimited("a")], 10.0),
        ([RateLimited("a", 30.0), open_for(20)], 20.0),
        ([open_for(30), KeyRefused("b", 401)], 30.0),
        ([open_for(30), RequestRefused("b", 400)], None),
        ([], None),
    ],
)
def test_the_first_model_that_may_be_back_sets_the_wait(failures: list[CallFailed], expected: float | None) -> None:
    assert again_in_s(failures, unstated_s=10.0) == expected


def test_a_stated_time_beyond_what_is_left_is_not_waited_for_and_a_wait_ends_with_the_limit() -> None:
    outages = Outages(100.0, lambda: 0.0)
    assert outages.wait_s([("a", held(41))], waited_s=60.0) is None
    for _ in range(20):
        wait_s = outages.wait_s([("a", held(40))], waited_s=60.0)
        assert wait_s == 40.0, "spread over what is left, which is nothing more"


def test_documents_that_waited_come_back_spread_over_a_fifth_of_their_wait() -> None:
    outages = Outages(1_000.0, lambda: 0.0)
    waits = [outages.wait_s([("a", held(100))], 0.0) or 0.0 for _ in range(200)]
    assert 100.0 <= min(waits) < 105.0
    assert 115.0 < max(waits) <= 120.0


def test_an_outage_is_as_old_as_that_of_the_model_which_failed_last() -> None:
    time_s = 0.0
    outages = Outages(100.0, lambda: time_s)
    outages.wait_s([("a", held(1))], 0.0)
    time_s = 90.0
    assert outages.wait_s([("a", held(50))], 0.0) is None
    assert outages.wait_s([("a", held(50)), ("b", held(50))], 0.0) is not None, "the other has just begun to fail"
