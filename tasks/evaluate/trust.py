"""What random labels prove of the rows that would be accepted, and what a promise would cost."""

from collections.abc import Collection, Iterator
from datetime import datetime
from fractions import Fraction
from itertools import islice

from blocks.database.engine import Database, now
from blocks.database.learning.drawn import DrawnDocument, DrawnOutcome, read_drawn
from blocks.database.learning.labels import labels_of
from blocks.database.learning.readings import readings_of
from blocks.database.learning.scores import read_scores
from blocks.document_types.schema import DocumentType
from blocks.learning.evaluation import is_right
from blocks.learning.labels import that_count
from blocks.learning.promise import (
    DrawnLabel,
    NeededLabels,
    Offer,
    Proof,
    candidate_thresholds,
    evenly_drawn,
    needed_labels,
    offers,
    prove,
)
from blocks.records import Record
from tasks.evaluate.evaluate import read_document
from tasks.learn.split import proving

FIXED_THRESHOLDS = (0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""Tested where too few documents without a random label are there to choose thresholds from."""
MIN_SCORES = 20
NEVER = 0.0
"""The score of a document that no threshold accepts: something else sends it to review."""
_AT_ONCE = 500


class Trust(Record):
    """What labels say of a type's accepted rows.

    `drawn` counts the documents that chance drew and that are decided or past due; `used` what is left of them when
    all are thinned to the same probability, `waiting` those that are not due yet. `unjudged` are decided ones of which
    a deciding field has no label; they count as wrong. `accepted` is the share of documents at the proven threshold, as
    the used ones show it: of all others, those that were hard are decided more often.
    """

    document_type: str
    error: Fraction
    certainty: Fraction
    drawn: int
    used: int
    waiting: int
    unjudged: int
    proof: Proof
    accepted: float | None
    needed: NeededLabels | None
    offers: tuple[Offer, ...]


def trust_of(database: Database, document_type: DocumentType, error: Fraction, certainty: Fraction) -> Trust:
    """Test which threshold the random labels prove: above it at most `error` of the rows is wrong, with `certainty`.

    The scores that choose the thresholds are those of documents without a random label. A drawn document that was
    refused, or that nobody decided in time, counts as wrong: nobody can leave out the hard ones.
    """
    drawn = _latest(read_drawn(database, document_type.name))
    proves = proving(database, document_type, [each.document_id for each in drawn])
    drawn = [each for each in drawn if each.document_id in proves]
    at = now()
    counted = [each for each in drawn if each.outcome is not DrawnOutcome.OPEN or _is_late(each, at)]
    labels, unjudged = _labels(database, document_type, counted)
    used = evenly_drawn(labels)
    scores = _scores(database, document_type, {each.document_id for each in drawn})
    delta = 1 - certainty
    if len(scores) >= MIN_SCORES:
        thresholds = tuple(t for t in candidate_thresholds(scores, len(used), error, delta) if t > NEVER)
    else:
        thresholds = FIXED_THRESHOLDS
    of_used = [label.score for label in used]
    proof = prove(used, thresholds, error, delta)
    return Trust(
        document_type=document_type.name,
        error=error,
        certainty=certainty,
        drawn=len(labels),
        used=len(used),
        waiting=len(drawn) - len(counted),
        unjudged=unjudged,
        proof=proof,
        accepted=None if proof.threshold is None else _share_from(of_used, proof.threshold),
        needed=_needed(proof, of_used, error, delta),
        offers=offers(used, thresholds, of_used, delta) if used else (),
    )


def score_of(document_type: DocumentType, confidence: float, reasons: Collection[str]) -> float:
    """The score by which a document is ranked: its confidence, unless something beside confidence speaks against it."""
    required = {name for name, field in document_type.fields.items() if field.required}
    for reason in reasons:
        code, _, detail = reason.partition(":")
        if code != "low_type_confidence" and not (code == "low_confidence" and (detail in required or not required)):
            return NEVER
    return confidence


def _latest(drawn: Iterator[DrawnDocument]) -> list[DrawnDocument]:
    """The last draw of each document."""
    by_document: dict[str, DrawnDocument] = {}
    for each in drawn:
        before = by_document.get(each.document_id)
        if before is None or before.drawn_at <= each.drawn_at:
            by_document[each.document_id] = each
    return list(by_document.values())


def _is_late(drawn: DrawnDocument, at: datetime) -> bool:
    return drawn.due_at is not None and drawn.due_at < at


def _labels(
    database: Database, document_type: DocumentType, drawn: list[DrawnDocument]
) -> tuple[list[DrawnLabel], int]:
    """The drawn documents with their scores, and how many of them cannot be judged. Unread ones are left out."""
    found: list[DrawnLabel] = []
    unjudged = 0
    remaining = iter(drawn)
    while batch := list(islice(remaining, _AT_ONCE)):
        ids = [each.document_id for each in batch]
        with database.read() as connection:
            readings = readings_of(connection, ids)
            by_field = labels_of(connection, ids)
        for each in batch:
            if each.document_id not in readings:
                continue
            own = [label for (id_, _), labels in by_field.items() if id_ == each.document_id for label in labels]
            read = read_document(document_type, each.document_id, that_count(own), readings[each.document_id])
            right = is_right(document_type, read) if each.outcome is DrawnOutcome.LABELLED else False
            unjudged += right is None
            score = NEVER if read.status == "failed" else score_of(document_type, read.confidence, read.reasons)
            found.append(DrawnLabel(each.document_id, score, not right, each.drawn_with))
    return found, unjudged


def _scores(database: Database, document_type: DocumentType, drawn: Collection[str]) -> list[float]:
    return [
        score_of(document_type, each.confidence, each.reasons)
        for each in read_scores(database, document_type.name)
        if each.document_id not in drawn
    ]


def _share_from(scores: list[float], threshold: float) -> float:
    return sum(score >= threshold for score in scores) / len(scores)


def _needed(proof: Proof, scores: list[float], error: Fraction, delta: Fraction) -> NeededLabels | None:
    """How many more labels the first failed test needs; None where all passed, or nothing reaches its threshold."""
    failed = next((test for test in proof.tests if not test.has_passed), None)
    if failed is None:
        return None
    accepted = _share_from(scores, failed.threshold) if scores else 0.0
    return needed_labels(failed.wrong, failed.counted, accepted, error, delta) if accepted else None
