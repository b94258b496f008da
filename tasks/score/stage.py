"""The score stage: a type's fields and criteria out of the pages, by the models of the type's route."""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence

from blocks.document_types import DocumentType
from blocks.errors import StageCrashed, WinnowError
from blocks.gateway.ledger import Ledger, ModelCall
from blocks.gateway.model import Model
from blocks.gateway.route import ask_route, default_models, route_digest
from blocks.records import UNKNOWN_TYPE, Document, Extraction, Outcome, Scoring, Stage
from tasks.score.total import total_score

STAGE_VERSION = "1"
"""Raised whenever the same replies may give another scoring."""
NO_MODEL = "none"
LEDGER_GROUP = 50

log = logging.getLogger(__name__)


class ScoreStage:
    """Scores the documents of one chunk. `models` are those of the registry; the built-in one when left out.

    A document of no known type is asked of no model: its scoring is empty.
    """

    stage = Stage.SCORE
    reads = (Stage.EXTRACT,)

    def __init__(
        self, types: Mapping[str, DocumentType], ledger: Ledger, run_id: str, models: Mapping[str, Model] | None = None
    ) -> None:
        self._types = dict(types)
        self._ledger = ledger
        self._run_id = run_id
        self._models = dict(models) if models is not None else default_models()
        self._routes = {name: route_digest(one, self._models) for name, one in self._types.items()}
        self.configuration = _sha256(STAGE_VERSION, *(f"{name}={self._routes[name]}" for name in sorted(self._routes)))

    def fingerprint(self, document: Document) -> str:
        """Of the stage's version, the extraction, and the document's type with its models as they stand."""
        name = document.document_type or UNKNOWN_TYPE
        extraction = document.digests.get(Stage.EXTRACT, "")
        return _sha256(STAGE_VERSION, extraction, name, self._routes.get(name, UNKNOWN_TYPE))

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """One outcome per document, in order. The ledger is written in groups, whatever becomes of the rest."""
        calls: list[ModelCall] = []
        try:
            for document in documents:
                yield self._score(document, calls)
                if len(calls) >= LEDGER_GROUP:
                    self._write(calls)
        finally:
            self._write(calls)

    def _write(self, calls: list[ModelCall]) -> None:
        if calls:
            self._ledger.write(self._run_id, tuple(calls))
            calls.clear()

    def _score(self, document: Document, calls: list[ModelCall]) -> Outcome:
        started = time.perf_counter()
        try:
            scoring = self._ask(document, calls)
        except WinnowError as error:
            return Outcome(document.document_id, failure=error.failure(Stage.SCORE))
        except Exception as error:
            log.debug("scoring %s", document.document_id, exc_info=error)
            return Outcome(document.document_id, failure=StageCrashed(error).failure(Stage.SCORE))
        duration_ms = round((time.perf_counter() - started) * 1000)
        return Outcome(document.document_id, payload=scoring.model_dump_json().encode(), duration_ms=duration_ms)

    def _ask(self, document: Document, calls: list[ModelCall]) -> Scoring:
        document_type = self._types.get(document.document_type or UNKNOWN_TYPE)
        if document_type is None:
            return Scoring(document_type=UNKNOWN_TYPE, model=NO_MODEL)
        extraction = Extraction.model_validate_json(document.inputs[Stage.EXTRACT])
        answer = ask_route(document.document_id, document_type, extraction.pages, self._models)
        calls.extend(answer.calls)
        return Scoring(
            document_type=document_type.name,
            model=f"{answer.model}@{answer.model_version}",
            fields={name: reading for name, reading in answer.reply.fields.items() if name in document_type.fields},
            criteria=answer.reply.criteria,
            score=total_score(document_type.rubric, answer.reply.criteria),
        )


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
