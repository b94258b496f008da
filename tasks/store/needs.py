"""Which results a person must look at: unsure verdicts, and the random audit; and which of them chance has drawn."""

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

    Documents are drawn with the probability that their type sets as `audit`: an accepted one becomes an audit, and an
    unsure one keeps its kind and says with which probability it was drawn. So the drawn ones are a random sample of all
    documents of the type, whatever the threshold. The draw is a hash of the document and a `salt`: however often a
    document is read, it is drawn with this probability.
    """
    needs, settled = [], []
    for result in new:
        validation = result.validation
        type_ = types.get(validation.document_type)
        rules = type_.review if type_ is not None else _NO_RULES
        drawn_with = rules.audit if _chance(salt, result) < rules.audit else None
        if result.needs_review:
            needs.append(
                ReviewNeed(result.document_id, result.fingerprint, validation, rules, ItemKind.VERDICT, drawn_with)
            )
        elif validation.status is Status.ACCEPTED and drawn_with is not None:
            audited = validation.model_copy(update={"priority": AUDIT_PRIORITY, "due_minutes": None})
            needs.append(ReviewNeed(result.document_id, result.fingerprint, audited, rules, ItemKind.AUDIT, drawn_with))
        else:
            settled.append(result.document_id)
    return needs, settled


def _chance(salt: str, result: NewResult) -> float:
    """A number in [0, 1) that looks random from document to document."""
    digest = hashlib.sha256(f"{salt}:{result.document_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
