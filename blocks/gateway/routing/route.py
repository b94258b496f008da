"""Walks a document along its type's route: step after step, until an answer is enough.

A cascade, a fallback chain, a second opinion, and a rewrite of what was graded too low are all steps. The built-in
model is the floor of every route: it costs nothing and is always there. Where a model was needed and none answered, its
reading, or the document's last one by a model, stands in until the next run; where the models that were asked gave the
document itself up, it stands for good, and a person looks at it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol, TypeVar

from blocks.document_types.schema import DocumentType, StepAcceptance
from blocks.evidence.findings import believed_criteria
from blocks.gateway.errors import (
    BudgetExhausted,
    CallFailed,
    ModelsPaused,
    ModelUnavailable,
    PromptFailed,
    ReplyRefused,
)
from blocks.gateway.model import ModelReply, ModelRequest
from blocks.gateway.routing.calls import (
    ANSWERED,
    SKIPPED,
    UNSURE,
    Asked,
    Caller,
    Draw,
    Errand,
    outage_of,
    reason_of,
)
from blocks.gateway.routing.facts import DocumentFacts, Standing, facts_of, unsure_fields, what_fails, what_is_missed
from blocks.gateway.routing.judge import judge_answer
from blocks.gateway.routing.merge import (
    Answer,
    giver_of,
    is_local,
    others_than,
    with_answer,
    with_opinion,
    with_rewrite,
    written_fields,
)
from blocks.gateway.routing.outages import Outages, Patience
from blocks.gateway.routing.plan import PlannedStep, asks_models, cheapest_first, plan_route, steps_of
from blocks.gateway.routing.witness import bear_out, control_fields, witness
from blocks.records import Page, PageImage, StepTrace

JUDGING_THREADS = 2
"""Judging is Python code: more threads than this take the interpreter from one another."""

OUTAGE_PATIENCE_S = 180.0
"""How long an outage of models is waited out, before documents go to review for it. Their breakers ask after 5, 15, 35
and 75 s, so that an outage of a minute is outlived."""
SHOWN_IN_PART = "read in part"
"""Why an answer with notes is not enough: they tell what of the document the model was not shown."""

T = TypeVar("T")


class LastScorings(Protocol):
    """Keeps what models said of documents before. The database does; `tasks/score/task.py` joins the two."""

    def load(self, document_ids: Sequence[str]) -> Mapping[str, bytes]:
        """By document the last scoring, as JSON, that is no stand-in and that a model beside the built-in one gave."""
        ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """One document to be taken along its route. `draw` gives pictures of its pages; it blocks."""

    document_id: str
    document_type: DocumentType
    pages: tuple[Page, ...]
    run_id: str
    budget_usd: Decimal | None = None
    draw: Callable[[], Sequence[PageImage]] | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """What a route gave. `failure` is set where a model was needed and none answered: the answer then stands in.

    `refused` has the kinds of failures where every model that was asked replied, and no reply could be used: another
    run would only pay for them again, so the built-in model's answer is no stand-in for theirs.
    """

    answer: Answer
    steps: tuple[StepTrace, ...] = ()
    failure: CallFailed | None = None
    refused: tuple[str, ...] = ()


@dataclass(slots=True)
class _Walk:
    """Where a document is on its route."""

    assignment: Assignment
    facts: DocumentFacts
    answer: Answer = field(default_factory=Answer)
    standing: Standing | None = None
    missed: StepAcceptance | None = None
    traces: list[StepTrace] = field(default_factory=list)
    failures: list[CallFailed] = field(default_factory=list)
    images: tuple[PageImage, ...] | None = None
    refused: "_Refused | None" = None

    def copy(self) -> "_Walk":
        """The same place, to come back to."""
        return replace(self, traces=list(self.traces), failures=list(self.failures), refused=None)


@dataclass(frozen=True, slots=True)
class _Refused:
    """The first step that no model answered, where none of a later one did: the steps from there on, and the document
    as it came there."""

    steps: tuple[PlannedStep, ...]
    walk: _Walk

    def failed_since(self, walk: _Walk) -> list[tuple[str, CallFailed]]:
        """How the models failed that were asked since then, by name and in order."""
        traces = walk.traces[len(self.walk.traces) :]
        names = [one.model for one in traces if one.outcome not in (ANSWERED, UNSURE, SKIPPED)]
        return list(zip(names, walk.failures[len(self.walk.failures) :], strict=True))


class Route:
    """Takes documents along their routes, any number at once, on the gateway's loop. `models` replace every route."""

    def __init__(
        self,
        gateway: Asked,
        models: Sequence[str] = (),
        patience_s: float = OUTAGE_PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._models = tuple(models)
        self._clock = clock
        self._outages = Outages(patience_s, clock)
        self._caller = Caller(gateway, clock)
        self._threads = ThreadPoolExecutor(JUDGING_THREADS, thread_name_prefix="route")

    async def walk(self, assignment: Assignment) -> Routed:
        """The answer of the document's route.

        Raises a `WinnowError` of the built-in model, and whatever a defect raises; never a failure of another model.
        """
        document_type = assignment.document_type
        plan = plan_route(document_type, self._gateway.registry(), self._models)
        if not asks_models(plan):
            return Routed(await self._local_alone(assignment, plan))
        walk = _Walk(assignment, facts_of(document_type, assignment.pages))
        asking = max(planned.at for planned in plan if asks_models((planned,))) + 1
        if await self._outlive(walk, plan[:asking]) or await self._take_all(walk, plan[asking:]):
            return Routed(walk.answer, tuple(walk.traces))
        return await self._end_unsatisfied(walk)

    async def _outlive(self, walk: _Walk, plan: Sequence[PlannedStep]) -> bool:
        """Take the steps; whether an answer ends the route.

        Where every model that could answer is down for a while, or left alone, wait, and take the steps that it refused
        again. Nothing is held meanwhile: other documents have the turns.
        """
        patience = Patience(self._outages, self._clock)
        while not await self._take_all(walk, plan):
            refused = walk.refused
            if refused is None:
                return False
            wait_s = patience.wait_s(refused.failed_since(walk))
            if wait_s is None:
                return False
            await asyncio.sleep(wait_s)
            before = refused.walk
            walk.answer, walk.standing, walk.missed, walk.refused = before.answer, before.standing, before.missed, None
            walk.traces, walk.failures, plan = before.traces, before.failures, refused.steps
        return True

    async def _take_all(self, walk: _Walk, plan: Sequence[PlannedStep]) -> bool:
        """Take the steps until an answer ends the route; whether one does.

        Where the budget is in the way and no model has answered, the cheapest of the steps that are left goes first.
        """
        left = tuple(plan)
        while left:
            planned, *rest = left
            before = walk.copy()
            if await self._take(walk, planned, has_more=asks_models(rest)):
                return True
            failures = walk.failures[len(before.failures) :]
            if walk.answer is not before.answer and not planned.is_local:
                walk.refused = None
            elif failures and walk.refused is None:
                walk.refused = _Refused(left, before)
            if any(isinstance(one, BudgetExhausted) for one in failures) and not walk.answer.is_of_models:
                left = cheapest_first(rest, self._gateway.registry())
            else:
                left = tuple(rest)
        return False

    async def _local_alone(self, assignment: Assignment, plan: Sequence[PlannedStep]) -> Answer:
        first = next((planned for planned in plan if planned.is_local), None)
        errand = self._errand(assignment, len(plan) if first is None else first.at, first)
        reply = await self._caller.ask_local(errand)
        fields = tuple(assignment.document_type.fields)
        return with_answer(Answer(), assignment.document_type, fields, reply, is_whole=True)

    async def _take(self, walk: _Walk, planned: PlannedStep, *, has_more: bool) -> bool:
        """Take one step; whether its answer ends the route."""
        step, document_type = planned.step, walk.assignment.document_type
        asked, models = self._asked(walk, planned), self._models_of(walk, planned)
        is_answered = walk.answer.is_of_models
        why = planned.why or what_fails(step.when, walk.facts, walk.standing, is_answered=is_answered)
        why = why or _why_not(walk, planned, asked, models)
        if why:
            walk.traces.append(StepTrace(step=planned.at, outcome=SKIPPED, why=why))
            return False
        reply = await self._ask(walk, planned, models, asked)
        if reply is None:
            return False
        differing = await self._merge(walk, planned, asked, reply)
        is_floor = planned.is_local and bool(walk.failures)
        missed = ""
        if has_more or not planned.is_local:
            walk.standing = await self._in_thread(self._judge, walk)
            missed = what_is_missed(step.accept, document_type, walk.standing)
        if reply.notes and step.accept is not None and step.accept.checks:
            missed = "; ".join(part for part in (SHOWN_IN_PART, missed) if part)
        if differing:
            missed = "; ".join(part for part in (f"differing: {', '.join(differing)}", missed) if part)
        ends = step.accept is None or (not missed and not is_floor)
        walk.missed = step.accept if missed else walk.missed
        outcome = UNSURE if missed and not ends else ANSWERED
        walk.traces.append(StepTrace(step=planned.at, model=reply.model, outcome=outcome, why=missed))
        return ends and not is_floor

    def _asked(self, walk: _Walk, planned: PlannedStep) -> tuple[str, ...]:
        """The fields that a step asks."""
        names = tuple(walk.assignment.document_type.fields)
        role = self._role(walk, planned)
        if role == "rewrite":
            written = written_fields(walk.assignment.document_type)
            return tuple(name for name in written if name in walk.answer.fields)
        if planned.step.asks == "unsure" and walk.standing is not None:
            return unsure_fields(walk.missed, walk.assignment.document_type, walk.standing)
        return names

    def _models_of(self, walk: _Walk, planned: PlannedStep) -> tuple[str, ...]:
        """The models that a step asks: for a second opinion those that have not given their own yet."""
        if self._role(walk, planned) != "second_opinion":
            return planned.models
        return others_than(walk.answer, planned.models, self._gateway.registry())

    def _role(self, walk: _Walk, planned: PlannedStep) -> str:
        """A second opinion where only the built-in model has answered is the first of a model: an answer."""
        is_first = planned.step.role == "second_opinion" and not walk.answer.is_of_models
        return "answer" if is_first else planned.step.role

    async def _ask(
        self, walk: _Walk, planned: PlannedStep, models: Sequence[str], asked: tuple[str, ...]
    ) -> ModelReply | None:
        known = control_fields(walk.assignment.document_type, asked) if planned.step.asks == "unsure" else ()
        names = tuple(name for name in walk.assignment.document_type.fields if name in {*asked, *known})
        errand = self._errand(walk.assignment, planned.at, planned, names, self._written(walk, planned))
        draw = self._drawing(walk) if planned.step.images and walk.assignment.draw is not None else None
        reply, traces, failures = await self._caller.ask(errand, models, draw)
        walk.traces += traces
        walk.failures += failures
        if reply is not None and not reply.is_cached:
            self._outages.over(reply.model)
        if reply is not None and not is_local(giver_of(reply)):
            return await self._in_thread(self._borne_out, walk.assignment, reply)
        return reply

    async def _merge(
        self, walk: _Walk, planned: PlannedStep, asked: tuple[str, ...], reply: ModelReply
    ) -> tuple[str, ...]:
        document_type = walk.assignment.document_type
        role = self._role(walk, planned)
        if role == "second_opinion":
            walk.answer, differing = with_opinion(walk.answer, document_type, asked, reply)
            return differing
        if role == "rewrite":
            walk.answer = with_rewrite(walk.answer, document_type, reply)
        elif role == "answer":
            is_whole = planned.step.asks == "all" or walk.standing is None
            before = replace(walk.answer, notes=()) if is_whole else walk.answer  # nothing is left of what they are of
            walk.answer = with_answer(before, document_type, asked, reply, is_whole=is_whole)
        return ()

    async def _end_unsatisfied(self, walk: _Walk) -> Routed:
        """No step's answer was enough: the best there is, and why it is only a stand-in where a model was missing."""
        outage = outage_of(walk.failures)
        failure: CallFailed | None = None
        refused: tuple[str, ...] = ()
        if walk.failures and not walk.answer.is_of_models and all(isinstance(o, ReplyRefused) for o in walk.failures):
            refused = tuple(dict.fromkeys(one.kind for one in walk.failures))
        elif walk.failures and (outage is not None or not walk.answer.is_of_models):
            told = outage or next((one for one in walk.failures if isinstance(one, PromptFailed)), None)
            is_said = isinstance(told, BudgetExhausted | ModelsPaused | PromptFailed)
            failure = told if is_said else ModelUnavailable(reason_of(walk.traces))
        if not walk.answer.last:
            at = len(steps_of(walk.assignment.document_type, self._models))
            reply = await self._caller.ask_local(self._errand(walk.assignment, at))
            fields = tuple(walk.assignment.document_type.fields)
            walk.answer = with_answer(walk.answer, walk.assignment.document_type, fields, reply, is_whole=True)
            why = "the built-in model stands in"
            walk.traces.append(StepTrace(step=at, model=reply.model, outcome=ANSWERED, why=why))
        return Routed(walk.answer, tuple(walk.traces), failure, refused)

    def _errand(
        self,
        assignment: Assignment,
        at: int,
        planned: PlannedStep | None = None,
        asked: tuple[str, ...] = (),
        written: Mapping[str, str] | None = None,
    ) -> Errand:
        document_type = assignment.document_type
        variant = planned.step.prompt if planned is not None else "default"
        is_all = len(asked) == len(document_type.fields)
        request = ModelRequest(
            document_id=assignment.document_id,
            document_type=document_type,
            pages=assignment.pages,
            prompt=document_type.prompts.get(variant, ""),
            variant=variant,
            fields=() if is_all else asked,
            written=dict(written or {}),
        )
        timeout_s = planned.step.timeout_s if planned is not None else None
        return Errand(request, assignment.run_id, at, assignment.budget_usd, timeout_s)

    def _written(self, walk: _Walk, planned: PlannedStep) -> dict[str, str]:
        if planned.step.role != "rewrite":
            return {}
        names = written_fields(walk.assignment.document_type)
        return {name: str(walk.answer.fields[name].value) for name in names if name in walk.answer.fields}

    def _drawing(self, walk: _Walk) -> Draw:
        """The document's pictures, drawn once."""

        async def draw() -> Sequence[PageImage]:
            if walk.images is None and walk.assignment.draw is not None:
                walk.images = tuple(await asyncio.to_thread(walk.assignment.draw))
            return walk.images or ()

        return draw

    def _borne_out(self, assignment: Assignment, reply: ModelReply) -> ModelReply:
        document_type, pages = assignment.document_type, assignment.pages
        known = {name: one for name, one in reply.fields.items() if name in document_type.fields}
        fields = bear_out(known, document_type, witness(document_type, pages))
        criteria = believed_criteria(document_type, reply.criteria, pages)
        return reply.model_copy(update={"fields": fields, "criteria": criteria})

    def _judge(self, walk: _Walk) -> Standing:
        one = walk.assignment
        return judge_answer(one.document_type, walk.answer.fields, walk.answer.criteria, one.pages)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


def _why_not(walk: _Walk, planned: PlannedStep, asked: tuple[str, ...], models: tuple[str, ...]) -> str:
    """Why a step whose conditions hold has nothing to do; empty where it has."""
    if planned.is_local and walk.answer.is_of_models:
        return "a model has answered"
    if not asked:
        return "nothing was written" if planned.step.role == "rewrite" else "no field is unsure"
    if not models:
        return "the same model has answered"
    return ""
