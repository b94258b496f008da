"""The validate stage: from readings to a verdict.

Each document is judged by itself. Row-level expectations are computed per document type and chunk, but each row's
result depends on that row alone. So no verdict depends on how a batch was cut into chunks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from blocks.document_types.expectations import warm_up
from blocks.document_types.schema import DocumentType
from blocks.evidence.findings import FieldFinding, find_fields
from blocks.records import UNKNOWN_TYPE, Classification, Document, Outcome, Scoring, Stage, Validation
from tasks.runs.frame import digest_of, failed, guarded, together, with_learnt
from tasks.validate.calibration import RunCalibrations, raw_confidences
from tasks.validate.library import LOCK
from tasks.validate.pages import page_facts, read_pages
from tasks.validate.promises import TypePromise
from tasks.validate.rows import Row, RowExpectations
from tasks.validate.verdict import PageFacts, Promised, decide, decide_unknown

STAGE_VERSION = "4"
"""Raise it when the same inputs may get another verdict; see docs/decisions/fingerprints-and-versions.md."""
READ_IN_PART = "read_in_part"
"""The reason if a model saw less of a document than its route asks for: the rest may contradict the reading. The
scoring's notes name the rest."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A document and what decides its verdict, except broken expectations."""

    document: Document
    document_type: DocumentType | None
    fields: Mapping[str, FieldFinding]
    raw_confidences: Mapping[str, float]
    classification: Classification
    facts: PageFacts
    score: float | None
    promised: Promised | None


PromiseOf = Callable[[str], TypePromise | None]
"""Gives what a document type promises; None for a type that promises nothing."""


class ValidateStage:
    """Judges documents by the rules of their types, and by what labels prove of them. Thread-safe.

    `relearn`: documents are judged by what is proven today, and do not keep the verdict of an earlier run.
    """

    stage = Stage.VALIDATE
    reads = (Stage.EXTRACT, Stage.CLASSIFY, Stage.SCORE)
    can_kill_worker = True  # row expectations are computed by pandas

    def __init__(
        self,
        types: Mapping[str, DocumentType],
        calibrations: RunCalibrations | None = None,
        promise_of: PromiseOf = lambda document_type: None,
        *,
        relearn: bool = False,
    ) -> None:
        self._types = dict(types)
        self._calibrations = calibrations or RunCalibrations(types)
        self._promise_of = promise_of
        self._relearn = relearn
        self._expectations: dict[str, RowExpectations] = {}

    @property
    def configuration(self) -> str:
        """Digest of the stage's version, the rules of all types, and what was learnt where documents are judged again
        by that.
        """
        return digest_of(STAGE_VERSION, *(f"{name}={self._settled_by(name)}" for name in sorted(self._types)))

    def basis(self, document_type: str) -> str:
        """Digest of the stage's version and of the type's rules."""
        return digest_of(STAGE_VERSION, self._types[document_type].validate_digest)

    def fingerprint(self, document: Document) -> str:
        """Digest of the stage's version, the rules of the document's type, and the upstream outputs.

        Behind it stand the ids of what was learnt and proven. A document keeps the one that it was judged by, unless
        its type, or the run, wants all documents to be judged by what was learnt since.
        """
        document_type = self._types.get(document.document_type or UNKNOWN_TYPE)
        upstream = (f"{stage}={document.digests.get(stage, '')}" for stage in self.reads)
        provisional = (f"{stage}~{kind}" for stage, kind in sorted(document.provisional.items()))
        rules = document_type.validate_digest if document_type is not None else UNKNOWN_TYPE
        base = digest_of(STAGE_VERSION, rules, *upstream, *provisional)
        name = "" if document_type is None else document_type.name
        return with_learnt(base, self._learned_ids(name), None if self._learns_again(name) else document.current)

    def warm_up(self) -> Callable[[], bool]:
        """Import Great Expectations, which takes seconds, without waiting; gives whether that is done."""
        if not any(known.expectations for known in self._types.values()):
            return lambda: True
        thread = warm_up()
        return lambda: not thread.is_alive()

    def get_ready(self, documents: Sequence[Document]) -> None:
        """Import Great Expectations, and compile the expectations of the documents' types."""
        for name in sorted({document.document_type or UNKNOWN_TYPE for document in documents} & self._types.keys()):
            if self._types[name].expectations:
                self._expectations_of(self._types[name])

    def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
        """An outcome per document; documents whose type has no expectations come first."""
        by_type: dict[str, list[_Judged]] = defaultdict(list)
        for document in documents:
            judged = guarded(self.stage, document, self._judge)
            if isinstance(judged, Outcome):
                yield judged
            else:
                by_type[judged.classification.document_type].append(judged)
        for name, group in by_type.items():
            judge_rows = partial(self._judge_rows, self._types[name])
            yield from together(group, judge_rows, lambda judged, error: failed(self.stage, judged.document, error))

    def _learned_ids(self, name: str) -> tuple[int, ...]:
        if name not in self._types:
            return ()
        promise = self._promise_of(name)
        found = (self._calibrations.learned_id(name), None if promise is None else promise.learned_id)
        return tuple(learned_id for learned_id in found if learned_id is not None)

    def _learns_again(self, name: str) -> bool:
        memory = self._types[name].memory if name in self._types else None
        return self._relearn or (memory is not None and memory.refresh == "stale")

    def _settled_by(self, name: str) -> str:
        """What decides whether a document of this type is settled."""
        learned_ids = self._learned_ids(name) if self._learns_again(name) else ()
        return with_learnt(self._types[name].validate_digest, learned_ids)

    def _judge(self, document: Document) -> _Judged | Outcome:
        """The verdict; for a type with expectations, what decides it beside them."""
        started = perf_counter()
        classification = Classification.model_validate_json(document.inputs[Stage.CLASSIFY])
        scoring = Scoring.model_validate_json(document.inputs[Stage.SCORE])
        document_type = self._types.get(classification.document_type)
        pages, unread = read_pages(document.inputs[Stage.EXTRACT])
        facts = page_facts(pages, unread, tuple(dict.fromkeys(document.provisional.values())))
        fields: Mapping[str, FieldFinding] = {}
        raw: Mapping[str, float] = {}
        if document_type is not None and scoring.document_type == document_type.name:
            found = find_fields(document_type, scoring.fields, pages, scoring.criteria)
            fields = self._calibrations.calibrated(document_type, found, pages)
            raw = raw_confidences(found, fields)
            partly = (READ_IN_PART,) if scoring.notes else ()
            ungrounded = (f"ungrounded:{criterion.name}" for criterion in scoring.criteria if not criterion.is_grounded)
            replies = (*scoring.doubts, *scoring.refused, *partly, *ungrounded)
            facts = replace(facts, replies=replies)
        promise = None if document_type is None else self._promise_of(document_type.name)
        promised = None if promise is None else promise.promised()
        judged = _Judged(document, document_type, fields, raw, classification, facts, scoring.score, promised)
        if document_type is None or not document_type.expectations:
            return _outcome(judged, (), perf_counter() - started)
        return judged

    def _judge_rows(self, document_type: DocumentType, group: Sequence[_Judged]) -> list[Outcome]:
        """The outcomes of documents whose type has expectations."""
        rows = [
            Row(judged.document.document_id, {name: field.value for name, field in judged.fields.items()}, judged.score)
            for judged in group
        ]
        started = perf_counter()
        broken = self._expectations_of(document_type).broken_by(rows)
        each_s = (perf_counter() - started) / len(group)
        return [_outcome(judged, names, each_s) for judged, names in zip(group, broken, strict=True)]

    def _expectations_of(self, document_type: DocumentType) -> RowExpectations:
        with LOCK:
            if document_type.name not in self._expectations:
                self._expectations[document_type.name] = RowExpectations(document_type)
            return self._expectations[document_type.name]


def _outcome(judged: _Judged, broken_expectations: Sequence[str], duration_s: float) -> Outcome:
    verdict = _verdict(judged, broken_expectations)
    return Outcome(
        document_id=judged.document.document_id,
        payload=verdict.model_dump_json().encode(),
        duration_ms=round(duration_s * 1000),
    )


def _verdict(judged: _Judged, broken_expectations: Sequence[str]) -> Validation:
    if judged.document_type is None:
        return decide_unknown(judged.facts, judged.classification)
    verdict = decide(
        judged.document_type,
        judged.fields,
        judged.classification,
        judged.facts,
        broken_expectations,
        judged.score,
        judged.promised,
    )
    raw = judged.raw_confidences
    return verdict.model_copy(update={"raw_confidences": dict(raw)}) if raw else verdict
