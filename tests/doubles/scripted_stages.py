"""Stages that say what a test tells them to, without reading anything; and documents for them to say it of."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from blocks.records import (
    Classification,
    DiscoveredDocument,
    Document,
    Extraction,
    Failure,
    Outcome,
    Record,
    Retry,
    Scoring,
    Stage,
    Status,
    Validation,
)

Answer = Record | Failure | tuple[Record, Failure]

USUAL: dict[Stage, Record] = {
    Stage.EXTRACT: Extraction(media_type="text/plain", pages=(), engine="double 1", language="eng"),
    Stage.CLASSIFY: Classification(document_type="receipt", confidence=0.9, method="signals"),
    Stage.SCORE: Scoring(document_type="receipt", model="local"),
    Stage.VALIDATE: Validation(
        document_type="receipt",
        status=Status.ACCEPTED,
        confidence=0.9,
        fields={"total": "9.00"},
        confidences={"total": 0.9},
    ),
}


def id_of(name: str) -> str:
    """A document id."""
    return hashlib.sha256(name.encode()).hexdigest()


def found(name: str, *, failure: Failure | None = None, is_member: bool = True) -> DiscoveredDocument:
    """A text file that discover came upon."""
    return DiscoveredDocument(id_of(name), f"/in/{name}", "text/plain", 5, failure=failure, is_member=is_member)


def failing(stage: Stage, retry: Retry, kind: str = "corrupt") -> Failure:
    """A failure."""
    return Failure(stage=stage, kind=kind, message=f"{kind} on purpose", retry=retry)


@dataclass
class ScriptedStage:
    """A stage whose answers are given by document name; others get the usual one. `worked` lists who was worked."""

    stage: Stage
    names: Sequence[str]
    answers: dict[str, Answer] = field(default_factory=dict)
    version: str = "1"
    worked: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda name: None

    reads: tuple[Stage, ...] = ()
    can_kill_worker: bool = True

    @property
    def configuration(self) -> str:
        return self.version

    def basis(self, document_type: str) -> str:
        return f"{self.version} {document_type}"

    def fingerprint(self, document: Document) -> str:
        digests = sorted(document.digests.items())
        return hashlib.sha256(f"{self.stage} {self.version} {digests}".encode()).hexdigest()

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        by_id = {id_of(name): name for name in self.names}
        for document in documents:
            name = by_id[document.document_id]
            self.before(name)
            self.worked.append(name)
            answer = self.answers.get(name, USUAL[self.stage])
            parts = answer if isinstance(answer, tuple) else (answer,)
            payload = next((part.model_dump_json().encode() for part in parts if not isinstance(part, Failure)), None)
            failure = next((part for part in parts if isinstance(part, Failure)), None)
            yield Outcome(document.document_id, payload, failure)
