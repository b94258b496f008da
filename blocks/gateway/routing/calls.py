"""Asks a step's models in order: the next model where one fails, and no more documents at once than a model can take.

The timeout of a call begins when the document gets its turn at the model, so that a long queue in front of a slow
server fails no document.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from blocks.errors import DocumentError, WinnowError
from blocks.gateway.errors import BudgetExhausted, CallFailed, LimitsReached, ModelUnavailable
from blocks.gateway.model import ModelReply, ModelRequest, Question
from blocks.gateway.prompts.tokens import estimate_request_tokens, with_fitting_examples
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.routing.outages import Outages
from blocks.records import PageImage, StepTrace

TURNS_PER_CALL = 2
"""Documents at a model per call in flight: while some wait to retry, others are asked."""
RATE_LIMIT_WAIT_S = 3600.0
"""How long a document waits in all for room within a model's rate limit."""

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
        """Wait for a turn at a model. Where a model's `calls_in_flight` rises, more documents get a turn at once."""
        size = calls_in_flight * TURNS_PER_CALL
        semaphore = self._semaphores.setdefault(name, asyncio.Semaphore(size))
        for _ in range(size - self._sizes.setdefault(name, size)):
            semaphore.release()
        self._sizes[name] = max(size, self._sizes[name])
        async with semaphore:
            yield


class Caller:
    """Asks the models of a step in order, and tells `outages` who has answered."""

    def __init__(
        self, gateway: AnsweringGateway, outages: Outages, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.registry = gateway.registry
        self._gateway = gateway
        self._outages = outages
        self._clock = clock
        self._turns = Turns()

    async def ask(
        self, question: Question, names: Sequence[str], draw: Draw | None = None
    ) -> tuple[ModelReply | None, tuple[StepTrace, ...], tuple[CallFailed, ...]]:
        """The first reply, with a trace and a failure for each model before it.

        Each model gets a new deadline: after the step's timeout, or the model's where the step has none. `draw` gives
        images for models that take them. Raises only defects.
        """
        traces: list[StepTrace] = []
        failures: list[CallFailed] = []
        reply: ModelReply | None = None
        for name in self._fitting_first(question.request, names):
            try:
                reply = await self._ask(question, name, draw)
                break
            except WinnowError as error:
                failed = error if isinstance(error, CallFailed) else ModelUnavailable(f"{error.kind}: {error}")
                failures.append(failed)
                traces.append(StepTrace(step=question.step, model=name, outcome=error.kind, why=_summary(error)))
                log.debug("%s about %s: %s", name, question.request.document_id, error)
        return reply, tuple(traces), tuple(failures)

    def _fitting_first(self, request: ModelRequest, names: Sequence[str]) -> Sequence[str]:
        """The models whose context window has room for the whole request, then the others, each group in its order.

        A model without room reads a shortened document, although another model may read all of it.
        """
        if len(names) < 2:
            return names
        models = [model for model in self.registry().models if model.name in names]
        rooms = {
            model.name: model.context_window - model.max_output_tokens
            for model in models
            if model.context_window is not None
        }
        if not rooms:
            return names
        tokens = estimate_request_tokens(request.model_copy(update={"examples": ()}))  # they give way to the document
        return sorted(names, key=lambda name: rooms.get(name, tokens) < tokens)

    async def _ask(self, question: Question, name: str, draw: Draw | None) -> ModelReply:
        model = self._enabled(name)
        request = await _with_images(question.request, draw) if draw and model.images else question.request
        request = with_fitting_examples(
            request, model.context_window and model.context_window - model.max_output_tokens
        )
        waits_until = self._clock() + RATE_LIMIT_WAIT_S
        async with self._turns.at(name, model.in_flight):
            while True:
                timeout_s = question.timeout_s or self._enabled(name).timeout_s
                timed = replace(question, request=request, deadline=self._clock() + timeout_s)
                try:
                    reply = await self._gateway.answer(name, timed)
                except BudgetExhausted:  # perhaps the document alone is within it
                    if not request.examples:
                        raise
                    request = request.model_copy(update={"examples": ()})
                except LimitsReached:
                    if self._clock() >= waits_until:
                        raise
                else:
                    if not reply.is_cached:
                        self._outages.end(name)
                    return reply

    def _enabled(self, name: str) -> RegisteredModel:
        """The model as its row is now: it may have changed since the route was planned, or while the document waited.

        Raises `ModelUnavailable` where it is gone or disabled.
        """
        model = self.registry().get(name)
        if model is None:
            raise ModelUnavailable(f"{name} was taken out of the registry")
        if not model.is_enabled:
            raise ModelUnavailable(f"{name} was disabled meanwhile")
        return model


async def _with_images(request: ModelRequest, draw: Draw) -> ModelRequest:
    """The request with images of its pages, or with a note that they cannot be drawn."""
    try:
        return request.model_copy(update={"images": tuple(await draw())})
    except DocumentError as error:
        note = f"pictures of its pages could not be drawn ({error.kind})"
        return request.model_copy(update={"notes": (*request.notes, note)})


def _summary(error: WinnowError) -> str:
    """The first line of the error's docstring. The message has seconds, sums and a server's words. They differ from run
    to run, and a payload that differs makes later stages stale."""
    return (type(error).__doc__ or "").strip().partition("\n")[0]
