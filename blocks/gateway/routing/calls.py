"""How a step's models are asked: the next one where one fails, and no more at once than a model can take.

A document waits for its turn at a model before its call's time begins to run, so that a long queue in front of a slow
server is no failure of anybody's.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from blocks.errors import DocumentError, WinnowError
from blocks.gateway.errors import BudgetExhausted, CallFailed, LimitsReached, ModelsPaused, ModelUnavailable
from blocks.gateway.model import ModelReply, ModelRequest, Question
from blocks.gateway.prompts.tokens import estimate_request_tokens
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.records import LOCAL, PageImage, StepTrace

ANSWERED, UNSURE, SKIPPED = "answered", "unsure", "skipped"
"""Outcomes of steps; any other is the kind of a failure."""
TURNS_PER_CALL = 2
"""Documents at a model, over its calls in flight: while some wait to try again, others are asked."""
PATIENCE_S = 3600.0
"""How long a document waits in all for room within a model's limits per minute, time after time."""
LOCAL_TIMEOUT_S = 3600.0
"""The built-in model always answers; what bounds it is the time that its row may wait for the database."""


class Asked(Protocol):
    """What a route needs of the gateway."""

    def registry(self) -> RegistryState:
        """The registry as it stands."""
        ...

    async def answer(self, name: str, question: Question) -> ModelReply:
        """Ask the model of this name, with all policies around it."""
        ...


log = logging.getLogger(__name__)

Draw = Callable[[], Awaitable[Sequence[PageImage]]]
"""Gives pictures of a document's pages. Raises a `DocumentError` where they cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is asked about one document at one step. `timeout_s` is the step's, None where the model's holds."""

    request: ModelRequest
    run_id: str
    step: int
    budget_usd: Decimal | None = None
    timeout_s: float | None = None


class Turns:
    """Whose turn it is at each model. Lives on the gateway's event loop."""

    def __init__(self) -> None:
        self._semaphores: dict[str, asyncio.Semaphore] = {}
        self._sizes: dict[str, int] = {}

    @asynccontextmanager
    async def at(self, name: str, calls_in_flight: int) -> AsyncIterator[None]:
        """Wait for a turn at a model. Where it takes more calls than before, more are let in at once."""
        size = calls_in_flight * TURNS_PER_CALL
        semaphore = self._semaphores.setdefault(name, asyncio.Semaphore(size))
        for _ in range(size - self._sizes.setdefault(name, size)):
            semaphore.release()
        self._sizes[name] = max(size, self._sizes[name])
        async with semaphore:
            yield


class Caller:
    """Asks the models of a step in order, and says why those before did not answer."""

    def __init__(self, gateway: Asked, clock: Callable[[], float] = time.monotonic) -> None:
        self._gateway = gateway
        self._clock = clock
        self._turns = Turns()

    async def ask(
        self, errand: Errand, names: Sequence[str], draw: Draw | None = None
    ) -> tuple[ModelReply | None, list[StepTrace], list[CallFailed]]:
        """The first reply, with what became of the models before it. `draw` gives pictures for models that take them.

        Raises the built-in model's failure, and defects.
        """
        traces: list[StepTrace] = []
        failures: list[CallFailed] = []
        for name in self._fitting_first(errand.request, names):
            try:
                return await self._ask(errand, name, draw), traces, failures
            except WinnowError as error:
                if name == LOCAL:
                    raise
                failed = error if isinstance(error, CallFailed) else ModelUnavailable(f"{error.kind}: {error}")
                failures.append(failed)
                traces.append(StepTrace(step=errand.step, model=name, outcome=error.kind, why=_outline(error)))
                log.debug("%s about %s: %s", name, errand.request.document_id, error)
        return None, traces, failures

    def _fitting_first(self, request: ModelRequest, names: Sequence[str]) -> Sequence[str]:
        """The models whose context window has room for the whole request, then the others, each in their order: a
        document that is shortened for one is read in part, though another may be shown all of it."""
        known = [self._gateway.registry().get(name) for name in names]
        rooms = {
            one.name: one.context_window - one.max_output_tokens
            for one in known
            if one is not None and one.context_window is not None
        }
        if len(names) < 2 or not rooms:
            return names
        tokens = estimate_request_tokens(request)
        return sorted(names, key=lambda name: rooms.get(name, tokens) < tokens)

    async def ask_local(self, errand: Errand) -> ModelReply:
        """The built-in model's reply. Raises the `WinnowError` that it raises."""
        return await self._gateway.answer(LOCAL, self._question(errand, LOCAL_TIMEOUT_S))

    async def _ask(self, errand: Errand, name: str, draw: Draw | None) -> ModelReply:
        if name == LOCAL:
            return await self.ask_local(errand)
        model = self._enabled(name)
        request = await _with_images(errand.request, draw) if model.images else errand.request
        patience_ends = self._clock() + PATIENCE_S
        async with self._turns.at(name, model.in_flight):
            while True:
                question = self._question(errand, errand.timeout_s or self._enabled(name).timeout_s, request)
                try:
                    return await self._gateway.answer(name, question)
                except LimitsReached:
                    if self._clock() >= patience_ends:
                        raise

    def _enabled(self, name: str) -> RegisteredModel:
        """The model as its row stands now: it may have changed since the route was planned, or while turns were waited
        for."""
        model = self._gateway.registry().get(name)
        if model is None:
            raise ModelUnavailable(f"{name} was taken out of the registry")
        if not model.is_enabled:
            raise ModelUnavailable(f"{name} was disabled meanwhile")
        return model

    def _question(self, errand: Errand, timeout_s: float, request: ModelRequest | None = None) -> Question:
        return Question(
            request=request or errand.request,
            run_id=errand.run_id,
            deadline=self._clock() + timeout_s,
            step=errand.step,
            document_budget_usd=errand.budget_usd,
            timeout_s=errand.timeout_s,
        )


async def _with_images(request: ModelRequest, draw: Draw | None) -> ModelRequest:
    """The request with pictures of its pages; where they cannot be drawn, with a note that says so."""
    if draw is None:
        return request
    try:
        return request.model_copy(update={"images": tuple(await draw())})
    except DocumentError as error:
        note = f"pictures of its pages could not be drawn ({error.kind})"
        return request.model_copy(update={"notes": (*request.notes, note)})


def _outline(error: WinnowError) -> str:
    """What happened, by the error's own docstring. Its message has seconds, sums and what a server said: these differ
    from one run to the next, and a payload that differs makes later stages anew."""
    return (type(error).__doc__ or "").strip().partition("\n")[0]


def outage_of(failures: Sequence[CallFailed]) -> CallFailed | None:
    """The failure that stands for all of them where something but the document is the reason; None elsewhere."""
    for kind in (ModelsPaused, BudgetExhausted):
        for one in failures:
            if isinstance(one, kind):
                return one
    return next((one for one in failures if one.is_outage), None)


def reason_of(traces: Sequence[StepTrace]) -> str:
    """What kept the models that were asked from answering, for the failure that says that none did."""
    kinds = (one.outcome for one in traces if one.model and one.outcome not in (ANSWERED, UNSURE))
    return ", ".join(dict.fromkeys(kinds)) or "none could be asked"
