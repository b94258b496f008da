"""What a promise costs: how many documents to draw and label at each threshold, and how many go to review there."""

from fractions import Fraction

from blocks.database.engine import Database
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentType
from blocks.learning.promise import NeededLabels, evenly_drawn, level, needed_labels
from blocks.learning.promised import WHOLE
from blocks.records import Record
from tasks.promise.asked import AskedPromise
from tasks.promise.prove import FIXED_THRESHOLDS, labels_for_look, other_scores
from tasks.promise.sample import sample_of


class PlannedThreshold(Record):
    """A threshold: the share of documents that go to review, the random labels above it so far, and what is missing.

    `needed.at_this_rate` is None where the rows are wrong too often for the promise, as far as labels show.
    """

    threshold: float
    review: float
    counted: int
    wrong: int
    needed: NeededLabels


class TrustPlan(Record):
    """What the promise of a whole document costs. `documents` are those whose scores are known; `labelled` have random
    labels. The first look is taken at `first_look` of these.
    """

    document_type: str
    rules: AcceptRules
    documents: int
    labelled: int
    first_look: int
    audit: float
    thresholds: tuple[PlannedThreshold, ...]


def plan_of(database: Database, document_type: DocumentType, rules: AcceptRules) -> TrustPlan:
    """What the promise would cost, by what labels and scores say today. A plan decides nothing."""
    rules = rules.model_copy(update={"per": "document"})
    asked = AskedPromise(document_type, rules, "")
    sample = sample_of(database, document_type)
    labels = evenly_drawn(sample.labels[WHOLE])
    scores = [*other_scores(database, asked, sample), *(label.score for label in labels)]
    error, delta = Fraction(rules.error), level(rules.certainty, look=1)
    planned = []
    for threshold in FIXED_THRESHOLDS:
        accepted = sum(score >= threshold for score in scores) / len(scores) if scores else 0.0
        if not accepted:
            continue
        above = [label for label in labels if label.score >= threshold]
        wrong = sum(label.is_wrong for label in above)
        planned.append(
            PlannedThreshold(
                threshold=threshold,
                review=1 - accepted,
                counted=len(above),
                wrong=wrong,
                needed=needed_labels(wrong, len(above), accepted, error, delta),
            )
        )
    return TrustPlan(
        document_type=document_type.name,
        rules=rules,
        documents=len(scores),
        labelled=len(labels),
        first_look=labels_for_look(asked, 1, None),
        audit=document_type.review.audit,
        thresholds=tuple(planned),
    )
