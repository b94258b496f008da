"""Intervals against published figures, and against what they promise."""

import random

import pytest

from blocks.learning.measures import clopper_pearson
from blocks.review.audit import AuditedRow, share_of, wrong_share


def test_nothing_counted_says_nothing() -> None:
    assert (share_of(0, 0).share, share_of(0, 0).low, share_of(0, 0).high) == (None, 0.0, 1.0)
    assert wrong_share([]).counted == 0


def test_rows_drawn_alike_are_a_simple_random_sample() -> None:
    share = wrong_share([AuditedRow(0.02, is_wrong=number < 3) for number in range(60)])
    assert (share.counted, share.hits, share.share, share.is_exact) == (60, 3, 0.05, True)
    assert (share.low, share.high) == clopper_pearson(3, 60)


def test_rows_drawn_with_different_probabilities_are_weighed() -> None:
    """10 rows of 100 and 100 rows of 100: each row counts for as many as it was drawn from."""
    rows = [AuditedRow(0.1, is_wrong=number < 5) for number in range(10)]
    rows += [AuditedRow(1.0, is_wrong=False) for _ in range(100)]
    share = wrong_share(rows)
    assert (share.counted, share.hits, share.is_exact) == (110, 5, False)
    assert share.share == pytest.approx(50 / 200)
    assert share.low < 0.25 < share.high
    assert share.high - share.low > share_of(5, 110).high - share_of(5, 110).low, "it knows less than 110 equal rows"


def test_the_weighed_interval_covers_the_true_share() -> None:
    chance = random.Random(98)
    covered = 0
    for _ in range(600):
        rows = [
            AuditedRow(probability, is_wrong=chance.random() < 0.1)
            for probability in (0.05, 0.5)
            for _ in range(400)
            if chance.random() < probability
        ]
        share = wrong_share(rows)
        covered += share.low <= 0.1 <= share.high
    assert covered / 600 >= 0.93
