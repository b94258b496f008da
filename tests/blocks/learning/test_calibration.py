"""Calibrations are monotone, keep the order, go through JSON, and bring confidences nearer to fact."""

import random
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.learning.calibration import Calibration, TypeCalibration, calibrate, calibrate_by_fold, log_loss, loss_of
from blocks.learning.measures import calibration_of


def labels(count: int, seed: int, offset: float) -> tuple[list[float], list[bool]]:
    """Confidences that are `offset` too high."""
    chance = random.Random(seed)
    confidences = [chance.uniform(0.3, 1) for _ in range(count)]
    return confidences, [chance.random() < confidence - offset for confidence in confidences]


def test_a_fit_brings_confidences_nearer_to_fact() -> None:
    confidences, are_right = labels(600, 1, 0.25)
    fitted = calibrate(confidences, are_right, [number % 5 for number in range(600)])
    fresh, truth = labels(4000, 2, 0.25)
    before, after = calibration_of(fresh, truth), calibration_of([fitted.probability(c) for c in fresh], truth)
    assert before is not None
    assert after is not None
    assert before.error == pytest.approx(0.25, abs=0.03)
    assert after.error < 0.06


def test_what_is_right_stays() -> None:
    confidences, are_right = labels(300, 3, 0.0)
    fitted = calibrate(confidences, are_right, [number % 5 for number in range(300)])
    fresh, truth = labels(4000, 4, 0.0)
    after = calibration_of([fitted.probability(c) for c in fresh], truth)
    assert after is not None
    assert after.error < 0.05


@pytest.mark.parametrize("are_right", [[True] * 10 + [False] * 9, [True] * 200])
def test_few_labels_and_labels_of_one_kind_change_nothing(are_right: list[bool]) -> None:
    confidences = [0.5 + number / 1000 for number in range(len(are_right))]
    fitted = calibrate(confidences, are_right, [number % 5 for number in range(len(are_right))])
    assert fitted.method == "identity"
    assert fitted.probability(0.7) == 0.7


def test_a_step_is_fitted_by_the_isotonic_one_and_a_slope_by_the_logistic_one() -> None:
    chance = random.Random(5)
    confidences = [chance.random() for _ in range(800)]
    step = [chance.random() < (0.95 if confidence > 0.7 else 0.1) for confidence in confidences]
    slope = [chance.random() < 1 / (1 + ((1 - c) / c) ** 2) for c in confidences]
    folds = [number % 5 for number in range(800)]
    assert calibrate(confidences, step, folds).method == "isotonic"
    assert calibrate(confidences, slope, folds).method == "logistic"


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=20, max_size=60))
def test_every_calibration_rises_strictly_within_bounds(rows: list[tuple[float, bool]]) -> None:
    fitted = calibrate([row[0] for row in rows], [row[1] for row in rows], [n % 5 for n in range(len(rows))])
    found = [fitted.probability(number / 100) for number in range(101)]
    assert 0 <= found[0] < found[-1] <= 1
    assert all(lower < higher for lower, higher in pairwise(found))


def test_a_calibration_is_plain_and_needs_no_scikit_learn() -> None:
    confidences, are_right = labels(200, 6, 0.2)
    fitted = calibrate(confidences, are_right, [number % 5 for number in range(200)])
    assert fitted.method != "identity"
    code = (
        "import sys\nfrom blocks.learning.calibration import Calibration\n"
        f"print(Calibration.model_validate_json({fitted.model_dump_json()!r}).probability(0.8))\n"
        "assert not {'sklearn', 'scipy', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == fitted.probability(0.8)


def test_outside_of_what_had_labels_lines_lead_to_0_and_1() -> None:
    fitted = Calibration(method="isotonic", labels=180, points=((0.4, 0.2), (0.6, 0.3)), lowest=0.4, highest=0.6)
    assert fitted.probability(0.6) == pytest.approx(0.9 * 0.3 + 0.1 * 0.6)
    assert fitted.probability(0.8) == pytest.approx((0.33 + 1) / 2)
    assert fitted.probability(0.2) == pytest.approx((0.9 * 0.2 + 0.1 * 0.4) / 2)
    assert (fitted.probability(0.0), fitted.probability(1.0)) == (0.0, 1.0)
    assert (calibrate(*labels(200, 7, 0.2), [0] * 200)).method == "identity"


def test_each_fold_has_a_calibration_of_the_others() -> None:
    confidences, are_right = labels(300, 8, 0.25)
    folds = [number % 5 for number in range(300)]
    fitted = calibrate_by_fold(confidences, are_right, folds)
    assert [own.labels for own in fitted] == [240] * 5
    others = [row for row in zip(confidences, are_right, folds, strict=True) if row[2] != 3]
    assert fitted[3] == calibrate(*zip(*others, strict=True))
    known = TypeCalibration(fields={"total": fitted})
    assert known.probability("total", 0.8, 3) == fitted[3].probability(0.8)
    assert known.probability("date", 0.8, 3) == 0.8


def test_the_loss_is_that_of_what_was_given() -> None:
    assert log_loss(Calibration(), [(0.5, True), (0.5, False)]) == pytest.approx(0.6931, abs=1e-4)
    assert loss_of(0.0, True) == pytest.approx(6.9078, abs=1e-4)
