"""The total score, computed by code: a model grades criteria, it never adds them up."""

from collections.abc import Sequence

from blocks.document_types import Rubric
from blocks.records import CriterionReading


def total_score(rubric: Rubric | None, criteria: Sequence[CriterionReading]) -> float | None:
    """The weighted mean of the grades, in [0, 100] with one decimal; None without a rubric or without any grade.

    A criterion of the rubric that was not graded counts as 0; a grade outside [0, 1] is cut to it; a criterion that
    the rubric does not name is left out, and of two grades for one criterion the first counts.
    """
    if rubric is None or not criteria:
        return None
    grades: dict[str, float] = {}
    for one in criteria:
        grades.setdefault(one.name, min(max(one.grade, 0.0), 1.0))
    weight = sum(criterion.weight for criterion in rubric.criteria)
    if not weight:
        return None
    earned = sum(criterion.weight * grades.get(criterion.name, 0.0) for criterion in rubric.criteria)
    return round(100 * earned / weight, 1)
