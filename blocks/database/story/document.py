"""The story of a document: its history, and what only its outputs and failures know."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import bindparam, select

from blocks.database.engine import Database
from blocks.database.learning.named import decided_words
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.database.pipeline.stage_outputs import load_payloads
from blocks.database.review.history import History, load_history
from blocks.database.tables import documents, failures, results
from blocks.records import Classification, Evidence, Extraction, Record, Stage
from blocks.review.reasons import sentence


class ShownValue(Record):
    """A field of the current result. `page` and `quote` are None where it has no evidence; the quote is on one line.

    `read_as_in`: the decided documents that the reading used, in words.
    """

    field: str
    value: JsonValue
    confidence: float | None
    page: int | None = None
    quote: str | None = None
    read_as_in: str | None = None


class DocumentFailure(Record):
    """A stage that failed, and when it passed at last."""

    stage: str
    kind: str
    message: str
    attempts: int
    retry: str
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None


class Origin(Record):
    """Where a document came from: a part has a parent and its place in it. `parent_uri` is where that was seen last.

    `erased_at` says that nothing else is left of it.
    """

    media_type: str
    size_bytes: int
    first_seen_at: datetime
    parent_id: str | None
    part: str | None
    parent_uri: str | None = None
    given_type: str | None
    is_type_decided: bool
    erased_at: datetime | None = None


class TypeVerdict(Record):
    """The type that classify gave, how, and how sure it is. `remark` is what speaks against it."""

    document_type: str
    method: str
    confidence: float
    remark: str | None


class ReviewOfDocument(Record):
    """A review item of the document, as it is now."""

    review_id: int
    kind: str
    status: str
    role: str
    priority: int
    due_at: datetime | None
    decided_by: str | None


class DocumentStory(Record):
    """All of a document. `history` has the stages, the calls, the decisions and the versions, and no items: `reviews`
    has what anybody may see of them.

    `status` is its current verdict, failed, or None where no run has finished it. `accepted_by` is of an accepted row
    of a type that promises an error. `reasons` are in words. `engine` and
    `pages` are those of extract. Values are hidden while a blind audit waits for a person.
    """

    document_id: str
    status: str | None
    accepted_by: str | None
    reasons: tuple[str, ...]
    confidence: float | None
    origin: Origin
    engine: str | None
    pages: int | None
    type: TypeVerdict | None
    fields: tuple[ShownValue, ...]
    failures: tuple[DocumentFailure, ...]
    reviews: tuple[ReviewOfDocument, ...]
    history: History


@survives_outages
def load_document(database: Database, document_id: str) -> DocumentStory:
    """The story of a document, as anybody may see it. Raises `DocumentUnknown`."""
    history = load_history(database, document_id, "")
    with database.read() as connection:
        row = dict(connection.execute(_ORIGIN, {"id": document_id}).mappings().one())
        parent = uris_of(connection, [row["parent_id"]])[row["parent_id"]][0] if row["parent_id"] else None
        failed = [
            DocumentFailure.model_validate(dict(f))
            for f in connection.execute(_FAILURES, {"id": document_id}).mappings()
        ]
        current = connection.execute(_CURRENT, {"id": document_id}).mappings().one_or_none()
        used = decided_words(connection, _evidence(current)) if current is not None else {}
        payloads = {
            stage: load_payloads(connection, stage, [document_id]).get(document_id)
            for stage in (Stage.EXTRACT, Stage.CLASSIFY)
        }
    extraction = payloads[Stage.EXTRACT] and Extraction.model_validate_json(payloads[Stage.EXTRACT] or b"")
    classification = payloads[Stage.CLASSIFY] and Classification.model_validate_json(payloads[Stage.CLASSIFY] or b"")
    is_failed = any(failure.resolved_at is None for failure in failed)
    shows = current is not None and not is_failed and not history.hides_values
    return DocumentStory(
        document_id=document_id,
        status="failed" if is_failed else (current["status"] if current else None),
        accepted_by=current["accepted_by"] if current else None,
        reasons=tuple(sentence(reason) for reason in current["reasons"]) if shows and current else (),
        confidence=current["confidence"] if shows and current else None,
        origin=Origin.model_validate(row | {"parent_uri": parent}),
        engine=extraction.engine if extraction else None,
        pages=len(extraction.pages) if extraction else None,
        type=TypeVerdict.model_validate(classification.model_dump(include={*TypeVerdict.model_fields}))
        if classification
        else None,
        fields=_fields(current, used) if shows and current else (),
        failures=tuple(failed),
        reviews=tuple(
            ReviewOfDocument.model_validate(item.model_dump(include={*ReviewOfDocument.model_fields}))
            for item in history.items
        ),
        history=history.model_copy(update={"items": ()}),
    )


def _evidence(current: Any) -> dict[str, tuple[Evidence, ...]]:
    return {
        name: tuple(Evidence.model_validate(each) for each in found or ())
        for name, found in current["evidence"].items()
    }


def _fields(current: Any, used: Mapping[str, str]) -> tuple[ShownValue, ...]:
    """The values, the least certain first."""
    shown = []
    found = _evidence(current)
    for name, value in current["fields"].items():
        evidence = next(iter(found.get(name, ())), None)
        confidence = None if current["decided_by"] else current["confidences"].get(name)
        shown.append(
            ShownValue(
                field=name,
                value=value,
                confidence=confidence,
                page=evidence and evidence.page,
                quote=evidence and " ".join(evidence.quote.split()),
                read_as_in=used.get(name),
            )
        )
    return tuple(sorted(shown, key=lambda field: 1.0 if field.confidence is None else field.confidence))


_OWN = documents.c.document_id == bindparam("id")
_ORIGIN = select(*(documents.c[name] for name in Origin.model_fields if name != "parent_uri")).where(_OWN)
_FAILURES = (
    select(*(failures.c[name] for name in DocumentFailure.model_fields))
    .where(failures.c.document_id == bindparam("id"))
    .order_by(failures.c.last_at)
)
_CURRENT = select(
    *(
        results.c[name]
        for name in (
            *("status", "reasons", "confidence", "fields", "confidences", "evidence", "decided_by", "accepted_by"),
        )
    )
).where(results.c.document_id == bindparam("id"), results.c.is_current)
