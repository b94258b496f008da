"""The score stage: a type's fields and criteria, read by the built-in reader and by the models of the type's route."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from blocks.document_types.schema import DocumentType, MemoryRules
from blocks.evidence.traces import Remembered
from blocks.gateway.errors import CallFailed
from blocks.gateway.event_loop import gateway_loop
from blocks.gateway.model import DecidedExample
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.calls import AnsweringGateway
from blocks.gateway.routing.merge import built_in_answer
from blocks.gateway.routing.plan import asks_models, plan_route, route_digest
from blocks.gateway.routing.route import OUTAGE_WAIT_LIMIT_S, Route, Routed
from blocks.gateway.routing.steps import Assignment
from blocks.reader.reading import VERSION, read
from blocks.records import (
    NO_MODEL,
    UNKNOWN_TYPE,
    CriterionReading,
    Document,
    Extraction,
    Outcome,
    Page,
    PageImage,
    Scoring,
    Stage,
    StepTrace,
)
from tasks.runs.chunk import raise_if_stopped
from tasks.runs.frame import digest_of, failed, guarded, with_learnt
from tasks.score.remembered import pack_remembered, unpack_remembered
from tasks.score.total import total_score

STAGE_VERSION = "2"
"""Raise it when the same replies may give another scoring; see docs/decisions/fingerprints-and-versions.md."""
MAX_IN_FLIGHT_BYTES = 32_000_000
"""Bounds the pages, as JSON, of documents that models are asked about at once: they take memory."""
CHECK_EVERY_S = 0.5

LoadLastScorings = Callable[[Sequence[str]], Mapping[str, bytes]]
"""By document its last scoring by a model, as JSON."""

DrawPages = Callable[[Document, Sequence[Page]], Sequence[PageImage]]
"""Gives pictures of a document's pages; blocks. Raises a `DocumentError` if they cannot be drawn."""


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """A run's rules: models that replace the routes, what a document may cost, how long to wait for models that are
    down, and whether documents are read again by what was learnt since."""

    models: tuple[str, ...] = ()
    document_budget_usd: Decimal | None = None
    outage_wait_limit_s: float = OUTAGE_WAIT_LIMIT_S
    relearn: bool = False


class RunModels(Protocol):
    """The models of a run. `tasks/score/models.py` implements it with the gateway and the database."""

    def registry(self) -> RegistryState:
        """The registry as it is now; reads the database."""
        ...

    def gateway(self) -> AnsweringGateway:
        """The gateway under the run's terms; opens it, and reads the database."""
        ...


class ReadsMemory(Protocol):
    """The decided documents of a run's types. `tasks/score/memory.py` implements it with the database."""

    def learned_id(self, document_type: str) -> int | None:
        """The id of what was learnt for a type, None where nothing was."""
        ...

    def recall(self, document: Document, pages: Sequence[Page]) -> tuple[Remembered, ...]:
        """The decided documents that are most like this one; reads the database with a type's first document."""
        ...

    def taught(self, document_type: DocumentType) -> DocumentType:
        """The type as its classifiers learn it from decided documents; reads the database the first time."""
        ...

    def examples_id(self, document_type: str) -> int | None:
        """The id under which decided documents of a type are shown to models, None where none are."""
        ...

    def examples(
        self, document_type: DocumentType, document_id: str, pages: Sequence[Page]
    ) -> tuple[DecidedExample, ...]:
        """The decided documents that are most like this one, as a model is shown them; reads the database."""
        ...


class ScoreStage:
    """Scores the documents of a run. Thread-safe.

    The built-in reader reads each document once. If no step of the route asks a model, its reading is the scoring.
    The routes of a chunk's other documents run at once, on the gateway's event loop and within the gateway's limits.
    The scoring of a document of unknown type is empty.
    """

    stage = Stage.SCORE
    reads = (Stage.EXTRACT,)
    can_kill_worker = False  # Python alone reads the text; models are asked over the network

    def __init__(
        self,
        types: Mapping[str, DocumentType],
        models: RunModels,
        run_id: str,
        rules: ScoreRules | None = None,
        load_last: LoadLastScorings | None = None,
        draw: DrawPages | None = None,
        memory: ReadsMemory | None = None,
    ) -> None:
        self._types = dict(types)
        self._models = models
        self._run_id = run_id
        self._rules = rules or ScoreRules()
        self._load_last = load_last
        self._draw = draw
        self._memory = memory
        self._route: Route | None = None
        self._opening = threading.Lock()
        registry = models.registry()
        self._asking = _asking(self._types, registry, self._rules)
        self._digests = {
            name: route_digest(document_type, registry, self._rules.models, reader_version=VERSION)
            for name, document_type in self._types.items()
        }
        self.configuration = digest_of(
            STAGE_VERSION, *(f"{name}={self._settled_by(name)}" for name in sorted(self._digests))
        )

    def basis(self, document_type: str) -> str:
        """Digest of the stage's version, and of the type with the reader and the models that may answer."""
        return digest_of(STAGE_VERSION, self._digests[document_type])

    def fingerprint(self, document: Document) -> str:
        """Digest of the stage's version, the extraction, and the document's type with its models at the run's start.

        Behind it stands the id of what was learnt. A document keeps the one that it was read by, unless its type, or
        the run, wants all documents to be read by what was learnt since.
        """
        name = document.document_type or UNKNOWN_TYPE
        extraction = document.digests.get(Stage.EXTRACT, "")
        base = digest_of(STAGE_VERSION, extraction, name, self._digests.get(name, UNKNOWN_TYPE))
        return with_learnt(base, self._learned_ids(name), None if self._learns_again(name) else document.current)

    @property
    def is_computable(self) -> bool:
        """True: which documents other processes can compute, `computable` says."""
        return True

    def computable(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The documents whose routes ask no model, with the decided ones that are like them; reads the database.

        Where decided texts teach a type's classifiers, its documents stay here: the texts are handed to no process.
        """
        asking = _asking(self._types, self._models.registry(), self._rules)
        asking |= {
            name for name, document_type in self._types.items() if self._taught(document_type) is not document_type
        }
        return [self._recalled(document) for document in documents if document.document_type not in asking]

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """An outcome per document, as soon as it is known. If the caller stops, calls under way are cancelled."""
        finished: SimpleQueue[Future[Outcome]] = SimpleQueue()
        sizes: dict[Future[Outcome], int] = {}
        registry = self._models.registry()
        try:
            for document in documents:
                started = self._start(document, registry)
                if isinstance(started, Outcome):
                    yield started
                    continue
                sizes[started] = len(document.inputs[Stage.EXTRACT])
                started.add_done_callback(finished.put)
                while sum(sizes.values()) > MAX_IN_FLIGHT_BYTES or not finished.empty():
                    yield self._next(finished, sizes)
            while sizes:
                yield self._next(finished, sizes)
        finally:
            for future in reversed(sizes):  # waiting calls first, so that none takes the place of a cancelled call
                future.cancel()

    def _rules_of_memory(self, name: str) -> MemoryRules | None:
        known = self._types.get(name)
        return None if known is None else known.memory

    def _learned_ids(self, name: str) -> tuple[int, ...]:
        """The ids of what was learnt of a type: its memory, and the examples where models are asked and shown some."""
        if self._memory is None or self._rules_of_memory(name) is None:
            return ()
        found = [self._memory.learned_id(name)]
        if name in self._asking and self._types[name].examples_shown:
            found.append(self._memory.examples_id(name))
        return tuple(learned_id for learned_id in found if learned_id is not None)

    def _taught(self, document_type: DocumentType) -> DocumentType:
        if self._memory is None or not self._learned_ids(document_type.name):
            return document_type
        return self._memory.taught(document_type)

    def _learns_again(self, name: str) -> bool:
        rules = self._rules_of_memory(name)
        return self._rules.relearn or (rules is not None and rules.refresh == "stale")

    def _settled_by(self, name: str) -> str:
        """What decides whether a document of this type is settled."""
        return with_learnt(self._digests[name], self._learned_ids(name) if self._learns_again(name) else ())

    def _recalled(self, document: Document) -> Document:
        """The document with the decided ones that are like it, for a process that has no database."""
        if not self._learned_ids(document.document_type or UNKNOWN_TYPE):
            return document
        try:
            pages = Extraction.model_validate_json(document.inputs[Stage.EXTRACT]).pages
            return replace(document, remembered=pack_remembered(self._remembered(document, pages)))
        except ValueError:  # no extraction: the process that reads it says so, as the document's failure
            return document

    def _remembered(self, document: Document, pages: Sequence[Page]) -> Sequence[Remembered]:
        """The decided documents that are like this one: those that it carries, else those of this process's memory."""
        if document.remembered or self._memory is None:
            return unpack_remembered(document.remembered)
        is_learnt = bool(self._learned_ids(document.document_type or UNKNOWN_TYPE))
        return self._memory.recall(document, pages) if is_learnt else ()

    def _next(self, finished: "SimpleQueue[Future[Outcome]]", sizes: dict[Future[Outcome], int]) -> Outcome:
        """The next outcome. Raises `RunInterrupted` if the run is stopped meanwhile."""
        while True:
            try:
                future = finished.get(timeout=CHECK_EVERY_S)
            except Empty:
                raise_if_stopped(self._run_id)
                continue
            del sizes[future]
            return future.result()

    def _start(self, document: Document, registry: RegistryState) -> Outcome | Future[Outcome]:
        """The outcome of a document whose route asks no model, or else the future outcome of its route."""
        started_at = time.perf_counter()
        started = guarded(self.stage, document, lambda document: self._read(document, registry, started_at))
        if isinstance(started, Outcome):
            return started
        return gateway_loop().submit(self._outcome(document, started, self._open_route(), started_at))

    def _read(self, document: Document, registry: RegistryState, started_at: float) -> Outcome | Assignment:
        """The outcome of a document whose route asks no model, or else what its route is to do."""
        document_type = self._types.get(document.document_type or UNKNOWN_TYPE)
        if document_type is None:
            return _scored(document, Scoring(document_type=UNKNOWN_TYPE, model=NO_MODEL))
        pages = Extraction.model_validate_json(document.inputs[Stage.EXTRACT]).pages
        reading = read(self._taught(document_type), pages, self._remembered(document, pages))
        steps = plan_route(document_type, registry, self._rules.models)
        if not asks_models(steps):
            answer = built_in_answer(document_type, reading)
            return _scored(document, _scoring(document_type, Routed(answer), reading.doubts), started_at)
        budgets = (self._rules.document_budget_usd, document_type.budget_usd)
        draw, memory = self._draw, self._memory
        shows = memory is not None and document_type.examples_shown > 0
        return Assignment(
            document_id=document.document_id,
            document_type=document_type,
            pages=pages,
            run_id=self._run_id,
            reading=reading,
            steps=steps,
            budget_usd=min((budget for budget in budgets if budget is not None), default=None),
            draw=None if draw is None else lambda: draw(document, pages),
            examples=partial(memory.examples, document_type, document.document_id, pages) if memory and shows else None,
        )

    def _open_route(self) -> Route:
        """The route of the run, which opens the gateway with the first document that needs it."""
        with self._opening:
            if self._route is None:
                self._route = Route(self._models.gateway(), self._rules.outage_wait_limit_s)
            return self._route

    async def _outcome(self, document: Document, assignment: Assignment, route: Route, started_at: float) -> Outcome:
        try:
            routed = await route.take(assignment)
            scoring = _scoring(assignment.document_type, routed, assignment.reading.doubts)
            if routed.failure is not None and not routed.answer.is_of_models:
                scoring = await self._last_scoring(assignment, scoring) or scoring
        except Exception as error:  # noqa: BLE001 - one document's defect is that document's failure
            return failed(self.stage, document, error)
        return _scored(document, scoring, started_at, routed.failure)

    async def _last_scoring(self, assignment: Assignment, scoring: Scoring) -> Scoring | None:
        """A model's last reading of this document under this type, with the steps of this run; None without one."""
        if self._load_last is None:
            return None
        payloads = await asyncio.to_thread(self._load_last, (assignment.document_id,))
        payload = payloads.get(assignment.document_id)
        last = Scoring.model_validate_json(payload) if payload is not None else None
        if last is None or last.document_type != assignment.document_type.name:
            return None
        document_type = assignment.document_type
        fields = {name: reading for name, reading in last.fields.items() if name in document_type.fields}
        criteria, score = _graded(document_type, last)
        stands_in = StepTrace(
            step=len(scoring.steps), model=last.model, outcome="answered", why="its last reading by a model stands in"
        )
        steps = (*scoring.steps, stands_in)
        return last.model_copy(update={"fields": fields, "criteria": criteria, "score": score, "steps": steps})


def _asking(types: Mapping[str, DocumentType], registry: RegistryState, rules: ScoreRules) -> frozenset[str]:
    """The types whose routes ask a model."""
    return frozenset(name for name, each in types.items() if asks_models(plan_route(each, registry, rules.models)))


def _graded(document_type: DocumentType, last: Scoring) -> tuple[tuple[CriterionReading, ...], float | None]:
    """An older scoring's grades by today's rubric, and their total; no total if a criterion is new."""
    graded = {reading.name: reading for reading in last.criteria}
    criteria = tuple(graded[criterion.name] for criterion in document_type.criteria if criterion.name in graded)
    is_complete = all(criterion.name in graded for criterion in document_type.criteria if criterion.judges is None)
    return criteria, total_score(document_type.rubric, criteria) if is_complete else None


def _scoring(document_type: DocumentType, routed: Routed, doubts: tuple[str, ...]) -> Scoring:
    criteria = tuple(routed.answer.criteria.values())
    return Scoring(
        document_type=document_type.name,
        model=routed.answer.model,
        fields=dict(routed.answer.fields),
        criteria=criteria,
        score=total_score(document_type.rubric, criteria),
        steps=routed.steps,
        notes=routed.answer.notes,
        refused=routed.refused,
        doubts=doubts,
    )


def _scored(
    document: Document, scoring: Scoring, started_at: float | None = None, failure: CallFailed | None = None
) -> Outcome:
    return Outcome(
        document.document_id,
        payload=scoring.model_dump_json().encode(),
        failure=None if failure is None else failure.failure(Stage.SCORE),
        duration_ms=0 if started_at is None else round((time.perf_counter() - started_at) * 1000),
        engine=scoring.model,
    )
