"""The exact test against scipy, and promises against thousands of simulated histories with fixed seeds."""

import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, hypergeom  # type: ignore[import-untyped] # scipy ships no types

from blocks.learning.promise import (
    DrawnLabel,
    candidate_thresholds,
    evenly_drawn,
    fewest_labels,
    level,
    lowest_error,
    needed_labels,
    offers,
    passes,
    prove,
    with_missed_errors,
)

DELTA = Fraction(1, 20)
ERRORS = st.fractions(Fraction(1, 200), Fraction(1, 2), max_denominator=1000)
DELTAS = st.fractions(Fraction(1, 1000), Fraction(1, 2), max_denominator=1000)


def drawn(scores: list[float], are_wrong: list[bool]) -> list[DrawnLabel]:
    return [
        DrawnLabel(str(number), score, is_wrong, 1.0)
        for number, (score, is_wrong) in enumerate(zip(scores, are_wrong, strict=True))
    ]


@given(st.integers(0, 400), st.integers(1, 400), ERRORS, DELTAS)
def test_the_test_is_that_of_the_binomial(wrong: int, counted: int, error: Fraction, delta: Fraction) -> None:
    wrong = min(wrong, counted)
    tail = binom.cdf(wrong, counted, float(error))
    assume(abs(tail - float(delta)) > 1e-9)
    assert passes(wrong, counted, error, delta) == (tail <= float(delta))


@given(st.integers(0, 200), st.integers(1, 200), st.integers(1, 600), ERRORS, DELTAS)
def test_the_test_in_a_lot_is_that_of_the_hypergeometric(
    wrong: int, counted: int, lot: int, error: Fraction, delta: Fraction
) -> None:
    counted = min(counted, lot)
    wrong = min(wrong, counted)
    tail = hypergeom.cdf(wrong, lot, int(error * lot) + 1, counted)
    assume(abs(tail - float(delta)) > 1e-9)
    assert passes(wrong, counted, error, delta, lot) == (tail <= float(delta))


def test_equality_passes_where_floats_would_round() -> None:
    """0.9 ** 2 is exactly 0.81, which no float is: 2 labels without an error prove 10 % at a level of 0.81, and no
    lower.
    """
    assert passes(0, 2, Fraction(1, 10), Fraction(81, 100))
    assert not passes(0, 2, Fraction(1, 10), Fraction(81, 100) - Fraction(1, 10**30))


def test_nothing_proves_nothing() -> None:
    assert not passes(0, 0, Fraction(1, 2), Fraction(1, 2))
    assert not passes(0, 0, Fraction(1, 2), Fraction(1, 2), lot=0)
    assert prove([], [0.9, 0.5], Fraction(1, 20), DELTA).threshold is None
    assert candidate_thresholds([], 100, Fraction(1, 20), DELTA) == ()


def test_a_lot_that_is_labelled_in_full_is_known() -> None:
    assert passes(5, 100, Fraction(1, 20), DELTA, lot=100)
    assert not passes(6, 100, Fraction(1, 20), DELTA, lot=100)


@pytest.mark.parametrize(("error", "fewest"), [("0.05", 59), ("0.02", 149), ("0.01", 299)])
def test_as_many_labels_as_the_tables_say(error: str, fewest: int) -> None:
    """The rule of three, exactly: log 0.05 / log (1 - error), rounded up."""
    assert fewest_labels(0, Fraction(error), DELTA) == fewest


@given(st.integers(0, 12), ERRORS, DELTAS)
@settings(max_examples=40, deadline=None)
def test_one_label_less_does_not_pass(wrong: int, error: Fraction, delta: Fraction) -> None:
    fewest = fewest_labels(wrong, error, delta)
    assume(abs(binom.cdf(wrong, fewest - 1, float(error)) - float(delta)) > 1e-9)
    assert passes(wrong, fewest, error, delta)
    assert not passes(wrong, fewest - 1, error, delta)


@given(st.integers(0, 30), st.integers(1, 300), DELTAS)
@settings(max_examples=40, deadline=None)
def test_the_lowest_error_is_the_bound_of_clopper_and_pearson(wrong: int, counted: int, delta: Fraction) -> None:
    wrong = min(wrong, counted)
    bound = 1.0 if wrong == counted else float(beta.ppf(1 - float(delta), wrong + 1, counted - wrong))
    assert float(lowest_error(wrong, counted, delta)) == pytest.approx(bound, abs=1.0001e-4)
    assert float(lowest_error(wrong, counted, delta)) >= bound - 1e-9


def test_levels_add_up_to_the_whole() -> None:
    assert level(Decimal("0.95")) == DELTA
    assert level(Decimal("0.95"), promises=4) == Fraction(1, 80)
    spent = sum(level(Decimal("0.95"), look=look) for look in range(1, 1001))
    assert spent == DELTA * Fraction(1000, 1001)


def test_labels_are_thinned_to_equal_probabilities() -> None:
    """Of 2,000 labels drawn with 0.5 a tenth stays beside those drawn with 0.05; chosen ones prove nothing."""
    often = [DrawnLabel(f"often-{number}", 0.5, False, 0.5) for number in range(2000)]
    seldom = [DrawnLabel(f"seldom-{number}", 0.5, False, 0.05) for number in range(50)]
    chosen = [DrawnLabel("chosen", 0.5, False, None)]
    kept = evenly_drawn([*often, *seldom, *chosen])
    assert set(seldom) <= set(kept)
    assert not set(chosen) & set(kept)
    assert len(kept) - 50 == pytest.approx(200, abs=45)
    assert evenly_drawn([*chosen, *often]) == tuple(often)


def test_thresholds_are_fixed_from_strict_to_loose() -> None:
    scores = [number / 1000 for number in range(1000)]
    thresholds = candidate_thresholds(scores, 500, Fraction(1, 20), DELTA)
    assert len(thresholds) == 20
    assert all(strict > loose for strict, loose in pairwise(thresholds))
    assert thresholds[-1] == 0.0
    assert thresholds[0] == pytest.approx(1 - 1.2 * fewest_labels(1, Fraction(1, 20), DELTA) / 500, abs=0.002)
    assert candidate_thresholds(scores, 30, Fraction(1, 20), DELTA) == (0.0,), "too few labels for any part of them"
    assert candidate_thresholds([0.5] * 100, 500, Fraction(1, 20), DELTA) == (0.5,)


def test_the_tests_stop_at_the_first_that_fails() -> None:
    scores = [1 - number / 400 for number in range(400)]
    are_wrong = [100 <= number < 140 for number in range(400)]
    proof = prove(drawn(scores, are_wrong), [0.76, 0.6, 0.01], Fraction(1, 5), DELTA)
    assert [(test.counted, test.wrong, test.has_passed) for test in proof.tests] == [(97, 0, True), (161, 40, False)]
    assert proof.threshold == 0.76
    all_of_them = prove(drawn(scores, are_wrong), [0.0], Fraction(1, 5), DELTA)
    assert all_of_them.threshold == 0.0, "a sequence that begins later passes, but it was not the one that was fixed"


def test_a_lot_needs_fewer_labels() -> None:
    labels = drawn([1.0] * 50, [False] * 50)
    assert prove(labels, [0.9], Fraction(1, 20), DELTA).threshold is None
    assert prove(labels, [0.9], Fraction(1, 20), DELTA, lot=[1.0] * 100 + [0.1] * 1000).threshold == 0.9


def test_missed_errors_make_the_test_stricter() -> None:
    error, delta = with_missed_errors(Fraction(1, 20), DELTA, missed=3, seeded=100)
    assert delta == DELTA / 2
    assert float(error) == pytest.approx(0.05 * (1 - float(beta.ppf(0.975, 4, 97))), abs=1e-5)
    assert with_missed_errors(Fraction(1, 20), DELTA, missed=4, seeded=4)[0] == 0
    assert fewest_labels(0, Fraction(0), DELTA) == 1_000_000
    assert prove(drawn([1.0] * 90, [False] * 90), [0.5], Fraction(0), DELTA).threshold is None


def test_needed_labels_pass_the_test() -> None:
    needed = needed_labels(2, 60, 0.5, Fraction(1, 20), DELTA)
    assert needed.without_errors == (fewest_labels(2, Fraction(1, 20), DELTA) - 60) * 2
    assert needed.at_this_rate is not None
    counted = 60 + needed.at_this_rate // 2
    assert passes(counted * 2 // 60, counted, Fraction(1, 20), DELTA)
    assert needed_labels(0, 0, 0.5, Fraction(1, 20), DELTA).at_this_rate == 118
    assert needed_labels(3, 60, 0.5, Fraction(1, 20), DELTA).at_this_rate is None, "5 % were wrong"
    assert needed_labels(0, 100, 0.5, Fraction(1, 20), DELTA).without_errors == 0
    assert needed_labels(49_999, 1_000_000, 1.0, Fraction(1, 20), DELTA).at_this_rate is None


def test_offers_say_what_could_be_promised() -> None:
    labels = drawn([0.9] * 60 + [0.5] * 40, [False] * 60 + [True] * 10 + [False] * 30)
    strict, loose = offers(labels, [0.9, 0.5], [0.9] * 600 + [0.5] * 400, DELTA)
    assert (strict.accepted, loose.accepted) == (0.6, 1.0)
    assert strict.error == lowest_error(0, 60, DELTA) == Fraction(488, 10000)
    assert loose.error == lowest_error(10, 100, DELTA)


WORLDS: dict[str, Callable[[float], float]] = {
    "surer is better": lambda score: (1 - score) / 2,
    "at the promised error": lambda _score: 0.0502,
    "worst on top": lambda score: 0.06 if score > 0.8 else 0.04,
}


@pytest.mark.parametrize("world", WORLDS)
def test_a_promise_is_broken_in_at_most_delta_of_histories(world: str) -> None:
    """300 histories of 300 labels; the true share of wrong documents above each threshold is known. The naive
    threshold, the loosest whose observed error looks fine, breaks it far more often.
    """
    chance, error = random.Random(world), Fraction(1, 20)
    wrong_with = WORLDS[world]
    unlabelled = [chance.betavariate(6, 1) for _ in range(4000)]
    thresholds = candidate_thresholds(unlabelled, 300, error, DELTA)
    true_error = {}
    for threshold in thresholds:
        above = [wrong_with(score) for score in unlabelled if score >= threshold]
        true_error[threshold] = sum(above) / len(above)
    broken = naive_broken = proven = 0
    for _ in range(300):
        scores = [chance.betavariate(6, 1) for _ in range(300)]
        labels = drawn(scores, [chance.random() < wrong_with(score) for score in scores])
        found = prove(labels, thresholds, error, DELTA).threshold
        proven += found is not None
        broken += found is not None and true_error[found] > error
        naive = [t for t in thresholds if observed(labels, t) <= error]
        naive_broken += bool(naive) and true_error[min(naive)] > error
    assert broken / 300 <= 0.05
    assert world == "worst on top" or naive_broken / 300 > 0.3
    assert world != "surer is better" or proven > 100


def observed(labels: list[DrawnLabel], threshold: float) -> float:
    above = [label.is_wrong for label in labels if label.score >= threshold]
    return sum(above) / len(above) if above else 1.0


def test_looks_after_every_50_labels_keep_to_delta_only_if_they_spend_it() -> None:
    """All documents are accepted, and a hair more than promised is wrong: any look that passes breaks the promise."""
    chance, error = random.Random(50), Fraction(1, 20)
    spending = peeking = 0
    for _ in range(300):
        wrong = 0
        passed_spending = passed_peeking = False
        for look in range(1, 21):
            wrong += sum(chance.random() < 0.0502 for _ in range(50))
            passed_spending |= passes(wrong, 50 * look, error, level(Decimal("0.95"), look=look))
            passed_peeking |= passes(wrong, 50 * look, error, DELTA)
        spending += passed_spending
        peeking += passed_peeking
    assert spending / 300 <= 0.05
    assert peeking / 300 > 0.1
