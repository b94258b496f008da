"""Takes a document along the steps of its route: each step makes a new state out of the state before it.

A cascade, a fallback chain, a second opinion, and a rewrite of what was graded too low are all steps. A step is
skipped, fails, or gives a reply. An answer that is enough ends the route.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import TypeVar

from blocks.document_types.schema import DocumentType, StepAcceptance
from blocks.evidence.cross_check import cross_check
from blocks.evidence.document_reading import DocumentReading
from blocks.evidence.findings import check_criteria
from blocks.gateway.errors import BudgetExhausted, CallFailed
from blocks.gateway.model import DecidedExample, ModelReply, ModelRequest, Question
from blocks.gateway.routing.calls import Caller
from blocks.gateway.routing.facts import facts_of, what_fails
from blocks.gateway.routing.judge import JudgedAnswer, control_fields, judge_answer, unsure_fields, what_is_missed
from blocks.gateway.routing.merge import (
    Answer,
    built_in_reply,
    models_without_part,
    with_answer,
    with_opinion,
    with_rewrite,
    written_fields,
)
from blocks.gateway.routing.plan import PlannedStep, asks_models, cheapest_first
from blocks.records import Page, PageImage, StepTrace

ANSWERED, UNSURE, SKIPPED = "answered", "unsure", "skipped"
"""Outcomes of steps; any other is the kind of a failure."""
SHOWN_IN_PART = "read in part"
"""Why an answer with notes is not enough: the notes say what of the document the model was not shown."""

JUDGING_THREADS = 2
"""For all runs of the process. Judging is Python code: more threads only take the interpreter from each other."""

T = TypeVar("T")
_judging = ThreadPoolExecutor(JUDGING_THREADS, thread_name_prefix="judging")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A document with its planned steps, of which at least one asks a model, and the built-in reader's reading. `draw`
    gives images of its pages, `examples` decided documents that are like it; both block."""

    document_id: str
    document_type: DocumentType
    pages: tuple[Page, ...]
    run_id: str
    reading: DocumentReading
    steps: tuple[PlannedStep, ...]
    budget_usd: Decimal | None = None
    draw: Callable[[], Sequence[PageImage]] | None = None
    examples: Callable[[], Sequence[DecidedExample]] | None = None


@dataclass(frozen=True, slots=True)
class RouteState:
    """The state of a document on its route: the answer so far, how it is judged, the last acceptance that it missed,
    and what happened at each step. `is_final`: an answer has ended the route."""

    answer: Answer = field(default_factory=Answer)
    judged: JudgedAnswer | None = None
    missed: StepAcceptance | None = None
    traces: tuple[StepTrace, ...] = ()
    failures: tuple[CallFailed, ...] = ()
    is_final: bool = False

    def with_trace(self, planned: PlannedStep, outcome: str, why: str, model: str = "") -> "RouteState":
        """The same state with what happened at a step."""
        trace = StepTrace(step=planned.at, model=model, outcome=outcome, why=why)
        return replace(self, traces=(*self.traces, trace))


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The first step that no model answered, where no later step was answered either: the steps from there on, and the
    state before them."""

    steps: tuple[PlannedStep, ...]
    before: RouteState

    def failed_until(self, state: RouteState) -> list[tuple[str, CallFailed]]:
        """The models that failed from there until `state`, in order, each with its failure."""
        traces = state.traces[len(self.before.traces) :]
        names = [trace.model for trace in traces if trace.outcome not in (ANSWERED, UNSURE, SKIPPED)]
        return list(zip(names, state.failures[len(self.before.failures) :], strict=True))


@dataclass(frozen=True, slots=True)
class _Ask:
    """What a step asks in a state of the route: its role there, the fields and the models."""

    planned: PlannedStep
    role: str
    fields: tuple[str, ...]
    models: tuple[str, ...]


class DocumentSteps:
    """The steps of one document."""

    def __init__(self, document: Assignment, caller: Caller) -> None:
        self._document = document
        self._type = document.document_type
        self._facts = facts_of(document.document_type, document.pages)
        self._caller = caller
        self._images: tuple[PageImage, ...] | None = None
        self._examples: tuple[DecidedExample, ...] | None = None

    async def take(self, state: RouteState, steps: Sequence[PlannedStep]) -> tuple[RouteState, Unanswered | None]:
        """The state after the steps, of which the last is the first whose answer ends the route.

        Where a budget is exhausted and no model has answered, the cheapest of the steps that are left goes first.
        """
        unanswered: Unanswered | None = None
        left = tuple(steps)
        while left:
            step, *rest = left
            before, state = state, await self._after(state, step, has_more=asks_models(rest))
            if state.is_final:
                return state, None
            failures = state.failures[len(before.failures) :]
            if state.answer is not before.answer and not step.is_local:
                unanswered = None
            elif failures and unanswered is None:
                unanswered = Unanswered(left, before)
            is_too_dear = any(isinstance(failure, BudgetExhausted) for failure in failures)
            if is_too_dear and not state.answer.is_of_models:
                left = cheapest_first(rest, self._caller.registry())
            else:
                left = tuple(rest)
        return state, unanswered

    async def _after(self, state: RouteState, planned: PlannedStep, *, has_more: bool) -> RouteState:
        """The state after one step. `has_more`: a later step may ask a model."""
        ask = self._ask(state, planned)
        why = planned.why or what_fails(
            planned.step.when, self._facts, state.judged, is_answered=state.answer.is_of_models
        )
        why = why or _why_nothing_to_ask(state, ask)
        if why:
            return state.with_trace(planned, SKIPPED, why)
        if planned.is_local:
            return await self._with_reply(state, ask, built_in_reply(self._document.reading), has_more=has_more)
        draw = partial(self._draw, self._document.draw) if planned.step.images and self._document.draw else None
        reply, traces, failures = await self._caller.ask(await self._question(state, ask), ask.models, draw)
        state = replace(state, traces=(*state.traces, *traces), failures=(*state.failures, *failures))
        if reply is None:
            return state
        return await self._with_reply(state, ask, await self._in_thread(self._cross_checked, reply), has_more=has_more)

    def _ask(self, state: RouteState, planned: PlannedStep) -> _Ask:
        """A second opinion where no model has answered is the first answer."""
        role, fields, models = planned.step.role, tuple(self._type.fields), planned.models
        if role == "second_opinion":
            if state.answer.is_of_models:
                models = models_without_part(state.answer, models, self._caller.registry())
            else:
                role = "answer"
        if role == "rewrite":
            fields = tuple(name for name in written_fields(self._type) if name in state.answer.fields)
        elif planned.step.asks == "unsure" and state.judged is not None:
            fields = unsure_fields(state.missed, self._type, state.judged)
        return _Ask(planned, role, fields, models)

    async def _question(self, state: RouteState, ask: _Ask) -> Question:
        document, step = self._document, ask.planned.step
        names = {*ask.fields, *(control_fields(self._type, ask.fields) if step.asks == "unsure" else ())}
        fields = tuple(name for name in self._type.fields if name in names)
        written = written_fields(self._type) if step.role == "rewrite" else ()
        request = ModelRequest(
            document_id=document.document_id,
            document_type=self._type,
            pages=document.pages,
            prompt=self._type.prompts.get(step.prompt, ""),
            variant=step.prompt,
            fields=() if len(fields) == len(self._type.fields) else fields,
            written={name: str(state.answer.fields[name].value) for name in written if name in state.answer.fields},
            examples=tuple(each for each in await self._recalled() if not each.fields.keys().isdisjoint(fields)),
        )
        return Question(
            request=request,
            run_id=document.run_id,
            deadline=0.0,  # `Caller` sets it for each model
            step=ask.planned.at,
            document_budget_usd=document.budget_usd,
            timeout_s=step.timeout_s,
        )

    async def _recalled(self) -> tuple[DecidedExample, ...]:
        """Decided documents that are like this one, recalled once."""
        if self._examples is None:
            recall = self._document.examples
            self._examples = () if recall is None else tuple(await asyncio.to_thread(recall))
        return self._examples

    async def _draw(self, draw: Callable[[], Sequence[PageImage]]) -> Sequence[PageImage]:
        """Images of the document's pages, drawn once."""
        if self._images is None:
            self._images = tuple(await asyncio.to_thread(draw))
        return self._images

    async def _with_reply(self, state: RouteState, ask: _Ask, reply: ModelReply, *, has_more: bool) -> RouteState:
        """The state with a reply in its answer, judged by what the step accepts.

        The reader's answer after a failure is never final: it only stands in. Its last one is not judged, since no step
        asks for that.
        """
        planned, accept = ask.planned, ask.planned.step.accept
        answer, differing = self._merged(state, ask, reply)
        state = replace(state, answer=answer)
        missed = [f"differing: {', '.join(differing)}"] if differing else []
        if reply.notes and accept is not None and accept.checks:
            missed.append(SHOWN_IN_PART)
        if has_more or not planned.is_local:
            judged = await self._in_thread(self._judge, answer)
            state = replace(state, judged=judged)
            missed.append(what_is_missed(accept, self._type, judged))
        why = "; ".join(filter(None, missed))
        is_sure = accept is None or not why
        stands_in = planned.is_local and bool(state.failures)
        state = replace(state, missed=accept if why else state.missed, is_final=is_sure and not stands_in)
        return state.with_trace(planned, ANSWERED if is_sure else UNSURE, why, reply.model)

    def _merged(self, state: RouteState, ask: _Ask, reply: ModelReply) -> tuple[Answer, tuple[str, ...]]:
        """The answer with a reply, and the fields in which a second opinion differs."""
        if ask.role == "second_opinion":
            return with_opinion(state.answer, self._type, ask.fields, reply)
        if ask.role == "rewrite":
            return with_rewrite(state.answer, self._type, reply), ()
        is_all = ask.planned.step.asks == "all" or state.judged is None
        before = replace(state.answer, notes=()) if is_all else state.answer  # its notes are about replaced readings
        return with_answer(before, self._type, ask.fields, reply, is_all=is_all), ()

    def _cross_checked(self, reply: ModelReply) -> ModelReply:
        known = {name: reading for name, reading in reply.fields.items() if name in self._type.fields}
        fields = cross_check(known, self._type, self._document.reading)
        criteria = check_criteria(self._type, reply.criteria, self._document.pages)
        return reply.model_copy(update={"fields": fields, "criteria": criteria})

    def _judge(self, answer: Answer) -> JudgedAnswer:
        return judge_answer(self._type, answer.fields, answer.criteria, self._document.pages)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(_judging, function, *arguments)


def _why_nothing_to_ask(state: RouteState, ask: _Ask) -> str:
    """Why a step whose conditions hold has nothing to ask; empty where it has."""
    if ask.planned.is_local and state.answer.is_of_models:
        return "a model has answered"
    if not ask.fields:
        return "nothing was written" if ask.role == "rewrite" else "no field is unsure"
    return "" if ask.models else "the same model has answered"
