"""A document's route, from its first step to the answer with which it ends.

The built-in reader is the floor of every route: its reading is there before the first step. Where models are down, the
document waits and asks them again (`outages.py`). Where a model was needed and none answered, the reader's reading, or
the document's last one by a model, stands in until the next run. Where every model that was asked refused the document,
that reading stays, and a person looks at it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blocks.gateway.errors import (
    BudgetExhausted,
    CallFailed,
    ModelsPaused,
    ModelUnavailable,
    PromptFailed,
    ReplyRefused,
)
from blocks.gateway.routing.calls import AnsweringGateway, Caller
from blocks.gateway.routing.merge import Answer, built_in_answer
from blocks.gateway.routing.outages import DocumentWaits, Outages
from blocks.gateway.routing.plan import PlannedStep
from blocks.gateway.routing.steps import ANSWERED, UNSURE, Assignment, DocumentSteps, RouteState
from blocks.records import LOCAL, StepTrace

OUTAGE_WAIT_LIMIT_S = 180.0
"""How long documents wait for models that are down before they go to review. Circuits half-open after 5, 15, 35 and
75 s, so that a run survives an outage of a minute."""


@dataclass(frozen=True, slots=True)
class Routed:
    """The result of a route. `failure` is set where a model was needed and none answered: the answer then stands in.

    `refused` has the kinds of the failures where every model that was asked replied and no reply could be used. Another
    run would only pay for them again, so the built-in reader's answer then does not stand in but stays.
    """

    answer: Answer
    steps: tuple[StepTrace, ...] = ()
    failure: CallFailed | None = None
    refused: tuple[str, ...] = ()


class Route:
    """Takes documents along their routes, any number at once, on the gateway's event loop."""

    def __init__(
        self,
        gateway: AnsweringGateway,
        outage_wait_limit_s: float = OUTAGE_WAIT_LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._outages = Outages(outage_wait_limit_s, clock)
        self._caller = Caller(gateway, self._outages, clock)

    async def take(self, document: Assignment) -> Routed:
        """The answer of the document's route. Raises only defects, never a failure of a model."""
        steps = DocumentSteps(document, self._caller)
        asking = max(step.at for step in document.steps if step.asks_model) + 1
        state = await self._take_through_outages(steps, document.steps[:asking])
        if not state.is_final:
            state, _ = await steps.take(state, document.steps[asking:])
        return Routed(state.answer, state.traces) if state.is_final else _without_final_answer(document, state)

    async def _take_through_outages(self, steps: DocumentSteps, planned: Sequence[PlannedStep]) -> RouteState:
        """The state after the steps.

        Where every model that could answer is down or its circuit is open, the document waits, and takes the steps that
        no model answered again. It holds nothing meanwhile: other documents have the turns.
        """
        waits = DocumentWaits(self._outages, self._clock)
        state, unanswered = await steps.take(RouteState(), planned)
        while unanswered is not None:
            wait_s = waits.next_s(unanswered.failed_until(state))
            if wait_s is None:
                break
            await asyncio.sleep(wait_s)
            state, unanswered = await steps.take(unanswered.before, unanswered.steps)
        return state


def _without_final_answer(document: Assignment, state: RouteState) -> Routed:
    """The best answer there is, and why it only stands in where a model was missing."""
    failure, refused = _failure_of(state)
    if state.answer.last:
        return Routed(state.answer, state.traces, failure, refused)
    why = "the built-in model stands in"
    stands_in = StepTrace(step=len(document.steps), model=LOCAL, outcome=ANSWERED, why=why)
    answer = built_in_answer(document.document_type, document.reading)
    return Routed(answer, (*state.traces, stands_in), failure, refused)


def _failure_of(state: RouteState) -> tuple[CallFailed | None, tuple[str, ...]]:
    """`Routed.failure` and `Routed.refused` of a route that no answer has ended."""
    failures, is_of_models = state.failures, state.answer.is_of_models
    if failures and not is_of_models and all(isinstance(failure, ReplyRefused) for failure in failures):
        return None, tuple(dict.fromkeys(failure.kind for failure in failures))
    is_outage = any(failure.is_outage for failure in failures)
    if not failures or (is_of_models and not is_outage):
        return None, ()
    for kind in (ModelsPaused, BudgetExhausted) if is_outage else (PromptFailed,):
        for failure in failures:
            if isinstance(failure, kind):
                return failure, ()
    kinds = (trace.outcome for trace in state.traces if trace.model and trace.outcome not in (ANSWERED, UNSURE))
    return ModelUnavailable(", ".join(dict.fromkeys(kinds)) or "none could be asked"), ()
