"""Which failed documents a person must look at: those that fail in every run, and that a person may cure."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, exists, select

from blocks.database.engine import Database, now
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.failures import FailedDocument
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.tables import review
from blocks.database.tables import documents, results
from blocks.document_types.review_rules import ReviewRules
from blocks.records import UNKNOWN_TYPE, Classification, DiscoveredDocument, Retry, Status, Validation
from blocks.review.records import ItemKind, ItemStatus

FAILURE_PRIORITY = 4
_NO_RULES = ReviewRules()


def needs_of_failures(failed: Iterable[FailedDocument], types: Mapping[str, str]) -> list[ReviewNeed]:
    """The needs of documents that fail in every run, so that only a person can help.

    `types` has the type of each document of which it is known, from before the failure. All are due as documents of a
    type without rules are.
    """
    return [
        ReviewNeed(
            document.document_id,
            f"{document.failure.stage}:{document.failure.kind}",
            Validation(
                document_type=types.get(document.document_id, UNKNOWN_TYPE),
                status=Status.IN_REVIEW,
                confidence=0.0,
                reasons=(f"failed:{document.failure.kind}",),
                priority=FAILURE_PRIORITY,
                due_minutes=_NO_RULES.bands[-1].due_minutes,
            ),
            kind=ItemKind.FAILURE,
        )
        for document in failed
        if document.failure.retry is Retry.NEVER
    ]


@survives_outages
def sync_discovered(database: Database, run_id: str, batch: Sequence[DiscoveredDocument]) -> None:
    """Queue the discovered documents of which only a person can cure the failure, unless they have a result.

    A container that can be opened now needs nobody. Other documents that can be read are left to store. To repeat it
    changes nothing. The documents have been recorded.
    """
    failed = {d.document_id: FailedDocument(d.document_id, d.failure) for d in batch if d.failure is not None}
    final = [id_ for id_, document in failed.items() if document.failure.retry is Retry.NEVER]
    opened = sorted({d.document_id for d in batch if d.failure is None and not d.is_member})
    if not final and not opened:
        return
    with database.write() as connection:
        waiting = set(connection.execute(_NOBODY_DECIDED, {"ids": final}).scalars())
        needs = needs_of_failures([failed[id_] for id_ in final if id_ in waiting], known_types(connection, final))
        cured = connection.execute(_FAILURE_ITEMS, {"ids": opened}).scalars().all()
        sync_review(database, connection, run_id, needs, cured, now())


def known_types(
    connection: Connection, document_ids: Sequence[str], classified: Mapping[str, bytes] | None = None
) -> dict[str, str]:
    """The types of these documents that are known, by id: those of `classified` (classify's output), else the given."""
    if not document_ids:
        return {}
    types = dict(connection.execute(_GIVEN, {"ids": list(document_ids)}).tuples().all())
    for id_, payload in (classified or {}).items():
        types[id_] = Classification.model_validate_json(payload).document_type
    return types


_GIVEN = select(documents.c.document_id, documents.c.given_type).where(
    in_list(documents.c.document_id, "ids"), documents.c.given_type.is_not(None)
)

_NOBODY_DECIDED = select(documents.c.document_id).where(
    in_list(documents.c.document_id, "ids"),
    documents.c.erased_at.is_(None),
    ~exists().where(results.c.document_id == documents.c.document_id, results.c.is_current),
)

_FAILURE_ITEMS = select(review.c.document_id).where(
    in_list(review.c.document_id, "ids"), review.c.status == ItemStatus.OPEN, review.c.kind == ItemKind.FAILURE
)
