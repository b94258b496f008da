"""The gateway: every model of the registry behind its policies, for all runs of a process.

A model's limits, circuit and retry budget outlive changes of its row. Its policies are made anew when the row changes,
so that the next call follows. Once a second the gateway reads what workers share: the registry with its pause switch,
the circuits, and the leases on limits.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from pydantic import SecretStr

from blocks.errors import WinnowError
from blocks.gateway.errors import DeadlinePassed, ModelsPaused
from blocks.gateway.model import Model, ModelReply, Question
from blocks.gateway.policies.cache import Cached
from blocks.gateway.policies.circuit import CircuitBreaking, Circuits
from blocks.gateway.policies.correction import Correcting
from blocks.gateway.policies.limits import Limited, Limits
from blocks.gateway.policies.metering import Metered, hit_recorder
from blocks.gateway.policies.reply_store import ReplyStore
from blocks.gateway.policies.retries import RetryBudget, Retrying
from blocks.gateway.policies.shared_state import CircuitStates, LimitLeases, ReplyCache
from blocks.gateway.policies.tracing import Traced
from blocks.gateway.policies.wrapper import behind
from blocks.gateway.providers.catalogue import PROVIDERS
from blocks.gateway.providers.server_traits import traits_of
from blocks.gateway.providers.transport import Transport
from blocks.gateway.providers.wire_model import WireModel
from blocks.gateway.registry.errors import ModelPriceUnknown, ModelUnknown
from blocks.gateway.registry.key_cache import KeyCache
from blocks.gateway.registry.registry import JsonMode, RegisteredModel, Registry, RegistryState
from blocks.gateway.spending.group_commit import Rounds
from blocks.gateway.spending.ledger_writer import Ledger, LedgerWriter
from blocks.gateway.spending.prices import Price, price_of, prices_by_served
from blocks.ledger import Caps

REFRESH_EVERY_S = 1.0
LEASE_S = 15.0
"""How long a worker that died keeps its lease on limits."""
RECOVER_EVERY_S = 30.0
IDLE_S = 60.0
"""After so long without a call nothing is refreshed until the next call."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SharedState:
    """What workers share, each kept by the database."""

    registry: Registry
    ledger: Ledger
    circuits: CircuitStates
    leases: LimitLeases
    replies: ReplyCache


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What a run may spend (`day_usd` over all runs), whether it reads the cache, and whether texts are kept."""

    run_usd: Decimal | None = None
    day_usd: Decimal | None = None
    reads_cache: bool = True
    keeps_texts: bool = False

    def caps(self, question: Question) -> Caps:
        """What bounds the cost of a question."""
        return Caps(self.run_usd, self.day_usd, question.document_budget_usd)


@dataclass(slots=True)
class _ModelState:
    """What this process knows of one model, whatever its row says next."""

    limits: Limits
    retries: RetryBudget
    json_mode: JsonMode
    asked_at: float = 0.0
    has_lease: bool = False
    refresh: "asyncio.Task[None] | None" = None

    @property
    def is_used(self) -> bool:
        """Whether it is being called, or was within the last minute: this worker then renews its lease."""
        return bool(self.limits.in_flight or self.limits.waiting) or time.monotonic() - self.asked_at < IDLE_S


class Gateway:
    """The models of a process. Made off the event loop, since it reads the registry; used on the loop."""

    def __init__(self, shared: SharedState, keys: Mapping[str, SecretStr]) -> None:
        self._shared = shared
        self.keys = KeyCache(keys, REFRESH_EVERY_S)
        self._state = shared.registry.load()
        self._circuits = Circuits(shared.circuits)
        self._models: dict[str, _ModelState] = {}
        rounds = Rounds()
        self._ledger_writer = LedgerWriter(shared.ledger, rounds)
        self._reply_store = ReplyStore(shared.replies, rounds)
        self._transport: Transport | None = None
        self._waking: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._json_mode_writes: set[asyncio.Task[None]] = set()
        self._called_at = 0.0
        self._calls_under_way = 0
        self._leasing = threading.Lock()
        self._is_closed = False

    def registry(self) -> RegistryState:
        """The registry as it stood a second or two ago."""
        return self._state

    def for_run(self, terms: RunTerms) -> "RunGateway":
        """The models as a run may ask them, by the registry as it stands. Reads the database: not for the loop."""
        self._state = self._shared.registry.load()
        return RunGateway(self, terms)

    async def close(self) -> None:
        """Write what waits, close every connection, and release limits and ledger to other workers."""
        for task in (self._waking, self._watch):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await asyncio.gather(*self._json_mode_writes, return_exceptions=True)  # each logs its own failure
        await self._reply_store.close()
        await self._ledger_writer.close()
        if self._transport is not None:
            transport, self._transport = self._transport, None
            await transport.aclose()
        for leave in (self._release, self._shared.ledger.close):
            try:
                await asyncio.to_thread(leave)
            except WinnowError as error:
                log.warning("this worker could not release its leases (%s): they lapse", error)

    @property
    def is_awake(self) -> bool:
        """Whether what workers share is refreshed."""
        return self._watch is not None and not self._watch.done()

    async def wake(self) -> None:
        """Start to refresh what workers share. Cheap where that is under way."""
        self._called_at = time.monotonic()
        if self.is_awake:
            return
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())
        await asyncio.shield(self._waking)  # others wait for it too

    async def _wake(self) -> None:
        await self._refresh()
        self._watch = asyncio.create_task(self._keep_refreshing())

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Mark a call as under way: what workers share is refreshed until it ends."""
        self._calls_under_way += 1
        try:
            yield
        finally:
            self._calls_under_way -= 1
            self._called_at = time.monotonic()

    async def chain(self, model: RegisteredModel, terms: RunTerms) -> Model:
        """The model behind its policies, as its row stands. Raises `ModelPriceUnknown`."""
        price = await asyncio.to_thread(price_of, model)  # the price list takes a second to load, once
        if price is None:
            raise ModelPriceUnknown(model.name, model.upstream)
        if self._is_closed:
            raise RuntimeError("the gateway is used after it was closed")
        if self._transport is None:
            self._transport = Transport()
        wire = WireModel(
            model,
            PROVIDERS[model.provider],
            self._transport,
            lambda: self.keys.of(model),
            self._remember_json_mode,
            on_limits=self._state_of(model).limits.follow,
            keep_texts=terms.keeps_texts,
        )
        return behind(wire, self.policies(model, terms, price))

    def policies(self, model: RegisteredModel, terms: RunTerms, price: Price) -> tuple["partial[Any]", ...]:
        """What stands between a run and a model, outermost first. docs/decisions/gateway-policies.md says why."""
        state = self._state_of(model)
        circuit = self._circuits.get(model.name)

        def check(question: Question) -> None:
            if self._is_paused():
                raise ModelsPaused
            circuit.check(question)

        return (
            partial(
                Cached,
                registered=model,
                reply_store=self._reply_store,
                record_hit=hit_recorder(model, self._ledger_writer),
                is_read=terms.reads_cache,
            ),
            partial(Correcting, context_window=model.context_window, max_output_tokens=model.max_output_tokens),
            partial(Retrying, budget=state.retries),
            partial(CircuitBreaking, circuit=circuit),
            partial(
                Metered,
                ledger_writer=self._ledger_writer,
                price_of=prices_by_served(model, price),
                max_output_tokens=model.max_output_tokens,
                caps=terms.caps,
                is_paused=self._is_paused,
                keep_texts=terms.keeps_texts,
            ),
            partial(Limited, limits=state.limits, check=check),
            partial(Traced, registered=model, keep_texts=terms.keeps_texts),
        )

    def _is_paused(self) -> bool:
        return self._state.is_paused

    def has_lease(self, name: str) -> bool:
        """Whether this worker has a lease on the limits of a model that is now called."""
        state = self._models.get(name)
        if state is None:
            return False
        state.asked_at = time.monotonic()
        return state.has_lease

    async def acquire_lease(self, name: str) -> None:
        """Get this worker's lease on the limits of a model before its first call. Its policies have been made."""
        state = self._models[name]
        for _ in range(2):  # a refresh under way may have started before this model was called
            if self.has_lease(name):
                return
            if state.refresh is None or state.refresh.done():
                state.refresh = asyncio.create_task(self._refresh())
            await asyncio.shield(state.refresh)  # others wait for it too

    def _state_of(self, model: RegisteredModel) -> _ModelState:
        state = self._models.get(model.name)
        if state is None:
            state = self._models[model.name] = _ModelState(Limits(model), RetryBudget(), model.json_mode)
        if state.json_mode is not model.json_mode:
            state.json_mode = model.json_mode
            traits = traits_of(model.version, model.extra_body)
            if traits.reported_mode is not model.json_mode:  # set by a person, not detected here
                traits.forget_modes()
        state.limits.reconfigure(model)
        return state

    def _remember_json_mode(self, name: str, mode: JsonMode) -> None:
        task = asyncio.create_task(asyncio.to_thread(self._shared.registry.remember_json_mode, name, mode))
        self._json_mode_writes.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._json_mode_writes.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("the JSON mode of a server could not be stored (%s); the next process finds it out", error)

    async def _keep_refreshing(self) -> None:
        recovered_at = time.monotonic()
        while self._calls_under_way or time.monotonic() - self._called_at < IDLE_S:
            await asyncio.sleep(REFRESH_EVERY_S)
            try:
                await self._refresh()
                if time.monotonic() - recovered_at >= RECOVER_EVERY_S:
                    recovered_at = time.monotonic()
                    await asyncio.to_thread(self._shared.ledger.recover)
            except WinnowError as error:  # no money can be reserved meanwhile, so nothing is overspent
                log.warning("what workers share cannot be read (%s); the last state stays in use", error)

    async def _refresh(self) -> None:
        used = tuple(name for name, state in self._models.items() if state.is_used)
        await self._circuits.sync()
        self._state, leases = await asyncio.to_thread(self._load, used)
        for name, state in self._models.items():
            if name in leases:
                state.limits.set_lease(*leases[name])
                state.has_lease = True
            elif not state.is_used:  # a refresh that started before the model was used must not clear its lease
                state.has_lease = False
            if (model := self._state.get(name)) is not None:
                state.limits.reconfigure(model)

    def _load(self, used: Sequence[str]) -> tuple[RegistryState, Mapping[str, tuple[int, int]]]:
        registry = self._shared.registry.load()
        with self._leasing:
            return registry, self._shared.leases.renew(used, LEASE_S) if used and not self._is_closed else {}

    def _release(self) -> None:
        """Release the leases for good: a refresh that is still under way acquires none again."""
        with self._leasing:
            self._is_closed = True
            self._shared.leases.release()


class RunGateway:
    """The models as one run may call them."""

    def __init__(self, gateway: Gateway, terms: RunTerms) -> None:
        self._gateway = gateway
        self._terms = terms
        self._chains: dict[str, tuple[RegisteredModel, Model]] = {}

    def registry(self) -> RegistryState:
        """The registry as it stood a second or two ago."""
        return self._gateway.registry()

    async def answer(self, name: str, question: Question) -> ModelReply:
        """Ask the model of this name, behind its policies. Raises `ModelUnknown`, and what the model raises."""
        with self._gateway.calling():
            chain = self._ready_chain(name)
            if chain is None:
                try:
                    async with asyncio.timeout_at(question.deadline):
                        chain = await self._chain(name)
                except TimeoutError:
                    timeout_s = question.timeout_s or self._timeout_s(name)
                    raise DeadlinePassed(name, timeout_s, "the database or the look-up of its key") from None
            return await chain.answer(question)

    def _ready_chain(self, name: str) -> Model | None:
        """The model behind its policies, if registry, key and lease are at hand."""
        made_of, chain = self._chains.get(name, (None, None))
        if made_of is None or not self._gateway.is_awake or self.registry().get(name) is not made_of:
            return None
        return chain if self._gateway.keys.has(made_of) and self._gateway.has_lease(name) else None

    async def _chain(self, name: str) -> Model:
        await self._gateway.wake()
        state = self._gateway.registry()
        model = state.get(name)
        if model is None:
            raise ModelUnknown(name, state.names)
        await self._gateway.keys.refresh(model)
        made_of, chain = self._chains.get(name, (None, None))
        if chain is None or (made_of is not model and made_of != model):
            chain = await self._gateway.chain(model, self._terms)
        self._chains[name] = (model, chain)
        await self._gateway.acquire_lease(name)
        return chain

    def _timeout_s(self, name: str) -> float:
        model = self.registry().get(name)
        return model.timeout_s if model is not None else 0.0
