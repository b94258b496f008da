"""What readings are worth, measured on labels: calibration, ranking, the price of a threshold, and whether one beats
another.

Reliability and ranking stand apart, since the one says nothing of the other: confidences that are all equal to the
share of right values are calibrated, and rank nothing.
"""

from collections.abc import Sequence
from itertools import groupby, pairwise
from math import comb

from blocks.records import Record

CONFIDENCE = 0.95
BINS = 10


class CurvePoint(Record):
    """What a threshold costs: the share of rows below it, which people review, and the share of wrong ones among the
    others.
    """

    threshold: float
    review_rate: float
    error: float


class Share(Record):
    """`hits` of `counted`, and the exact interval of the true share, which holds where each of them is drawn for
    itself. `share` is None of nothing.
    """

    hits: int
    counted: int
    share: float | None
    low: float
    high: float


class Bin(Record):
    """Readings whose confidences lie in one tenth of the scale, from `low` to `high`: their mean confidence, and how
    many were right.
    """

    low: float
    high: float
    mean: float
    counted: int
    right: int


class Calibrated(Record):
    """How far confidences are from the share of right values.

    `error`: the expected calibration error, the mean distance over ten bins of equal width, weighted by their sizes
    (Guo et al., "On calibration of modern neural networks", ICML 2017). It is above 0 by chance alone, the more the
    fewer the rows. `debiased`: the root mean square distance over ten bins of equal size, less what chance adds
    (Kumar, Liang and Ma, "Verified uncertainty calibration", NeurIPS 2019); None with fewer than two rows per bin.
    `bins` are those of equal width that have a row, from low to high: a reliability diagram shows them.
    """

    error: float
    debiased: float | None
    bins: tuple[Bin, ...]


def calibration_of(confidences: Sequence[float], are_right: Sequence[bool]) -> Calibrated | None:
    """How far the confidences are from fact; None of nothing."""
    rows = sorted(zip(confidences, are_right, strict=True))
    if not rows:
        return None
    by_width = {number: list(part) for number, part in groupby(rows, lambda row: min(int(row[0] * BINS), BINS - 1))}
    error = sum(abs(_gap(part)) * len(part) for part in by_width.values()) / len(rows)
    bins = tuple(_bin(number, part) for number, part in by_width.items())
    if len(rows) < 2 * BINS:
        return Calibrated(error=error, debiased=None, bins=bins)
    edges = [len(rows) * number // BINS for number in range(BINS + 1)]
    by_size = [rows[low:high] for low, high in pairwise(edges)]
    squares = sum((_gap(part) ** 2 - _variance_of_mean(part)) * len(part) for part in by_size) / len(rows)
    return Calibrated(error=error, debiased=max(squares, 0.0) ** 0.5, bins=bins)


def auroc(confidences: Sequence[float], are_right: Sequence[bool]) -> float | None:
    """The probability that a right value has more confidence than a wrong one, ties counting half.

    None where all are right, or all wrong. By ranks: Mann and Whitney (Annals of Mathematical Statistics 18, 1947).
    """
    right = sum(are_right)
    if right in {0, len(are_right)}:
        return None
    from scipy.stats import rankdata  # type: ignore[import-untyped] # scipy ships no types

    ranks = rankdata(confidences)
    of_right = sum(float(rank) for rank, is_right in zip(ranks, are_right, strict=True) if is_right)
    return (of_right - right * (right + 1) / 2) / (right * (len(are_right) - right))


def curve(scores: Sequence[float], are_right: Sequence[bool]) -> tuple[CurvePoint, ...]:
    """The review rate against the error, a point for each score that occurs as a threshold, from strict to loose."""
    points = []
    accepted = wrong = 0
    rows = sorted(zip(scores, are_right, strict=True), reverse=True)
    for score, group in groupby(rows, lambda row: row[0]):
        for _, is_right in group:
            accepted += 1
            wrong += not is_right
        points.append(CurvePoint(threshold=score, review_rate=1 - accepted / len(rows), error=wrong / accepted))
    return tuple(points)


def sign_test(better: int, worse: int) -> float:
    """The probability of so many pairs that got worse, or more, if either way were equally likely; 1 without any
    pair.

    `better` and `worse` count the documents that only one of two readings got right; those on which both agree say
    nothing. One-sided and exact: McNemar's test (Psychometrika 12, 1947) by the binomial distribution.
    """
    pairs = better + worse
    return sum(comb(pairs, count) for count in range(worse, pairs + 1)) / (1 << pairs)


def share_of(hits: int, counted: int) -> Share:
    """The share of hits among `counted`, with its 95 % interval."""
    low, high = clopper_pearson(hits, counted)
    return Share(hits=hits, counted=counted, share=hits / counted if counted else None, low=low, high=high)


def clopper_pearson(hits: float, counted: float, *, certainty: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of the share of hits among `counted`, neither of which must be whole; (0, 1) of nothing.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial"
    (Biometrika 26, 1934): it covers the true share in at least 95 of 100 samples (`certainty`), whatever the share is.
    """
    from scipy.special import betaincinv  # type: ignore[import-untyped] # scipy ships no types

    tail = (1 - certainty) / 2
    low = 0.0 if hits <= 0 else float(betaincinv(hits, counted - hits + 1, tail))
    high = 1.0 if hits >= counted else float(betaincinv(hits + 1, counted - hits, 1 - tail))
    return low, high


def _bin(number: int, rows: Sequence[tuple[float, bool]]) -> Bin:
    return Bin(
        low=number / BINS,
        high=(number + 1) / BINS,
        mean=sum(confidence for confidence, _ in rows) / len(rows),
        counted=len(rows),
        right=sum(is_right for _, is_right in rows),
    )


def _gap(rows: Sequence[tuple[float, bool]]) -> float:
    return sum(is_right - confidence for confidence, is_right in rows) / len(rows)


def _variance_of_mean(rows: Sequence[tuple[float, bool]]) -> float:
    right = sum(is_right for _, is_right in rows) / len(rows)
    return right * (1 - right) / (len(rows) - 1)
