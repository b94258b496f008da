"""The classify stage: from a document's text to its type."""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter

from pydantic_core import from_json

from blocks.document_types.schema import DocumentType
from blocks.errors import DocumentTypeUnknown
from blocks.files.media_types import TABLES
from blocks.records import UNKNOWN_TYPE, Classification, Document, Outcome, Stage
from tasks.classify.judge import ORDINARY_TEXTS, TypeJudge
from tasks.classify.lessons import TypeLessons
from tasks.classify.papers import PAPERS
from tasks.classify.signals import READ_CHARACTERS
from tasks.runs.frame import digest_of, failed, together, with_learnt

STAGE_VERSION = "11"
"""Raise it when the same text may get another type; see docs/decisions/fingerprints-and-versions.md."""

CHECKED_ROWS, MIN_ROWS, DOCUMENT_ROWS = 12, 3, 0.5
"""A table of 3 rows or more is no document if half of its first 12 rows are documents of its type."""


class ClassifyStage:
    """Gives every document its type. One instance serves the threads of a process."""

    stage = Stage.CLASSIFY
    reads = (Stage.EXTRACT,)
    can_kill_worker = True  # the classifier is native code

    def __init__(
        self, types: Mapping[str, DocumentType], lessons: TypeLessons | None = None, *, relearns: bool = False
    ) -> None:
        self._types = dict(types)
        self._judge = TypeJudge(self._types)
        self._lessons = lessons
        self._learned_ids = lessons.learned_ids(self._types) if lessons is not None else ()
        self._relearns = relearns or any(t.memory is not None and t.memory.refresh == "stale" for t in types.values())
        self._learning = threading.Lock()
        self._learnt: TypeJudge | None = None
        known = hashlib.sha256(ORDINARY_TEXTS.read_bytes() + PAPERS.read_bytes()).hexdigest()
        digests = (f"{name}={types[name].classify_digest}" for name in sorted(types))
        self._described_by = digest_of(STAGE_VERSION, known, *digests)
        self.configuration = with_learnt(self._described_by, self._learned_ids if self._relearns else ())

    def basis(self, document_type: str) -> str:
        """Digest of the stage's version and of what it reads of the type. Other types are left out."""
        return digest_of(STAGE_VERSION, self._types[document_type].classify_digest)

    def fingerprint(self, document: Document) -> str:
        """Digest of the type that a person decided, or else of the given type, of all types and of the text.

        Behind it stand the ids of what was learnt, unless the type was given. A document keeps the ones by which it was
        judged, unless a type, or the run, wants all documents to be judged by what was learnt since.
        """
        given = document.given_type or ""
        if given and (document.is_type_decided or given not in self._types):
            return digest_of(STAGE_VERSION, "decided" if given in self._types else "unknown", given)
        base = digest_of(self._described_by, document.digests.get(Stage.EXTRACT, ""), given)
        return with_learnt(base, () if given else self._learned_ids, None if self._relearns else document.current)

    def get_ready(self, documents: Sequence[Document]) -> None:
        """Load the classifier, or train it, if a document has no given type."""
        if any(document.given_type is None for document in documents):
            self._learnt_judge().get_ready()

    @property
    def is_computable(self) -> bool:
        """Whether other processes can compute it: decided texts, which teach the classifier, are handed to none."""
        return not self._learned_ids

    def computable(self, documents: Sequence[Document]) -> Sequence[Document]:
        """All of them: a type needs the text alone."""
        return documents

    def _learnt_judge(self) -> TypeJudge:
        """The judge that has learnt from decided documents; reads them the first time."""
        if self._lessons is None or not self._learned_ids:
            return self._judge
        with self._learning:
            if self._learnt is None:
                self._learnt = TypeJudge(self._lessons.taught(self._types))
            return self._learnt

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """An outcome per document: those with a type first, then all others together, or one by one if that fails."""
        unclassified: list[Document] = []
        failure_of = partial(failed, self.stage)
        for document in documents:
            if document.given_type is None:
                unclassified.append(document)
            elif document.given_type in self._types:
                yield from together([document], self._check_given, failure_of)
            else:
                yield failure_of(document, DocumentTypeUnknown(document.given_type, tuple(sorted(self._types))))
        if unclassified:
            yield from together(unclassified, self._classify, failure_of)

    def _check_given(self, documents: Sequence[Document]) -> list[Outcome]:
        """The given types: what a run was given is checked against the text, what a person decided is not."""
        outcomes = []
        for document in documents:
            started = perf_counter()
            given = document.given_type or UNKNOWN_TYPE
            if document.is_type_decided:
                classification = Classification(document_type=given, confidence=1.0, method="given")
            else:
                classification = self._judge.check_given(_text(document), given)
            outcomes.append(_outcome(document, classification, perf_counter() - started))
        return outcomes

    def _classify(self, documents: Sequence[Document]) -> list[Outcome]:
        started = perf_counter()
        verdicts = self._judge_all(documents)
        each_s = (perf_counter() - started) / len(documents)
        return [_outcome(document, verdict, each_s) for document, verdict in zip(documents, verdicts, strict=True)]

    def _judge_all(self, documents: Sequence[Document]) -> list[Classification]:
        texts = [_text(document) for document in documents]
        verdicts = self._learnt_judge().judge(texts)
        for position, (document, text) in enumerate(zip(documents, texts, strict=True)):
            if document.media_type in TABLES and verdicts[position].document_type != UNKNOWN_TYPE:
                verdicts[position] = self._as_table(text, verdicts[position])
        return verdicts

    def _as_table(self, text: str, verdict: Classification) -> Classification:
        """The classification of a csv or jsonl file: a table of documents has no type itself."""
        rows = [line for line in text.splitlines() if line.strip()][1 : CHECKED_ROWS + 1]
        if len(rows) < MIN_ROWS:
            return verdict
        alike = sum(row.document_type == verdict.document_type for row in self._learnt_judge().judge(rows))
        if alike < DOCUMENT_ROWS * len(rows):
            return verdict
        return verdict.model_copy(update={"document_type": UNKNOWN_TYPE, "confidence": round(alike / len(rows), 4)})


def _text(document: Document) -> str:
    """The beginning of the document's visible text, without the word boxes, which are most of an extraction."""
    parts: list[str] = []
    length = 0
    for page in from_json(document.inputs[Stage.EXTRACT])["pages"]:
        parts.append(page["text"])
        length += len(parts[-1])
        if length > READ_CHARACTERS:
            break
    return "\n\f\n".join(parts)


def _outcome(document: Document, classification: Classification, duration_s: float) -> Outcome:
    payload = classification.model_dump_json().encode()
    return Outcome(
        document.document_id,
        payload=payload,
        duration_ms=round(duration_s * 1000),
        engine=classification.method,
    )
