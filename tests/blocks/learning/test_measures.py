"""Measures against scikit-learn, scipy, published figures, and what they promise."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped] # scipy ships no types
from sklearn.metrics import roc_auc_score

from blocks.learning.measures import auroc, calibration_of, clopper_pearson, curve, sign_test

ROWS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 0.99, 1.0]), st.booleans()), max_size=40)


@pytest.mark.parametrize(
    ("hits", "counted", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),  # 1 - 0.025 ** (1 / 10)
        (10, 10, 0.6915, 1.0),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (0, 300, 0.0, 0.0122),
        (81, 263, 0.2527, 0.3676),  # Agresti and Coull's example of the proportion 0.308
    ],
)
def test_the_exact_interval_is_that_of_the_tables(hits: int, counted: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, counted) == pytest.approx((low, high), abs=6e-5)


def test_the_exact_interval_covers_the_true_share() -> None:
    chance = random.Random(34)
    for true_share, drawn in ((0.02, 100), (0.1, 50), (0.5, 30)):
        covered = 0
        for _ in range(600):
            low, high = clopper_pearson(sum(chance.random() < true_share for _ in range(drawn)), drawn)
            covered += low <= true_share <= high
        assert covered / 600 >= 0.93, "at least 95 %, within the noise of 600 samples"


@given(ROWS)
def test_the_ranking_is_that_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    confidences, are_right = [row[0] for row in rows], [row[1] for row in rows]
    if len(set(are_right)) < 2:
        assert auroc(confidences, are_right) is None
    else:
        assert auroc(confidences, are_right) == pytest.approx(roc_auc_score(are_right, confidences))


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_that_of_scipy(better: int, worse: int) -> None:
    expected = binomtest(worse, better + worse, alternative="greater").pvalue if better + worse else 1.0
    assert sign_test(better, worse) == pytest.approx(expected)


def test_calibration_is_the_distance_per_bin() -> None:
    """9 of 10 right at 0.9, and 5 of 10 right at 0.75: the bins miss by 0 and by 0.25."""
    confidences = [0.9] * 10 + [0.75] * 10
    are_right = [True] * 9 + [False] + [True] * 5 + [False] * 5
    found = calibration_of(confidences, are_right)
    assert found is not None
    assert found.error == pytest.approx(0.125)
    bins = [(each.low, each.high, each.counted, each.right) for each in found.bins]
    assert bins == [(0.7, 0.8, 10, 5), (0.9, 1.0, 10, 9)]
    assert [each.mean for each in found.bins] == pytest.approx([0.75, 0.9])
    assert calibration_of([], []) is None
    few = calibration_of([0.9], [True])
    assert few is not None
    assert few.debiased is None


def test_the_debiased_error_is_free_of_chance() -> None:
    """Of 300 calibrated confidences the plain error is some 4 % by chance; in half of the samples the other is 0."""
    chance = random.Random(8)
    plain, debiased = 0.0, []
    for _ in range(60):
        confidences = [chance.random() for _ in range(300)]
        found = calibration_of(confidences, [chance.random() < confidence for confidence in confidences])
        assert found is not None
        plain += found.error / 60
        debiased.append(found.debiased)
    assert plain > 0.03
    assert debiased.count(0.0) >= 20


def test_the_debiased_error_finds_what_is_there() -> None:
    chance = random.Random(9)
    confidences = [chance.uniform(0.5, 1) for _ in range(5000)]
    found = calibration_of(confidences, [chance.random() < confidence - 0.2 for confidence in confidences])
    assert found is not None
    assert found.debiased == pytest.approx(0.2, abs=0.02)
    assert found.error == pytest.approx(0.2, abs=0.02)


def test_the_curve_has_a_point_per_score() -> None:
    points = curve([0.9, 0.9, 0.5, 0.1], [True, False, True, True])
    assert [(point.threshold, point.review_rate, point.error) for point in points] == [
        (0.9, 0.5, 0.5),
        (0.5, 0.25, pytest.approx(1 / 3)),
        (0.1, 0.0, 0.25),
    ]
    assert curve([], []) == ()


@settings(max_examples=50)
@given(ROWS)
def test_the_curve_ends_with_all_rows_accepted(rows: list[tuple[float, bool]]) -> None:
    points = curve([row[0] for row in rows], [row[1] for row in rows])
    if rows:
        assert points[-1].review_rate == 0
        assert points[-1].error == pytest.approx(sum(not is_right for _, is_right in rows) / len(rows))
        assert all(strict.threshold > loose.threshold for strict, loose in pairwise(points))
