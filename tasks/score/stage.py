"""The score stage: a type's fields and criteria out of the pages, by the models of the type's route."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from queue import Empty, SimpleQueue

from blocks.document_types.schema import DocumentType
from blocks.gateway.event_loop import gateway_loop
from blocks.gateway.routing.calls import Asked
from blocks.gateway.routing.plan import route_digest
from blocks.gateway.routing.route import OUTAGE_PATIENCE_S, Assignment, LastScorings, Route, Routed
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
from tasks.runs.frame import digest_of, failed
from tasks.score.total import total_score

STAGE_VERSION = "1"
"""Raised whenever the same replies may give another scoring."""
MAX_IN_FLIGHT_BYTES = 32_000_000
"""Pages of documents that are being asked about, as JSON: more would wait for models only to fill the memory."""
LOOK_EVERY_S = 0.5

DrawPages = Callable[[Document, Sequence[Page]], Sequence[PageImage]]
"""Gives pictures of a document's pages; blocks. Raises a `DocumentError` where they cannot be drawn."""


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """What of a run decides who is asked: models that replace the routes, what one document may cost, and for how long
    models that are down are waited for."""

    models: tuple[str, ...] = ()
    document_budget_usd: Decimal | None = None
    outage_patience_s: float = OUTAGE_PATIENCE_S


class ScoreStage:
    """Scores the documents of a run, chunk by chunk, in any number of threads.

    All documents of a chunk are asked about at once, on the gateway's loop; the limits are the gateway's. A document of
    no known type is asked of no model: its scoring is empty.
    """

    stage = Stage.SCORE
    reads = (Stage.EXTRACT,)

    def __init__(
        self,
        types: Mapping[str, DocumentType],
        gateway: Asked,
        run_id: str,
        rules: ScoreRules | None = None,
        last: LastScorings | None = None,
        draw: DrawPages | None = None,
    ) -> None:
        self._types = dict(types)
        self._run_id = run_id
        self._rules = rules or ScoreRules()
        self._last = last
        self._draw = draw
        self._route = Route(gateway, self._rules.models, self._rules.outage_patience_s)
        registry = gateway.registry()
        self._routes = {name: route_digest(one, registry, self._rules.models) for name, one in self._types.items()}
        self.configuration = digest_of(
            STAGE_VERSION, *(f"{name}={self._routes[name]}" for name in sorted(self._routes))
        )

    def fingerprint(self, document: Document) -> str:
        """Of the stage's version, the extraction, and the document's type with its models as the run began."""
        name = document.document_type or UNKNOWN_TYPE
        extraction = document.digests.get(Stage.EXTRACT, "")
        return digest_of(STAGE_VERSION, extraction, name, self._routes.get(name, UNKNOWN_TYPE))

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """One outcome per document, as soon as each is known. What is still asked is given up when the reader stops."""
        finished: SimpleQueue[Future[Outcome]] = SimpleQueue()
        sizes: dict[Future[Outcome], int] = {}
        try:
            for document in documents:
                asked = self._start(document)
                if isinstance(asked, Outcome):
                    yield asked
                    continue
                sizes[asked] = len(document.inputs[Stage.EXTRACT])
                asked.add_done_callback(finished.put)
                while sum(sizes.values()) > MAX_IN_FLIGHT_BYTES:
                    yield self._next(finished, sizes)
            while sizes:
                yield self._next(finished, sizes)
        finally:
            for future in reversed(sizes):  # first those that wait for their turn, lest they get that of another
                future.cancel()

    def _next(self, finished: "SimpleQueue[Future[Outcome]]", sizes: dict[Future[Outcome], int]) -> Outcome:
        """The next outcome. Raises `RunInterrupted` where the run is stopped while models are waited for."""
        while True:
            try:
                future = finished.get(timeout=LOOK_EVERY_S)
            except Empty:
                raise_if_stopped(self._run_id)
                continue
            del sizes[future]
            return future.result()

    def _start(self, document: Document) -> Outcome | Future[Outcome]:
        """The outcome of a document that needs no model, or that of its route, under way."""
        document_type = self._types.get(document.document_type or UNKNOWN_TYPE)
        if document_type is None:
            scoring = Scoring(document_type=UNKNOWN_TYPE, model=NO_MODEL)
            return Outcome(document.document_id, payload=scoring.model_dump_json().encode())
        try:
            pages = Extraction.model_validate_json(document.inputs[Stage.EXTRACT]).pages
        except Exception as error:  # noqa: BLE001 - one document's defect is that document's failure
            return failed(self.stage, document, error)
        budgets = (self._rules.document_budget_usd, document_type.budget_usd)
        draw = self._draw
        assignment = Assignment(
            document_id=document.document_id,
            document_type=document_type,
            pages=pages,
            run_id=self._run_id,
            budget_usd=min((one for one in budgets if one is not None), default=None),
            draw=None if draw is None else lambda: draw(document, pages),
        )
        return gateway_loop().submit(self._outcome(document, assignment))

    async def _outcome(self, document: Document, assignment: Assignment) -> Outcome:
        started = time.perf_counter()
        try:
            routed = await self._route.walk(assignment)
            scoring = _scoring(assignment.document_type, routed)
            if routed.failure is not None and not routed.answer.is_of_models:
                scoring = await self._last_scoring(assignment, scoring) or scoring
        except Exception as error:  # noqa: BLE001 - one document's defect is that document's failure
            return failed(self.stage, document, error)
        return Outcome(
            document.document_id,
            payload=scoring.model_dump_json().encode(),
            failure=None if routed.failure is None else routed.failure.failure(Stage.SCORE),
            duration_ms=round((time.perf_counter() - started) * 1000),
        )

    async def _last_scoring(self, assignment: Assignment, scoring: Scoring) -> Scoring | None:
        """What a model read of this document and type before, with the steps of today; None where none did."""
        if self._last is None:
            return None
        payloads = await asyncio.to_thread(self._last.load, (assignment.document_id,))
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


def _graded(document_type: DocumentType, last: Scoring) -> tuple[tuple[CriterionReading, ...], float | None]:
    """An older scoring's grades by the rubric of today, and their total; None where a criterion is new."""
    asked = document_type.rubric.criteria if document_type.rubric is not None else ()
    graded = {one.name: one for one in last.criteria}
    criteria = tuple(graded[one.name] for one in asked if one.name in graded)
    is_whole = all(one.name in graded for one in asked if one.judges is None)
    return criteria, total_score(document_type.rubric, criteria) if is_whole else None


def _scoring(document_type: DocumentType, routed: Routed) -> Scoring:
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
    )
