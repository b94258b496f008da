"""The total score: the weighted mean of the grades, computed by code."""

import pytest

from blocks.document_types.schema import Criterion, Rubric
from blocks.records import CriterionReading
from tasks.score.total import total_score

RUBRIC = Rubric(
    criteria=(
        Criterion(name="clear", weight=3, description="is clear"),
        Criterion(name="short", weight=1, description="is short"),
        Criterion(name="tone", weight=100, description="is kind", judges="draft"),
    )
)


def total(*grades: tuple[str, float], rubric: Rubric | None = RUBRIC) -> float | None:
    return total_score(rubric, [CriterionReading(name=name, grade=grade, confidence=1.0) for name, grade in grades])


@pytest.mark.parametrize(
    ("grades", "expected"),
    [
        ([("clear", 1.0), ("short", 1.0)], 100.0),
        ([("clear", 1.0), ("short", 0.0)], 75.0),
        ([("clear", 0.333), ("short", 0.0)], 25.0),
        ([("short", 1.0)], 25.0),
        ([("clear", 0.0)], 0.0),
        ([("clear", 1.7), ("short", -3.0)], 75.0),
        ([("clear", 1.0), ("clear", 0.0)], 75.0),
        ([("clear", 1.0), ("tone", 0.0), ("unknown", 0.0)], 75.0),
    ],
)
def test_the_total_is_the_weighted_mean(grades: list[tuple[str, float]], expected: float) -> None:
    assert total(*grades) == expected


def test_without_a_grade_or_a_rubric_there_is_no_total() -> None:
    assert total() is None
    assert total(("tone", 1.0), ("unknown", 1.0)) is None
    assert total(("clear", 1.0), rubric=None) is None
