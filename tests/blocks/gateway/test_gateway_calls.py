"""The gateway around a call: its deadline, its key, and what workers share while it lasts."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import pytest
from pydantic import SecretStr

from blocks.gateway import gateway as module
from blocks.gateway.errors import (
    CallFailed,
    CircuitOpen,
    ContextTooLong,
    DeadlinePassed,
    ServerFailed,
    WrongSchema,
)
from blocks.gateway.gateway import Gateway, RunGateway, RunTerms, SharedState
from blocks.gateway.model import ModelReply, Question
from blocks.gateway.policies.cache import Cached
from blocks.gateway.policies.circuit import CircuitBreaking, Circuits
from blocks.gateway.policies.correction import Correcting
from blocks.gateway.policies.reply_store import ReplyStore
from blocks.gateway.policies.retries import RetryBudget, Retrying
from blocks.gateway.policies.shared_state import CircuitReport
from blocks.gateway.providers.server_traits import ServerTraits, traits_of
from blocks.gateway.providers.transport import HttpReply
from blocks.gateway.registry.errors import ModelKeyMissing
from blocks.gateway.registry.registry import JsonMode, RegistryState
from blocks.gateway.spending.group_commit import Rounds
from tests.doubles.failing_models import Scripted, a_model, a_question

SLOW_S, DEADLINE_S = 60.0, 0.1
ENDED = threading.Event()
"""Set once a call has ended: what is slow need not be slow any longer."""


class Shared:
    """All that workers share, in memory; `slow_s` is how long everything takes."""

    def __init__(self, slow_s: float = 0.0, **model: object) -> None:
        given = {"endpoint": "http://127.0.0.1:9/v1", "input_price": 0, "output_price": 0, "key": "secret:k"}
        self.model = a_model(**(given | {"json_mode": "prompt"} | model))
        self.slow_s = slow_s
        self.is_paused = False
        self.renewed = 0

    def load(self, *_: object) -> Any:
        if self.slow_s:
            ENDED.wait(self.slow_s)
        return {} if _ else RegistryState((self.model,), self.is_paused)

    def claim_probe(self, key: str, for_s: float) -> bool:
        if self.slow_s:
            ENDED.wait(self.slow_s)
        return True

    def open(self, key: str, why: str, for_s: float) -> None: ...

    def close(self, *_: str) -> None: ...

    def remember_json_mode(self, name: str, mode: JsonMode) -> None: ...

    def renew(self, models: Collection[str], for_s: float) -> Mapping[str, tuple[int, int]]:
        self.renewed += 1
        return dict.fromkeys(models, (0, 1))

    def release(self) -> None: ...

    def keep(self, replies: Mapping[str, tuple[str, bytes]], *, replaces: bool) -> None: ...

    def count_hits(self, keys: Collection[str]) -> None: ...

    def exchange(self, settlements: Sequence[object], reservations: Sequence[object]) -> Sequence[Any]:
        return ()

    def recover(self) -> int:
        return 0


class States(Shared):
    def load(self, *_: object) -> Mapping[str, CircuitReport]:
        return {}


class Posts:
    """In place of the transport: keeps the keys it was sent, and says no."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.keys: list[str] = []
        self.takes_s = takes_s
        self.at_once = self.most_at_once = 0

    async def post(self, url: str, headers: Mapping[str, str], *_: object) -> HttpReply:
        self.keys.append(headers.get("authorization", ""))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes_s)
        self.at_once -= 1
        return HttpReply(400, {}, json.dumps({"error": {"message": "no"}}).encode(), 1, 1)

    async def aclose(self) -> None: ...


async def opened(shared: Shared, keys: Mapping[str, SecretStr], posts: Posts) -> tuple[Gateway, RunGateway]:
    state: Any = SharedState(shared, shared, States(), shared, shared)  # type: ignore[arg-type]
    gateway = await asyncio.to_thread(Gateway, state, keys)
    gateway._transport = cast("Any", posts)
    return gateway, gateway.for_run(RunTerms(reads_cache=False))


async def failure(answer: Callable[[Question], Any], question: Question) -> BaseException:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - which one is what the tests are about
        await answer(question)
    return failed.value


def test_a_key_that_was_exchanged_is_followed_and_one_taken_away_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_EVERY_S", 0.02)
    keys = {"secret:k": SecretStr("OLD")}
    posts = Posts()

    async def run() -> list[BaseException]:
        gateway, run = await opened(Shared(), keys, posts)
        for key in ("OLD", "NEW"):
            keys["secret:k"] = SecretStr(key)
            await asyncio.sleep(0.03)
            await failure(lambda asked: run.answer("m", asked), a_question(time.monotonic() + 5))
        del keys["secret:k"]
        await asyncio.sleep(0.03)
        last = [await failure(lambda asked: run.answer("m", asked), a_question(time.monotonic() + 5))]
        others = (failure(lambda asked: run.answer("m", asked), a_question(time.monotonic() + 5)) for _ in range(3))
        last += await asyncio.gather(*others)
        await gateway.close()
        return last

    assert [type(one) for one in asyncio.run(run())] == [ModelKeyMissing] * 4
    assert posts.keys == ["Bearer OLD", "Bearer NEW"]


def test_what_workers_share_is_looked_at_for_as_long_as_a_call_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_EVERY_S", 0.02)
    monkeypatch.setattr(module, "IDLE_S", 0.1)
    shared = Shared(key=None)

    async def run() -> tuple[int, bool]:
        gateway, run = await opened(shared, {}, Posts(takes_s=0.8))
        call = asyncio.create_task(run.answer("m", a_question(time.monotonic() + 5)))
        await asyncio.sleep(0.4)
        before, shared.is_paused = shared.renewed, True
        await asyncio.sleep(0.3)
        seen = shared.renewed - before, gateway._is_paused()
        await asyncio.gather(call, return_exceptions=True)
        await gateway.close()
        return seen

    renewed, is_paused = asyncio.run(run())
    assert renewed > 0
    assert is_paused


def test_a_worker_asks_no_more_than_its_share_from_its_first_call_on_and_leaves_what_it_does_not_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REFRESH_EVERY_S", 0.02)
    monkeypatch.setattr(module, "IDLE_S", 0.2)
    shared, posts = Shared(key=None, in_flight=8), Posts(takes_s=0.1)
    renewed: list[tuple[str, ...]] = []

    def renew(models: Collection[str], for_s: float) -> Mapping[str, tuple[int, int]]:
        renewed.append(tuple(models))
        return dict.fromkeys(models, (1, 2))

    monkeypatch.setattr(shared, "renew", renew)

    async def run() -> int:
        gateway, run = await opened(shared, {}, posts)
        calls = [
            failure(lambda asked: run.answer("m", asked), a_question(time.monotonic() + 5, f"{at}")) for at in range(9)
        ]
        await asyncio.gather(*calls)
        at_once = posts.most_at_once
        for _ in range(20):  # other models are asked, and this one is not
            await gateway.wake()
            await asyncio.sleep(0.02)
        await gateway.close()
        return at_once

    assert asyncio.run(run()) == 4
    assert ("m",) in renewed
    assert renewed[0] == ("m",)
    assert len(renewed) < 30, "a look renews nothing for a model that is not asked"


# --- the deadline, while the database is slow


async def seconds(answer: Callable[[Question], Any]) -> tuple[float, object]:
    ENDED.clear()
    started = time.monotonic()
    try:
        ended = await answer(a_question(started + DEADLINE_S))
    except CallFailed as error:
        ended = error
    took_s = time.monotonic() - started
    ENDED.set()
    return took_s, ended


def test_a_lookup_that_comes_too_late_is_a_miss() -> None:
    async def run() -> tuple[float, object]:
        async def record(_question: Question, _key: str) -> None: ...

        reply_store: Any = ReplyStore(Shared(SLOW_S), Rounds())
        return await seconds(Cached(Scripted(), a_model(), reply_store, record).answer)

    took_s, ended = asyncio.run(run())
    assert took_s < SLOW_S
    assert isinstance(ended, ModelReply)


def test_a_probe_that_is_granted_too_late_is_another_worker_s() -> None:
    async def run() -> tuple[float, object]:
        circuit = Circuits(States(SLOW_S)).get("e")
        circuit.take_over(CircuitReport("e", is_open=True, why="x", open_for_s=0.0))
        return await seconds(CircuitBreaking(Scripted(), circuit).answer)

    took_s, ended = asyncio.run(run())
    assert took_s < SLOW_S
    assert isinstance(ended, CircuitOpen)


def test_the_first_look_at_what_workers_share_is_part_of_a_call() -> None:
    async def run() -> tuple[float, object]:
        shared = Shared(SLOW_S)
        state: Any = SharedState(shared, shared, States(), shared, shared)  # type: ignore[arg-type]
        gateway = await asyncio.to_thread(Gateway, state, {})
        run = await asyncio.to_thread(gateway.for_run, RunTerms())
        ended = await seconds(lambda asked: run.answer("m", asked))
        await gateway.close()
        return ended

    took_s, ended = asyncio.run(run())
    assert took_s < SLOW_S
    assert isinstance(ended, DeadlinePassed)
    assert not ended.was_sent
    assert "m was not asked within " in str(ended)
    assert "the database or the look-up of its key was slow; run again" in str(ended)


# --- how often, and how, a server is asked


def test_one_question_is_sent_five_times_at_most() -> None:
    down, long, wrong = ServerFailed("m", 503), ContextTooLong("m"), WrongSchema("m", "x")

    def most(*ends: CallFailed) -> int:
        async def nothing(_seconds: float) -> None: ...

        model = Scripted(lambda at, _: ends[min(at, len(ends) - 1)])
        retrying = Retrying(model, RetryBudget(), sleep=nothing, clock=lambda: 0.0, share_of=lambda: 0.0)
        asyncio.run(failure(Correcting(retrying).answer, a_question(1e9, "a", "b " * 900, "c")))
        return len(model.asked)

    assert most(down, down, long, wrong) == 5
    assert most(down, down, wrong, long, wrong) == 4
    assert most(wrong, long, wrong) == 2


def test_a_refusal_that_passes_teaches_nothing() -> None:
    traits = ServerTraits()
    body: dict[str, object] = {"response_format": {}}
    said = b'{"error": {"message": "response_format is temporarily unavailable"}}'
    assert not traits.learn(body, JsonMode.SCHEMA, "", 400, said)
    assert traits.mode(JsonMode.SCHEMA, "") is JsonMode.SCHEMA
    assert traits.learn(body, JsonMode.SCHEMA, "", 400, said.replace(b"temporarily unavailable", b"not supported"))
    assert traits.mode(JsonMode.SCHEMA, "") is JsonMode.OBJECT


def test_a_mode_that_somebody_sets_is_tried_anew() -> None:
    shared = Shared(key=None, upstream="set-by-hand", json_mode="unknown")

    async def run() -> list[JsonMode]:
        gateway, run = await opened(shared, {}, Posts())
        modes = []
        for mode in ("unknown", "json_object", "json_schema"):
            shared.model = shared.model.model_copy(update={"json_mode": JsonMode(mode)})
            await gateway._refresh()
            await failure(lambda asked: run.answer("m", asked), a_question(time.monotonic() + 5))
            traits = traits_of(shared.model.version, {})
            modes.append(traits.mode(shared.model.json_mode, ""))
            if mode == "unknown":  # which writes the mode that was found into the row
                traits.refused_modes.add(JsonMode.SCHEMA)
                traits.known_mode = traits.reported_mode = JsonMode.OBJECT
        await gateway.close()
        return modes

    assert asyncio.run(run()) == [JsonMode.SCHEMA, JsonMode.OBJECT, JsonMode.SCHEMA]
