"""The promise: above which score documents are accepted, so that few enough of the accepted ones are wrong.

A type promises an error (at most 1 % of its accepted documents are wrong) with a certainty (95 %). The proof comes
from labels of randomly drawn documents; the document is the unit. Only integers and fractions decide: no rounding
makes a promise.

Method. Candidate thresholds are fixed before an error is seen, and tested from the strictest on; the first that fails
ends the tests, and the last that passed is the threshold. A threshold passes if a share of wrong documents above the
promised error would have shown so few errors with a probability of at most `delta`, which is 1 - certainty. So the
probability that any threshold passes wrongly is at most `delta`, whatever the scores are worth.

Sources. Thresholds as tests of hypotheses, with exact binomial p-values for losses of 0 or 1: Angelopoulos, Bates,
Candès, Jordan and Lei, "Learn then Test: calibrating predictive algorithms to achieve risk control" (2021, arXiv
2110.01052), and Bates, Angelopoulos, Lei, Malik and Jordan, "Distribution-free, risk-controlling prediction sets"
(Journal of the ACM 68, 2021). The fixed sequence of tests, each at the full level: Bauer, "Multiple testing in
clinical trials" (Statistics in Medicine 10, 1991). The exact test and its inversion: Clopper and Pearson (Biometrika
26, 1934).
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, islice
from math import ceil, comb

from blocks.records import Record

MOST_THRESHOLDS = 20
MARGIN = Fraction(6, 5)
"""The strictest threshold expects so many times the labels that it needs: their number above it is chance, and a
first test that fails for want of labels ends all. benchmarks/promise.py measured the figure."""
SHARES = 10_000
"""Shares of wrong documents are searched in steps of 0.01 %."""
MOST_LABELS = 1_000_000
"""A plan that needs more labels than this is no plan."""


@dataclass(frozen=True, slots=True)
class DrawnLabel:
    """A labelled document: its score, whether the row was wrong, and the probability with which it was drawn.

    `drawn_with` is None where somebody chose the document; it then proves nothing.
    """

    document_id: str
    score: float
    is_wrong: bool
    drawn_with: float | None


class Tested(Record):
    """A threshold that was tested: the labels at or above it, how many of them were wrong, and whether it passed."""

    threshold: float
    counted: int
    wrong: int
    has_passed: bool


class Proof(Record):
    """The tests from strict to loose, up to the first that failed."""

    tests: tuple[Tested, ...]

    @property
    def threshold(self) -> float | None:
        """Documents with this score or a higher one may be accepted; None: nothing is proven."""
        return next((test.threshold for test in reversed(self.tests) if test.has_passed), None)


class Offer(Record):
    """What could be promised at a threshold: the share of documents accepted, and the lowest error that is proven.

    Each offer holds for itself. Whoever takes the best of several promises more than was proven.
    """

    threshold: float
    accepted: float
    error: Fraction


class NeededLabels(Record):
    """How many more documents must be drawn and labelled, accepted ones and others, until a threshold passes.

    `at_this_rate` goes on with the rate of errors seen so far; None: at that rate it would never pass, or not with a
    million labels.
    """

    without_errors: int
    at_this_rate: int | None


def level(certainty: Decimal | Fraction, promises: int = 1, look: int | None = None) -> Fraction:
    """The `delta` of one test: the whole of 1 - certainty, or a part of it.

    Several promises that are made together share it (Bonferroni). Repeated looks at growing labels spend it: look j,
    from 1 on, gets 1 / (j (j + 1)) of it, which adds up to 1 over all looks, however many there will be. Spending
    over looks: Lan and DeMets, "Discrete sequential boundaries for clinical trials" (Biometrika 70, 1983); here the
    looks are added up by Boole's inequality, as their number and times are not known beforehand. Looks are dear:
    whoever takes one where even labels without an error would not pass spends half of delta on nothing.
    """
    delta = (1 - Fraction(certainty)) / promises
    return delta if look is None else delta / (look * (look + 1))


def evenly_drawn(labels: Sequence[DrawnLabel]) -> tuple[DrawnLabel, ...]:
    """The labels that prove something, thinned to equal probabilities of having been drawn.

    A document drawn with p stays with probability least / p, by a hash of its id that has nothing to do with the
    draw. What stays is a simple random sample, for which the exact test holds; weights would leave only
    approximations.
    """
    drawn = [(label, label.drawn_with) for label in labels if label.drawn_with is not None]
    least = min((probability for _, probability in drawn), default=1.0)
    return tuple(label for label, probability in drawn if _number(label.document_id) < least / probability * 2**64)


def candidate_thresholds(scores: Sequence[float], labels: int, error: Fraction, delta: Fraction) -> tuple[float, ...]:
    """At most 20 thresholds from strict to loose: quantiles of the scores of documents that serve no proof.

    `labels` is the number of random labels. No error is seen here, and no score of a labelled document: a threshold
    that depended on them would void the test. The loosest accepts all documents.
    """
    if not scores or not labels:
        return ()
    ranked = sorted(scores, reverse=True)
    first = _first_share(labels, error, delta)
    steps = MOST_THRESHOLDS - 1
    shares = [first + (1 - first) * step / steps for step in range(MOST_THRESHOLDS)]
    return tuple(dict.fromkeys(ranked[ceil(share * len(ranked)) - 1] for share in shares))


def _first_share(labels: int, error: Fraction, delta: Fraction) -> Fraction:
    """The share of documents above the strictest threshold: room for one error if a quarter of the labels gives it."""
    room_for = [MARGIN * fewest_labels(errors, error, delta) / labels for errors in (1, 0)]
    return next((share for share in room_for if share <= Fraction(1, 4)), min(room_for[-1], Fraction(1)))


def prove(
    labels: Sequence[DrawnLabel],
    thresholds: Sequence[float],
    error: Fraction,
    delta: Fraction,
    lot: Sequence[float] | None = None,
) -> Proof:
    """Tests the thresholds in their order, from strict to loose, and stops at the first that fails.

    `labels` are drawn with equal probabilities (`evenly_drawn`). `lot` has the scores of all documents that the
    promise is about, where it is about no others: labelled documents are then drawn without replacement, and fewer
    are needed.
    """
    in_lot = sorted(lot) if lot is not None else None
    tests: list[Tested] = []
    for threshold, counted, wrong in _counts(labels, thresholds):
        size = None if in_lot is None else _number_above(in_lot, threshold)
        has_passed = passes(wrong, counted, error, delta, size)
        tests.append(Tested(threshold=threshold, counted=counted, wrong=wrong, has_passed=has_passed))
        if not has_passed:
            break
    return Proof(tests=tuple(tests))


def passes(wrong: int, counted: int, error: Fraction, delta: Fraction, lot: int | None = None) -> bool:
    """Whether P[X <= wrong] <= delta, for X errors among `counted` random documents if more than `error` were wrong.

    X is binomial with the share `error`, or, in a lot of so many documents, hypergeometric with the least number of
    wrong documents that breaks the promise. Both tails fall as the share grows, so this worst case covers all others.
    """
    if not counted:
        return False
    if lot is None:
        terms, whole = _binomial(counted, error), error.denominator**counted
    else:
        terms, whole = _hypergeometric(counted, int(error * lot) + 1, lot), comb(lot, counted)
    most = whole * delta.numerator // delta.denominator
    return all(total <= most for total in accumulate(islice(terms, wrong + 1)))


def lowest_error(wrong: int, counted: int, delta: Fraction, lot: int | None = None) -> Fraction:
    """The lowest error, in steps of 0.01 %, that passes: the upper Clopper-Pearson bound at 1 - delta, rounded up."""
    return Fraction(
        _least(1, SHARES, lambda share: passes(wrong, counted, Fraction(share, SHARES), delta, lot)), SHARES
    )


def with_missed_errors(error: Fraction, delta: Fraction, missed: int, seeded: int) -> tuple[Fraction, Fraction]:
    """The error and delta to test with, where reviewers miss errors: they missed `missed` of the `seeded` known ones.

    Half of delta bounds their miss rate from above. If more than `error` of the documents are wrong, people find more
    than error * (1 - miss rate) wrong, so that is tested, at the other half (Boole's inequality). No finite lot may
    be named then: which of its errors are missed is chance. Right values that reviewers take for wrong ones only make
    the test stricter.
    """
    miss_rate = lowest_error(missed, seeded, delta / 2)
    return error * (1 - miss_rate), delta / 2


def fewest_labels(wrong: int, error: Fraction, delta: Fraction) -> int:
    """The least number of random labels that passes with so many wrong ones among them, a million at most.

    A plan, which decides nothing: it is reckoned in floats.
    """
    from scipy.special import bdtr  # type: ignore[import-untyped] # scipy ships no types

    alpha, level_of_test = float(error), float(delta)
    return _least(wrong + 1, MOST_LABELS, lambda counted: bool(bdtr(wrong, counted, alpha) <= level_of_test))


def needed_labels(wrong: int, counted: int, accepted: float, error: Fraction, delta: Fraction) -> NeededLabels:
    """How many more labels a threshold needs, above which `wrong` of `counted` were wrong, and a share `accepted`
    lies.

    A plan, which decides nothing: the figures at the observed rate come from floats, and chance may want more.
    """
    from scipy.special import bdtr

    def labels_to_draw(accepted_labels: int) -> int:
        return ceil(max(accepted_labels - counted, 0) / accepted)

    without = labels_to_draw(fewest_labels(wrong, error, delta))
    if not wrong:
        return NeededLabels(without_errors=without, at_this_rate=without)
    if Fraction(wrong, counted) >= error:
        return NeededLabels(without_errors=without, at_this_rate=None)

    def would_pass(errors: int) -> bool:
        return bool(bdtr(errors, ceil(errors * counted / wrong), float(error)) <= float(delta))

    most = MOST_LABELS * wrong // counted
    if most < wrong or not would_pass(most):
        return NeededLabels(without_errors=without, at_this_rate=None)
    errors = _least(wrong, most, would_pass)
    return NeededLabels(without_errors=without, at_this_rate=labels_to_draw(ceil(errors * counted / wrong)))


def offers(
    labels: Sequence[DrawnLabel], thresholds: Sequence[float], scores: Sequence[float], delta: Fraction
) -> tuple[Offer, ...]:
    """What could be promised today at each threshold; `scores` are those of all documents of the type."""
    ranked = sorted(scores)
    return tuple(
        Offer(
            threshold=threshold,
            accepted=_number_above(ranked, threshold) / len(ranked),
            error=lowest_error(wrong, counted, delta),
        )
        for threshold, counted, wrong in _counts(labels, thresholds)
    )


def _counts(labels: Sequence[DrawnLabel], thresholds: Sequence[float]) -> Iterator[tuple[float, int, int]]:
    """Each threshold with the number of labels at or above it, and of wrong ones among them."""
    ranked = sorted(labels, key=lambda label: label.score)
    scores = [label.score for label in ranked]
    wrong_below = [0, *accumulate(label.is_wrong for label in ranked)]
    for threshold in thresholds:
        above = _number_above(scores, threshold)
        yield threshold, above, wrong_below[-1] - wrong_below[len(scores) - above]


def _number_above(ranked: Sequence[float], threshold: float) -> int:
    """How many of the scores, in ascending order, reach the threshold."""
    return len(ranked) - bisect_left(ranked, threshold)


def _binomial(counted: int, share: Fraction) -> Iterator[int]:
    """The probabilities of 0, 1, 2, … hits, as integers over denominator ** counted."""
    hit, other = share.numerator, share.denominator - share.numerator
    term = other**counted
    for hits in range(counted + 1):
        yield term
        term = term * (counted - hits) * hit // ((hits + 1) * other)


def _hypergeometric(counted: int, hits_in_lot: int, lot: int) -> Iterator[int]:
    """The probabilities of 0, 1, 2, … hits among `counted` of the lot, as integers over comb(lot, counted)."""
    others = lot - hits_in_lot
    first = max(0, counted - others)
    yield from [0] * first
    term = comb(hits_in_lot, first) * comb(others, counted - first)
    for hits in range(first, min(counted, hits_in_lot) + 1):
        yield term
        term = term * (hits_in_lot - hits) * (counted - hits) // ((hits + 1) * (others - counted + hits + 1))


def _least(low: int, high: int, is_enough: Callable[[int], bool]) -> int:
    """The least number from `low` on that is enough, where `high` is, and every number above an enough one is too."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low


def _number(document_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"proof:{document_id}".encode()).digest()[:8])
