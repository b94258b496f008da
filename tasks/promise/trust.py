"""What random labels prove of the rows that would be accepted, what is in use, and what a promise would cost."""

from fractions import Fraction

from blocks.database.engine import Database
from blocks.database.learning.learned import Learned, LearnedState, looks
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentType
from blocks.learning.monitor import Drift
from blocks.learning.promise import (
    NeededLabels,
    Offer,
    Proof,
    level,
    needed_labels,
    offers,
    prove,
)
from blocks.learning.promised import Promise, units_of
from blocks.records import Record
from tasks.promise.asked import AskedPromise
from tasks.promise.prove import labels_for_look, other_scores, tested_on
from tasks.promise.sample import sample_of
from tasks.promise.watch import Watched, drift_since, watch


class InUse(Record):
    """The newest look of runs at a type's promise, of `looks` so far. `is_kept`: it proves the promise for documents as
    they are read today. `watched` and `drift`: what audits and scores say since, of a proof.

    `next_look` is the number of labels at which runs look again; None while a promise is in use.
    """

    learned: Learned
    promise: Promise
    looks: int
    is_kept: bool
    watched: Watched | None
    drift: Drift | None
    next_look: int | None


class UnitTrust(Record):
    """What labels say of the whole document (`name` is empty) or of one field.

    `accepted` is the share of documents at the proven threshold, as the used ones show it: of all others, those that
    were hard are decided more often.
    """

    name: str
    proof: Proof
    accepted: float | None
    needed: NeededLabels | None
    offers: tuple[Offer, ...]


class Trust(Record):
    """What labels say of a type's accepted rows under the rules.

    `is_asked`: whether the type's own type.yaml promises this. `drawn` counts the documents that chance drew and that
    are decided or past due, and whose readings count; `used` those that prove: all are thinned to the same probability,
    and some may choose the thresholds. `waiting`, `unjudged`, `other_basis` and `mended` are as in `Sample`.
    """

    document_type: str
    rules: AcceptRules
    is_asked: bool
    drawn: int
    used: int
    waiting: int
    unjudged: int
    other_basis: int
    mended: int
    units: tuple[UnitTrust, ...]
    in_use: InUse | None


def trust_of(database: Database, document_type: DocumentType, rules: AcceptRules, basis: str | None = None) -> Trust:
    """Test which threshold the random labels prove: above it at most the promised share of the rows is wrong.

    It looks once, with the whole certainty, and changes nothing. Labels count whose documents were last read under the
    `basis`; without one, all.
    """
    asked = AskedPromise(document_type, rules, basis or "")
    units = units_of(document_type, rules)
    sample = sample_of(database, document_type, units, basis)
    scores = other_scores(database, asked, sample)
    error, delta = Fraction(rules.error), level(rules.certainty, len(units))
    found, used = [], 0
    for unit, labels in sample.labels.items():
        own, thresholds = tested_on(labels, scores, error, delta)
        used = len(own)
        proof = prove(own, thresholds, error, delta)
        of_own = [label.score for label in own]
        found.append(
            UnitTrust(
                name=unit,
                proof=proof,
                accepted=None if proof.threshold is None else _share_from(of_own, proof.threshold),
                needed=_needed(proof, of_own, error, delta),
                offers=offers(own, thresholds, of_own, delta) if own else (),
            )
        )
    return Trust(
        document_type=document_type.name,
        rules=rules,
        is_asked=rules == document_type.review.accept,
        drawn=len(next(iter(sample.labels.values()))),
        used=used,
        waiting=sample.waiting,
        unjudged=sample.unjudged,
        other_basis=sample.other_basis,
        mended=sample.mended,
        units=tuple(found),
        in_use=None if basis is None else _in_use(database, asked),
    )


def share_accepted(found: Trust) -> float | None:
    """The share of documents that would be accepted: from the strictest of the proven thresholds on."""
    shares = [unit.accepted for unit in found.units]
    return None if None in shares else min(share for share in shares if share is not None)


def _in_use(database: Database, asked: AskedPromise) -> InUse | None:
    before = looks(database, asked.document_type.name, asked.key)
    if not before:
        return None
    last = before[0]
    is_kept = asked.is_kept_by(last)
    is_proof = last.state in {LearnedState.USED, LearnedState.CLOSED}
    return InUse(
        learned=last,
        promise=Promise.model_validate_json(last.content),
        looks=len(before),
        is_kept=is_kept,
        watched=watch(database, asked.document_type, last) if is_proof else None,
        drift=drift_since(database, asked.document_type, last) if is_proof else None,
        next_look=None if is_kept else labels_for_look(asked, len(before) + 1, last),
    )


def _share_from(scores: list[float], threshold: float) -> float:
    return sum(score >= threshold for score in scores) / len(scores)


def _needed(proof: Proof, scores: list[float], error: Fraction, delta: Fraction) -> NeededLabels | None:
    """How many more labels the first failed test needs; None where all passed, or nothing reaches its threshold."""
    failed = next((test for test in proof.tests if not test.has_passed), None)
    if failed is None:
        return None
    accepted = _share_from(scores, failed.threshold) if scores else 0.0
    return needed_labels(failed.wrong, failed.counted, accepted, error, delta) if accepted else None
