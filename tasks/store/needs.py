"""Which results a person must look at: unsure verdicts, and the random audit."""

import hashlib
from collections.abc import Iterable, Mapping

from blocks.database.results.results import NewResult
from blocks.database.review.items import ReviewNeed
from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import DocumentType
from blocks.records import Status
from blocks.review.records import ItemKind

AUDIT_PRIORITY = 5
_NO_RULES = ReviewRules()


def needs_of_results(
    new: Iterable[NewResult], types: Mapping[str, DocumentType], salt: str
) -> tuple[list[ReviewNeed], list[str]]:
    """The needs of current results, and the ids of the documents that need no person.

    An accepted document is drawn for the audit with the probability that its type sets. The draw is a hash of the
    document, its fingerprint and a `salt`: storing the same result again draws the same.
    """
    needs, settled = [], []
    for result in new:
        validation = result.validation
        type_ = types.get(validation.document_type)
        rules = type_.review if type_ is not None else _NO_RULES
        if result.needs_review:
            needs.append(ReviewNeed(result.document_id, result.fingerprint, validation, rules))
        elif validation.status is Status.ACCEPTED and _chance(salt, result) < rules.audit:
            audited = validation.model_copy(update={"priority": AUDIT_PRIORITY, "due_minutes": None})
            needs.append(
                ReviewNeed(result.document_id, result.fingerprint, audited, rules, ItemKind.AUDIT, rules.audit)
            )
        else:
            settled.append(result.document_id)
    return needs, settled


def _chance(salt: str, result: NewResult) -> float:
    """A number in [0, 1) that looks random from document to document."""
    digest = hashlib.sha256(f"{salt}:{result.document_id}:{result.fingerprint}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
