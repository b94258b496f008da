"""The gateway: every model of the registry with all policies around it, for all runs of a process.

What is learnt of a model (its limits, its breaker, what may be repeated of its calls) outlives changes of its row; the
chain of policies is made anew when the row changes, so that the next call follows. Once a second the registry, the
pause switch, the breakers of other workers and the shares of limits are read from what workers share.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import SecretStr

from blocks.errors import WinnowError
from blocks.gateway.errors import DeadlinePassed
from blocks.gateway.model import Model, ModelReply, ModelRequest, Question
from blocks.gateway.policies.breaker import Breakers, Breaking, refuse_behind_open_breaker
from blocks.gateway.policies.cache import Cached, RecordHit
from blocks.gateway.policies.correction import Correcting
from blocks.gateway.policies.limits import Limited, Limits
from blocks.gateway.policies.metering import Metered
from blocks.gateway.policies.reply_store import Shelf
from blocks.gateway.policies.retries import RetryBudget, Retrying
from blocks.gateway.policies.shared_state import BreakerStates, LimitLeases, ReplyCache
from blocks.gateway.policies.tracing import Traced
from blocks.gateway.prompts.prompts import prompt_version
from blocks.gateway.providers.catalogue import PROVIDERS
from blocks.gateway.providers.local import LocalModel
from blocks.gateway.providers.server_traits import traits_of
from blocks.gateway.providers.transport import Transport
from blocks.gateway.providers.wire_model import WireModel
from blocks.gateway.registry.errors import ModelPriceUnknown, ModelUnknown
from blocks.gateway.registry.key_cache import KeyCache
from blocks.gateway.registry.registry import JsonMode, RegisteredModel, Registry, RegistryState
from blocks.gateway.spending.group_commit import Rounds
from blocks.gateway.spending.ledger import Caps, Ledger, ModelCall, Settlement, new_call_key
from blocks.gateway.spending.ledger_writer import LedgerWriter
from blocks.gateway.spending.prices import price_of
from blocks.records import CACHE_HIT, LOCAL

LOOK_EVERY_S = 1.0
LEASE_S = 15.0
"""How long a worker that died keeps its share of the limits."""
RECOVER_EVERY_S = 30.0
IDLE_S = 60.0
"""After so long without a call nothing is looked at any more, until the next call."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept beyond a call, and shared by workers. The database keeps it."""

    registry: Registry
    ledger: Ledger
    breakers: BreakerStates
    leases: LimitLeases
    replies: ReplyCache


@dataclass(frozen=True, slots=True)
class RunTerms:
    """On what terms a run asks: what it may spend (`day_usd` over all runs), and whether kept replies are used."""

    run_usd: Decimal | None = None
    day_usd: Decimal | None = None
    reads_cache: bool = True
    keeps_texts: bool = False

    def caps(self, question: Question) -> Caps:
        """What bounds the cost of a question."""
        return Caps(self.run_usd, self.day_usd, question.document_budget_usd)


@dataclass(slots=True)
class _Learnt:
    """What is learnt of one model, whatever its row says next."""

    limits: Limits
    retries: RetryBudget
    json_mode: JsonMode
    asked_at: float = 0.0
    has_share: bool = False
    look: "asyncio.Task[None] | None" = None

    @property
    def is_used(self) -> bool:
        """Whether it is asked, or was within the last minute: its share of the limits is then this worker's to keep."""
        return bool(self.limits.in_flight or self.limits.waiting) or time.monotonic() - self.asked_at < IDLE_S


class Gateway:
    """The models of a process. Made off the event loop, since it reads the registry; used on the loop."""

    def __init__(self, kept: Kept, keys: Mapping[str, SecretStr]) -> None:
        self._kept = kept
        self.keys = KeyCache(keys, LOOK_EVERY_S)
        self._state = kept.registry.load()
        self._breakers = Breakers(kept.breakers)
        self._learnt: dict[str, _Learnt] = {}
        self._local = LocalModel()
        rounds = Rounds()
        self._ledger_writer = LedgerWriter(kept.ledger, rounds)
        self._shelf = Shelf(kept.replies, rounds)
        self._transport: Transport | None = None
        self._waking: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._memories: set[asyncio.Task[None]] = set()
        self._called_at = 0.0
        self._under_way = 0
        self._sharing = threading.Lock()
        self._is_closed = False

    def registry(self) -> RegistryState:
        """The registry as it stood a second or two ago."""
        return self._state

    def for_run(self, terms: RunTerms) -> "RunGateway":
        """The models as a run may ask them, by the registry as it stands. Reads the database: not for the loop."""
        self._state = self._kept.registry.load()
        return RunGateway(self, terms)

    async def close(self) -> None:
        """Write what waits, close every connection, and leave limits and the ledger to other workers."""
        for task in (self._waking, self._watch):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await asyncio.gather(*self._memories, return_exceptions=True)  # each logs its own failure
        await self._shelf.close()
        await self._ledger_writer.close()
        if self._transport is not None:
            transport, self._transport = self._transport, None
            await transport.__aexit__(None, None, None)
        for leave in (self._release, self._kept.ledger.close):
            try:
                await asyncio.to_thread(leave)
            except WinnowError as error:  # what is left lapses by itself
                log.warning("the database was not told that this worker ends (%s)", error)

    @property
    def is_awake(self) -> bool:
        """Whether what workers share is looked at."""
        return self._watch is not None and not self._watch.done()

    async def wake(self) -> None:
        """See that what workers share is looked at. Cheap where it is so."""
        self._called_at = time.monotonic()
        if self.is_awake:
            return
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())
        await asyncio.shield(self._waking)  # others wait for it too

    async def _wake(self) -> None:
        await self._look()
        self._watch = asyncio.create_task(self._keep_looking())

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """A call is under way: what workers share is looked at for as long as it takes."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._called_at = time.monotonic()

    async def answer_locally(self, question: Question) -> ModelReply:
        """The built-in model's reply, read off the loop, with its free row in the ledger.

        Raises `LedgerUnavailable` where so many rows wait to be written that no further call may begin.
        """
        await self.wake()  # models may be enabled meanwhile
        self._ledger_writer.check()
        reply, latency_ms = await asyncio.to_thread(self._read_locally, question.request)
        call = ModelCall(
            document_id=question.request.document_id,
            model=self._local.name,
            model_version=self._local.version,
            call_key=new_call_key(),
            step=question.step,
            lane=question.lane,
            input_characters=reply.usage.input_characters,
            latency_ms=latency_ms,
        )
        await self._ledger_writer.settle(Settlement(question.run_id, call), question.deadline)
        return reply

    def _read_locally(self, request: ModelRequest) -> tuple[ModelReply, int]:
        """In a thread: the built-in model's reply, and the milliseconds that it took, the wait for a thread aside."""
        started = time.monotonic()
        return self._local.answer(request), round((time.monotonic() - started) * 1000)

    async def chain(self, model: RegisteredModel, terms: RunTerms) -> Model:
        """A model with all policies around it, as its row stands.

        Raises `ModelKeyMissing` and `ModelPriceUnknown`: nothing is asked whose key or price is not known.
        """
        price = await asyncio.to_thread(price_of, model)  # the price list takes a second to load, once
        if price is None:
            raise ModelPriceUnknown(model.name, model.upstream)
        if self._is_closed:
            raise RuntimeError("the gateway is asked after it was closed")
        if self._transport is None:
            self._transport = await Transport().__aenter__()
        learnt = self._learnt_of(model)
        wire = WireModel(
            model,
            PROVIDERS[model.provider],
            self._transport,
            lambda: self.keys.of(model),
            self._remember_json_mode,
            on_limits=learnt.limits.heard,
            keep_texts=terms.keeps_texts,
        )
        metered = Metered(
            Limited(
                Traced(wire, model, keep_texts=terms.keeps_texts),
                learnt.limits,
                self._is_paused,
                lambda: refuse_behind_open_breaker(model.name),
            ),
            self._ledger_writer,
            price=price,
            max_output_tokens=model.max_output_tokens,
            caps=terms.caps,
            is_paused=self._is_paused,
            keep_texts=terms.keeps_texts,
        )
        breaking = Breaking(metered, self._breakers.get(model.endpoint_key), self._breakers.get(model.name))
        retrying = Retrying(breaking, learnt.retries)
        correcting = Correcting(retrying, model.context_window, model.max_output_tokens)
        return Cached(correcting, model, self._shelf, self._recorder_of(model), is_read=terms.reads_cache)

    def _is_paused(self) -> bool:
        return self._state.is_paused

    def has_share(self, name: str) -> bool:
        """Whether a model that is asked now has been learnt of, and this worker's share of its limits with it."""
        learnt = self._learnt.get(name)
        if learnt is None:
            return False
        learnt.asked_at = time.monotonic()
        return learnt.has_share

    async def hold_share(self, name: str) -> None:
        """Have this worker's share of the limits of a model, of which there is a chain, before it is asked."""
        learnt = self._learnt[name]
        for _ in range(2):  # a look that is under way may have begun before this model was asked
            if self.has_share(name):
                return
            if learnt.look is None or learnt.look.done():
                learnt.look = asyncio.create_task(self._look())
            await asyncio.shield(learnt.look)  # others wait for it too

    def _learnt_of(self, model: RegisteredModel) -> _Learnt:
        learnt = self._learnt.get(model.name)
        if learnt is None:
            learnt = self._learnt[model.name] = _Learnt(Limits(model), RetryBudget(), model.json_mode)
        if learnt.json_mode is not model.json_mode:
            learnt.json_mode = model.json_mode
            traits = traits_of(model.version)
            if traits.told_mode is not model.json_mode:  # not what was found out here, but what somebody has set
                traits.forget_modes()
        learnt.limits.reconfigure(model)
        return learnt

    def _recorder_of(self, model: RegisteredModel) -> RecordHit:
        async def record(question: Question, key: str) -> None:
            self._ledger_writer.check()
            call = ModelCall(
                document_id=question.request.document_id,
                model=model.name,
                model_version=model.version,
                call_key=new_call_key(),
                step=question.step,
                lane=question.lane,
                request_digest=key,
                prompt_version=prompt_version(question.request),
                outcome=CACHE_HIT,
            )
            await self._ledger_writer.settle(Settlement(question.run_id, call), question.deadline)

        return record

    def _remember_json_mode(self, name: str, mode: JsonMode) -> None:
        task = asyncio.create_task(asyncio.to_thread(self._kept.registry.remember_json_mode, name, mode))
        self._memories.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._memories.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("how a server is held to a schema could not be kept (%s); the next process finds out", error)

    # --- what workers share

    async def _keep_looking(self) -> None:
        recovered_at = time.monotonic()
        while self._under_way or time.monotonic() - self._called_at < IDLE_S:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look()
                if time.monotonic() - recovered_at >= RECOVER_EVERY_S:
                    recovered_at = time.monotonic()
                    await asyncio.to_thread(self._kept.ledger.recover)
            except WinnowError as error:  # the database is away: what was known stands, and money is refused elsewhere
                log.warning("what workers share cannot be read (%s); what was known stands", error)

    async def _look(self) -> None:
        used = tuple(name for name, learnt in self._learnt.items() if learnt.is_used)
        self._state, shares = await asyncio.to_thread(self._load, used)
        for name, learnt in self._learnt.items():
            if name in shares:
                learnt.limits.set_share(*shares[name])
                learnt.has_share = True
            elif not learnt.is_used:  # what an earlier look than the last one was not told stands
                learnt.has_share = False
            if (model := self._state.get(name)) is not None:
                learnt.limits.reconfigure(model)

    def _load(self, used: Sequence[str]) -> tuple[RegistryState, Mapping[str, tuple[int, int]]]:
        state = self._kept.registry.load()
        self._breakers.sync()
        with self._sharing:
            return state, self._kept.leases.renew(used, LEASE_S) if used and not self._is_closed else {}

    def _release(self) -> None:
        """Leave the limits to other workers, for good: a look that is still under way takes none of them again."""
        with self._sharing:
            self._is_closed = True
            self._kept.leases.release()


class RunGateway:
    """The models as one run may ask them: what its routes are given."""

    def __init__(self, gateway: Gateway, terms: RunTerms) -> None:
        self._gateway = gateway
        self._terms = terms
        self._chains: dict[str, tuple[RegisteredModel, Model]] = {}

    def registry(self) -> RegistryState:
        """The registry as it stood a second or two ago."""
        return self._gateway.registry()

    async def answer(self, name: str, question: Question) -> ModelReply:
        """Ask the model of this name, with all policies around it. Raises `ModelUnknown`, and what the model raises."""
        with self._gateway.calling():
            if name == LOCAL:
                return await self._gateway.answer_locally(question)
            chain = self._ready_chain(name)
            if chain is None:
                try:
                    async with asyncio.timeout_at(question.deadline):
                        chain = await self._chain(name)
                except TimeoutError:  # the database, or Prefect that has the key, is slow
                    raise DeadlinePassed(name, question.timeout_s or self._timeout_s(name), was_sent=False) from None
            return await chain.answer(question)

    def _ready_chain(self, name: str) -> Model | None:
        """The chain, where nothing need be looked up for it: registry, key and share of the limits are at hand."""
        made_of, chain = self._chains.get(name, (None, None))
        if made_of is None or not self._gateway.is_awake or self.registry().get(name) is not made_of:
            return None
        return chain if self._gateway.keys.has(made_of) and self._gateway.has_share(name) else None

    async def _chain(self, name: str) -> Model:
        await self._gateway.wake()
        state = self._gateway.registry()
        model = state.get(name)
        if model is None:
            raise ModelUnknown(name, (LOCAL, *(one.name for one in state.models)))
        await self._gateway.keys.hold(model)
        made_of, chain = self._chains.get(name, (None, None))
        if chain is None or (made_of is not model and made_of != model):
            chain = await self._gateway.chain(model, self._terms)
        self._chains[name] = (model, chain)
        await self._gateway.hold_share(name)
        return chain

    def _timeout_s(self, name: str) -> float:
        model = self.registry().get(name)
        return model.timeout_s if model is not None else 0.0
