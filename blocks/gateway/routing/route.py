"""Takes a document along its type's route: step after step, until an answer is enough.

A cascade, a fallback chain, a second opinion, and a rewrite of what was graded too low are all steps. Each step makes a
new state of the state before it. The built-in reader is the floor of every route: its reading is there before the
first step. Where a model was needed and none answered, that reading, or the document's last one by a model, stands in
until the next run. Where every model that was asked gave the document up, it stands for good, and a person looks at it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol, TypeVar

from blocks.document_types.schema import DocumentType, StepAcceptance
from blocks.evidence.cross_check import cross_check
from blocks.evidence.document_reading import DocumentReading
from blocks.evidence.findings import believed_criteria
from blocks.gateway.errors import (
    BudgetExhausted,
    CallFailed,
    ModelsPaused,
    ModelUnavailable,
    PromptFailed,
    ReplyRefused,
)
from blocks.gateway.model import ModelReply, ModelRequest, Question
from blocks.gateway.routing.calls import (
    ANSWERED,
    SKIPPED,
    UNSURE,
    AnsweringGateway,
    Caller,
    outage_of,
    reason_of,
)
from blocks.gateway.routing.facts import (
    DocumentFacts,
    JudgedAnswer,
    control_fields,
    facts_of,
    unsure_fields,
    what_fails,
    what_is_missed,
)
from blocks.gateway.routing.judge import judge_answer
from blocks.gateway.routing.merge import (
    Answer,
    built_in_answer,
    built_in_reply,
    models_without_part,
    with_answer,
    with_opinion,
    with_rewrite,
    written_fields,
)
from blocks.gateway.routing.outages import Outages, Patience
from blocks.gateway.routing.plan import PlannedStep, asks_models, cheapest_first
from blocks.records import Page, PageImage, StepTrace

JUDGING_THREADS = 2
"""Judging is Python code: more threads than this take the interpreter from one another."""

OUTAGE_PATIENCE_S = 180.0
"""How long an outage of models is waited out, before documents go to review for it. Their circuits half-open after 5,
15, 35 and 75 s, so that an outage of a minute is outlived."""
SHOWN_IN_PART = "read in part"
"""Why an answer with notes is not enough: they tell what of the document the model was not shown."""

T = TypeVar("T")


class LastScorings(Protocol):
    """Keeps earlier scorings by models. The database does; `tasks/score/task.py` joins the two."""

    def load(self, document_ids: Sequence[str]) -> Mapping[str, bytes]:
        """By document its last scoring, as JSON, that a model gave and that is no stand-in."""
        ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """A document to be taken along its route: the planned steps, of which one at least asks a model, and the built-in
    reader's reading. `draw` gives images of its pages; it blocks."""

    document_id: str
    document_type: DocumentType
    pages: tuple[Page, ...]
    run_id: str
    reading: DocumentReading
    steps: tuple[PlannedStep, ...]
    budget_usd: Decimal | None = None
    draw: Callable[[], Sequence[PageImage]] | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """What a route gave. `failure` is set where a model was needed and none answered: the answer then stands in.

    `refused` has the kinds of failures where every model that was asked replied, and no reply could be used: another
    run would only pay for them again, so the built-in reader's answer is no stand-in for theirs.
    """

    answer: Answer
    steps: tuple[StepTrace, ...] = ()
    failure: CallFailed | None = None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteState:
    """The state of a document on its route: the answer so far, how it is judged, what its last step missed, and what
    became of the steps. `is_final`: an answer has ended the route."""

    answer: Answer = field(default_factory=Answer)
    judged: JudgedAnswer | None = None
    missed: StepAcceptance | None = None
    traces: tuple[StepTrace, ...] = ()
    failures: tuple[CallFailed, ...] = ()
    is_final: bool = False

    def with_trace(self, trace: StepTrace) -> "RouteState":
        """The same state after one more step."""
        return replace(self, traces=(*self.traces, trace))


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """The first step that no model answered, where none of a later step did: the steps from there on, and the state
    before it."""

    steps: tuple[PlannedStep, ...]
    before: RouteState

    def failed_until(self, state: RouteState) -> list[tuple[str, CallFailed]]:
        """The models that failed from there until `state`, in order, each with its failure."""
        traces = state.traces[len(self.before.traces) :]
        names = [trace.model for trace in traces if trace.outcome not in (ANSWERED, UNSURE, SKIPPED)]
        return list(zip(names, state.failures[len(self.before.failures) :], strict=True))


class Route:
    """Takes documents along their routes, any number at once, on the gateway's event loop."""

    def __init__(
        self,
        gateway: AnsweringGateway,
        patience_s: float = OUTAGE_PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._outages = Outages(patience_s, clock)
        self._caller = Caller(gateway, clock)
        self._threads = ThreadPoolExecutor(JUDGING_THREADS, thread_name_prefix="route")

    async def take(self, document: Assignment) -> Routed:
        """The answer of the document's route. Raises only defects, never a failure of a model."""
        taker = _DocumentSteps(document, self._gateway, self._caller, self._outages, self._threads)
        asking = max(step.at for step in document.steps if asks_models((step,))) + 1
        state = await self._outlive(taker, document.steps[:asking])
        if not state.is_final:
            state, _ = await taker.take_steps(state, document.steps[asking:])
        return Routed(state.answer, state.traces) if state.is_final else _ended_unsatisfied(document, state)

    async def _outlive(self, taker: "_DocumentSteps", steps: Sequence[PlannedStep]) -> RouteState:
        """The state after the steps.

        Where every model that could answer is down for a while or its circuit is open, wait, and take the steps that no
        model answered again. Nothing is held meanwhile: other documents have the turns.
        """
        patience = Patience(self._outages, self._clock)
        state, unanswered = await taker.take_steps(RouteState(), steps)
        while unanswered is not None:
            wait_s = patience.wait_s(unanswered.failed_until(state))
            if wait_s is None:
                break
            await asyncio.sleep(wait_s)
            state, unanswered = await taker.take_steps(unanswered.before, unanswered.steps)
        return state


class _DocumentSteps:
    """One document's steps: each makes a new state."""

    def __init__(
        self,
        document: Assignment,
        gateway: AnsweringGateway,
        caller: Caller,
        outages: Outages,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._document = document
        self._type = document.document_type
        self._facts: DocumentFacts = facts_of(document.document_type, document.pages)
        self._gateway = gateway
        self._caller = caller
        self._outages = outages
        self._threads = threads
        self._images: tuple[PageImage, ...] | None = None

    async def take_steps(
        self, state: RouteState, steps: Sequence[PlannedStep]
    ) -> tuple[RouteState, _Unanswered | None]:
        """Take the steps until an answer ends the route.

        Where the budget is in the way and no model has answered, the cheapest of the steps that are left goes first.
        """
        unanswered: _Unanswered | None = None
        left = tuple(steps)
        while left:
            step, *rest = left
            before, state = state, await self._take(state, step, has_more=asks_models(rest))
            if state.is_final:
                return state, None
            failures = state.failures[len(before.failures) :]
            if state.answer is not before.answer and not step.is_local:
                unanswered = None
            elif failures and unanswered is None:
                unanswered = _Unanswered(left, before)
            is_too_dear = any(isinstance(failure, BudgetExhausted) for failure in failures)
            if is_too_dear and not state.answer.is_of_models:
                left = cheapest_first(rest, self._gateway.registry())
            else:
                left = tuple(rest)
        return state, unanswered

    async def _take(self, state: RouteState, planned: PlannedStep, *, has_more: bool) -> RouteState:
        """The state after one step."""
        step = planned.step
        role = _role(state, planned)
        asked, models = self._asked(state, planned, role), self._models(state, planned, role)
        why = planned.why or what_fails(step.when, self._facts, state.judged, is_answered=state.answer.is_of_models)
        why = why or _why_not(state, planned, asked, models)
        if why:
            return state.with_trace(StepTrace(step=planned.at, outcome=SKIPPED, why=why))
        reply, state = await self._reply(state, planned, models, asked)
        if reply is None:
            return state
        answer, differing = self._merged(state, planned, role, asked, reply)
        state = replace(state, answer=answer)
        is_floor = planned.is_local and bool(state.failures)
        missed: list[str] = []
        if has_more or not planned.is_local:
            judged = await self._in_thread(self._judge, answer)
            state = replace(state, judged=judged)
            missed = [what_is_missed(step.accept, self._type, judged)]
        if reply.notes and step.accept is not None and step.accept.checks:
            missed.insert(0, SHOWN_IN_PART)
        if differing:
            missed.insert(0, f"differing: {', '.join(differing)}")
        why = "; ".join(part for part in missed if part)
        is_enough = step.accept is None or (not why and not is_floor)
        state = replace(state, missed=step.accept if why else state.missed, is_final=is_enough and not is_floor)
        outcome = UNSURE if why and not is_enough else ANSWERED
        return state.with_trace(StepTrace(step=planned.at, model=reply.model, outcome=outcome, why=why))

    def _asked(self, state: RouteState, planned: PlannedStep, role: str) -> tuple[str, ...]:
        """The fields that a step asks."""
        if role == "rewrite":
            return tuple(name for name in written_fields(self._type) if name in state.answer.fields)
        if planned.step.asks == "unsure" and state.judged is not None:
            return unsure_fields(state.missed, self._type, state.judged)
        return tuple(self._type.fields)

    def _models(self, state: RouteState, planned: PlannedStep, role: str) -> tuple[str, ...]:
        """The models that a step asks: for a second opinion those that have not given theirs yet."""
        if role != "second_opinion":
            return planned.models
        return models_without_part(state.answer, planned.models, self._gateway.registry())

    async def _reply(
        self, state: RouteState, planned: PlannedStep, models: Sequence[str], asked: tuple[str, ...]
    ) -> tuple[ModelReply | None, RouteState]:
        """The step's reply, cross-checked where a model gave it, and the state with the failures on the way to it."""
        if planned.is_local:
            return built_in_reply(self._document.reading), state
        draw = self._draw if planned.step.images and self._document.draw is not None else None
        reply, traces, failures = await self._caller.ask(self._question(state, planned, asked), models, draw)
        state = replace(state, traces=(*state.traces, *traces), failures=(*state.failures, *failures))
        if reply is None:
            return None, state
        if not reply.is_cached:
            self._outages.over(reply.model)
        return await self._in_thread(self._cross_checked, reply), state

    def _question(self, state: RouteState, planned: PlannedStep, asked: tuple[str, ...]) -> Question:
        document_type, step = self._type, planned.step
        names = {*asked, *(control_fields(document_type, asked) if step.asks == "unsure" else ())}
        fields = tuple(name for name in document_type.fields if name in names)
        written = written_fields(document_type) if step.role == "rewrite" else ()
        request = ModelRequest(
            document_id=self._document.document_id,
            document_type=document_type,
            pages=self._document.pages,
            prompt=document_type.prompts.get(step.prompt, ""),
            variant=step.prompt,
            fields=() if len(fields) == len(document_type.fields) else fields,
            written={name: str(state.answer.fields[name].value) for name in written if name in state.answer.fields},
        )
        return Question(
            request=request,
            run_id=self._document.run_id,
            deadline=0.0,
            step=planned.at,
            document_budget_usd=self._document.budget_usd,
            timeout_s=step.timeout_s,
        )

    async def _draw(self) -> Sequence[PageImage]:
        """Images of the document's pages, drawn once."""
        if self._images is None and self._document.draw is not None:
            self._images = tuple(await asyncio.to_thread(self._document.draw))
        return self._images or ()

    def _merged(
        self, state: RouteState, planned: PlannedStep, role: str, asked: tuple[str, ...], reply: ModelReply
    ) -> tuple[Answer, tuple[str, ...]]:
        """The answer with a step's reply, and the fields in which a second opinion differs."""
        if role == "second_opinion":
            return with_opinion(state.answer, self._type, asked, reply)
        if role == "rewrite":
            return with_rewrite(state.answer, self._type, reply), ()
        is_all = planned.step.asks == "all" or state.judged is None
        before = replace(state.answer, notes=()) if is_all else state.answer  # its notes are about replaced readings
        return with_answer(before, self._type, asked, reply, is_all=is_all), ()

    def _cross_checked(self, reply: ModelReply) -> ModelReply:
        known = {name: reading for name, reading in reply.fields.items() if name in self._type.fields}
        fields = cross_check(known, self._type, self._document.reading)
        criteria = believed_criteria(self._type, reply.criteria, self._document.pages)
        return reply.model_copy(update={"fields": fields, "criteria": criteria})

    def _judge(self, answer: Answer) -> JudgedAnswer:
        return judge_answer(self._type, answer.fields, answer.criteria, self._document.pages)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


def _role(state: RouteState, planned: PlannedStep) -> str:
    """The step's role. A second opinion where no model has answered is the first: an answer."""
    is_first = planned.step.role == "second_opinion" and not state.answer.is_of_models
    return "answer" if is_first else planned.step.role


def _why_not(state: RouteState, planned: PlannedStep, asked: tuple[str, ...], models: tuple[str, ...]) -> str:
    """Why a step whose conditions hold has nothing to do; empty where it has."""
    if planned.is_local and state.answer.is_of_models:
        return "a model has answered"
    if not asked:
        return "nothing was written" if planned.step.role == "rewrite" else "no field is unsure"
    if not models:
        return "the same model has answered"
    return ""


def _ended_unsatisfied(document: Assignment, state: RouteState) -> Routed:
    """No step's answer was enough: the best there is, and why it is only a stand-in where a model was missing."""
    failures = state.failures
    failure: CallFailed | None = None
    refused: tuple[str, ...] = ()
    outage = outage_of(failures)
    is_of_models = state.answer.is_of_models
    if failures and not is_of_models and all(isinstance(failed, ReplyRefused) for failed in failures):
        refused = tuple(dict.fromkeys(failed.kind for failed in failures))
    elif failures and (outage is not None or not is_of_models):
        cause = outage or next((failed for failed in failures if isinstance(failed, PromptFailed)), None)
        says_why = isinstance(cause, BudgetExhausted | ModelsPaused | PromptFailed)
        failure = cause if says_why else ModelUnavailable(reason_of(state.traces))
    if state.answer.last:
        return Routed(state.answer, state.traces, failure, refused)
    reply = built_in_reply(document.reading)
    why = "the built-in model stands in"
    stands_in = StepTrace(step=len(document.steps), model=reply.model, outcome=ANSWERED, why=why)
    answer = built_in_answer(document.document_type, document.reading)
    return Routed(answer, (*state.traces, stands_in), failure, refused)
