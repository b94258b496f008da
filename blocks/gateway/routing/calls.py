"""Asks a step's models: the next model where one fails, and no more documents at once than a model can take.

A document waits for its turn at a model before the timeout of its call begins, so that a long queue in front of a slow
server is nobody's failure.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from blocks.errors import DocumentError, WinnowError
from blocks.gateway.errors import BudgetExhausted, CallFailed, LimitsReached, ModelsPaused, ModelUnavailable
from blocks.gateway.model import ModelReply, ModelRequest, Question
from blocks.gateway.prompts.tokens import estimate_request_tokens
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.records import PageImage, StepTrace

ANSWERED, UNSURE, SKIPPED = "answered", "unsure", "skipped"
"""Outcomes of steps; any other is the kind of a failure."""
TURNS_PER_CALL = 2
"""Documents at a model per call in flight: while some wait to try again, others are asked."""
RATE_LIMIT_WAIT_S = 3600.0
"""How long a document waits in all for room within a model's limits per minute."""

log = logging.getLogger(__name__)

Draw = Callable[[], Awaitable[Sequence[PageImage]]]
"""Gives images of a document's pages. Raises a `DocumentError` where they cannot be drawn."""


class AnsweringGateway(Protocol):
    """What a route needs of the gateway."""

    def registry(self) -> RegistryState:
        """The registry as it is now."""
        ...

    async def answer(self, name: str, question: Question) -> ModelReply:
        """Ask the model of this name, with all policies around it."""
        ...


class Turns:
    """Limits the documents at each model. Lives on the gateway's event loop."""

    def __init__(self) -> None:
        self._semaphores: dict[str, asyncio.Semaphore] = {}
        self._sizes: dict[str, int] = {}

    @asynccontextmanager
    async def at(self, name: str, calls_in_flight: int) -> AsyncIterator[None]:
        """Wait for a turn at a model. A model that takes more calls than before gets more turns at once."""
        size = calls_in_flight * TURNS_PER_CALL
        semaphore = self._semaphores.setdefault(name, asyncio.Semaphore(size))
        for _ in range(size - self._sizes.setdefault(name, size)):
            semaphore.release()
        self._sizes[name] = max(size, self._sizes[name])
        async with semaphore:
            yield


class Caller:
    """Asks the models of a step in order, and says why those before did not answer."""

    def __init__(self, gateway: AnsweringGateway, clock: Callable[[], float] = time.monotonic) -> None:
        self._gateway = gateway
        self._clock = clock
        self._turns = Turns()

    async def ask(
        self, question: Question, names: Sequence[str], draw: Draw | None = None
    ) -> tuple[ModelReply | None, list[StepTrace], list[CallFailed]]:
        """The first reply, with a trace and a failure for each model before it.

        The deadline is set anew for each model: after the step's timeout, or the model's where the step has none.
        `draw` gives images for models that take them. Raises only defects.
        """
        traces: list[StepTrace] = []
        failures: list[CallFailed] = []
        for name in self._fitting_first(question.request, names):
            try:
                return await self._ask(question, name, draw), traces, failures
            except WinnowError as error:
                failed = error if isinstance(error, CallFailed) else ModelUnavailable(f"{error.kind}: {error}")
                failures.append(failed)
                traces.append(StepTrace(step=question.step, model=name, outcome=error.kind, why=_summary(error)))
                log.debug("%s about %s: %s", name, question.request.document_id, error)
        return None, traces, failures

    def _fitting_first(self, request: ModelRequest, names: Sequence[str]) -> Sequence[str]:
        """The models whose context window has room for the whole request, then the others, each in their order: a
        document that is shortened for one model is read in part, though another may be shown all of it."""
        known = [self._gateway.registry().get(name) for name in names]
        rooms = {
            model.name: model.context_window - model.max_output_tokens
            for model in known
            if model is not None and model.context_window is not None
        }
        if len(names) < 2 or not rooms:
            return names
        tokens = estimate_request_tokens(request)
        return sorted(names, key=lambda name: rooms.get(name, tokens) < tokens)

    async def _ask(self, question: Question, name: str, draw: Draw | None) -> ModelReply:
        model = self._enabled(name)
        request = await _with_images(question.request, draw) if model.images else question.request
        waits_until = self._clock() + RATE_LIMIT_WAIT_S
        async with self._turns.at(name, model.in_flight):
            while True:
                timeout_s = question.timeout_s or self._enabled(name).timeout_s
                timed = replace(question, request=request, deadline=self._clock() + timeout_s)
                try:
                    return await self._gateway.answer(name, timed)
                except LimitsReached:
                    if self._clock() >= waits_until:
                        raise

    def _enabled(self, name: str) -> RegisteredModel:
        """The model as its row is now: it may have changed since the route was planned, or during the wait for a turn.

        Raises `ModelUnavailable` where it is gone or disabled.
        """
        model = self._gateway.registry().get(name)
        if model is None:
            raise ModelUnavailable(f"{name} was taken out of the registry")
        if not model.is_enabled:
            raise ModelUnavailable(f"{name} was disabled meanwhile")
        return model


async def _with_images(request: ModelRequest, draw: Draw | None) -> ModelRequest:
    """The request with images of its pages; where they cannot be drawn, with a note that says so."""
    if draw is None:
        return request
    try:
        return request.model_copy(update={"images": tuple(await draw())})
    except DocumentError as error:
        note = f"pictures of its pages could not be drawn ({error.kind})"
        return request.model_copy(update={"notes": (*request.notes, note)})


def _summary(error: WinnowError) -> str:
    """What happened, by the first line of the error's docstring. Its message has seconds, sums and a server's words:
    these differ from run to run, and a payload that differs makes later stages stale."""
    return (type(error).__doc__ or "").strip().partition("\n")[0]


def outage_of(failures: Sequence[CallFailed]) -> CallFailed | None:
    """The failure that stands for all of them where something but the document is the reason; None elsewhere."""
    for kind in (ModelsPaused, BudgetExhausted):
        for failure in failures:
            if isinstance(failure, kind):
                return failure
    return next((failure for failure in failures if failure.is_outage), None)


def reason_of(traces: Sequence[StepTrace]) -> str:
    """Why no model answered, for the failure that says so."""
    kinds = (trace.outcome for trace in traces if trace.model and trace.outcome not in (ANSWERED, UNSURE))
    return ", ".join(dict.fromkeys(kinds)) or "none could be asked"
