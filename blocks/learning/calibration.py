"""Calibration: from the confidence that a reading came with to the probability that its value is right, per type and
field.

Logistic (Platt, "Probabilistic outputs for support vector machines", 1999; here on the log odds of the confidence) or
isotonic (Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD
2002), or the confidence as it came: whichever has the least log loss on labels that the fit did not see.

A fit from n labels counts n / (n + 20), and the confidence as it came counts the rest: few labels change little, and
no two different confidences become equal, so the order of documents stays. Outside of the confidences that had labels,
straight lines lead to 0 and to 1. Applying it needs no scikit-learn.

No label proves what was learnt from it: a type has a calibration per fold of documents, fitted on the labels of the
other folds. Every document, with a label or without one, is calibrated by that of its own fold. So what is measured on
labelled documents holds for new ones.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import exp, log
from typing import Literal

from pydantic import Field

from blocks.learning.labels import FOLDS
from blocks.records import Record

LABELS_OF_PRIOR = 20
"""The confidence as it came is worth so many labels."""
FEWEST_LABELS = 20
"""With fewer labels, or without both a right and a wrong value, the confidence stays as it came."""
EDGE = 1e-3
"""Log odds and log loss are those of a confidence at least this far from 0 and from 1."""
Method = Literal["identity", "logistic", "isotonic"]


class Calibration(Record):
    """A fitted calibration, as plain parameters.

    `points` of the isotonic one are (confidence, probability), straight lines between them; of the logistic one the
    slope and the intercept stand. `lowest` and `highest` are the confidences between which there were labels.
    """

    method: Method = "identity"
    labels: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    points: tuple[tuple[float, float], ...] = ()
    lowest: float = 0.0
    highest: float = 1.0

    def probability(self, confidence: float) -> float:
        """The probability that a value is right which came with this confidence; monotone, in [0, 1]."""
        if self.method == "identity":
            return confidence
        if confidence < self.lowest:
            return self._mixed(self.lowest) * confidence / self.lowest
        if confidence > self.highest:
            return 1 - (1 - self._mixed(self.highest)) * (1 - confidence) / (1 - self.highest)
        return self._mixed(confidence)

    def _mixed(self, confidence: float) -> float:
        fitted = self._line(confidence) if self.method == "isotonic" else self._sigmoid(confidence)
        weight = self.labels / (self.labels + LABELS_OF_PRIOR)
        return weight * fitted + (1 - weight) * confidence

    def _sigmoid(self, confidence: float) -> float:
        return 1 / (1 + exp(-(self.slope * log_odds(confidence) + self.intercept)))

    def _line(self, confidence: float) -> float:
        after = bisect_right(self.points, confidence, key=lambda point: point[0])
        if after in {0, len(self.points)}:
            return self.points[min(after, len(self.points) - 1)][1]
        (x0, y0), (x1, y1) = self.points[after - 1 : after + 1]
        return y0 + (y1 - y0) * (confidence - x0) / (x1 - x0)


class TypeCalibration(Record):
    """The calibrations of a type's fields, each with one per fold, from fold 0."""

    fields: dict[str, tuple[Calibration, ...]] = Field(default={})

    def probability(self, field: str, confidence: float, fold: int) -> float:
        """The probability that a value of a document of this fold is right; the confidence as it came of other
        fields."""
        return self.fields[field][fold].probability(confidence) if field in self.fields else confidence


def log_odds(confidence: float) -> float:
    """The log odds of a confidence, kept off 0 and 1."""
    kept = min(max(confidence, EDGE), 1 - EDGE)
    return log(kept / (1 - kept))


def calibrate(confidences: Sequence[float], are_right: Sequence[bool], folds: Sequence[int]) -> Calibration:
    """The calibration with the least log loss over the folds, each judged by what was fitted on the others.

    `folds` numbers the fold of each label: documents that resemble each other must stand in the same one.
    """
    return _calibrate(list(zip(confidences, are_right, folds, strict=True)))


def _calibrate(rows: Sequence[tuple[float, bool, int]]) -> Calibration:
    methods: tuple[Method, ...] = ("identity", "logistic", "isotonic")
    losses = {method: _cross_validated_loss(method, rows) for method in methods}
    best = min(methods, key=lambda method: losses[method])
    return _fit(best, [(confidence, is_right) for confidence, is_right, _ in rows])


def calibrate_by_fold(
    confidences: Sequence[float], are_right: Sequence[bool], folds: Sequence[int]
) -> tuple[Calibration, ...]:
    """A calibration per fold, from fold 0: all of it, its method too, comes from the labels of the other folds."""
    rows = list(zip(confidences, are_right, folds, strict=True))
    return tuple(_calibrate([row for row in rows if row[2] != own]) for own in range(FOLDS))


def log_loss(calibration: Calibration, rows: Sequence[tuple[float, bool]]) -> float:
    """The mean of -log of the probability that was given to what turned out."""
    return sum(loss_of(calibration.probability(confidence), is_right) for confidence, is_right in rows) / len(rows)


def loss_of(probability: float, is_right: bool) -> float:
    """-log of the probability that was given to what turned out."""
    kept = min(max(probability, EDGE), 1 - EDGE)
    return -log(kept if is_right else 1 - kept)


def _cross_validated_loss(method: Method, rows: Sequence[tuple[float, bool, int]]) -> float:
    total = 0.0
    for number in {fold for *_, fold in rows}:
        seen = [(confidence, is_right) for confidence, is_right, fold in rows if fold != number]
        held_out = [(confidence, is_right) for confidence, is_right, fold in rows if fold == number]
        total += log_loss(_fit(method, seen), held_out) * len(held_out)
    return total


def _fit(method: Method, rows: Sequence[tuple[float, bool]]) -> Calibration:
    right = [is_right for _, is_right in rows]
    if method == "identity" or len(rows) < FEWEST_LABELS or len(set(right)) < 2:
        return Calibration(labels=len(rows))
    known = [confidence for confidence, _ in rows]
    lowest, highest = min(known), max(known)
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        steps = IsotonicRegression(y_min=0, y_max=1).fit(known, right)
        points = zip(map(float, steps.X_thresholds_), map(float, steps.y_thresholds_), strict=True)
        return Calibration(method=method, labels=len(rows), points=tuple(points), lowest=lowest, highest=highest)
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[log_odds(confidence)] for confidence in known], right)
    slope, intercept = float(model.coef_[0][0]), float(model.intercept_[0])
    if slope <= 0:  # the confidence says nothing, or the opposite: no monotone fit is better than a constant
        return Calibration(labels=len(rows))
    return Calibration(
        method=method, labels=len(rows), slope=slope, intercept=intercept, lowest=lowest, highest=highest
    )
