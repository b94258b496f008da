"""The total score. Code computes it: a model only grades criteria."""

from collections.abc import Sequence

from blocks.document_types.schema import Rubric
from blocks.records import CriterionReading


def total_score(rubric: Rubric | None, criteria: Sequence[CriterionReading]) -> float | None:
    """The weighted mean of the grades, in [0, 100] with one decimal; None without a rubric or without any grade.

    A criterion without a grade counts as 0, and a grade outside [0, 1] is clamped. Unknown criteria and criteria that
    judge a written field do not count. If a criterion has two grades, the first counts.
    """
    if rubric is None:
        return None
    of_document = [criterion for criterion in rubric.criteria if criterion.judges is None]
    names = {criterion.name for criterion in of_document}
    grades = {
        reading.name: min(max(reading.grade, 0.0), 1.0) for reading in reversed(criteria) if reading.name in names
    }
    if not grades:
        return None
    weight = sum(criterion.weight for criterion in of_document)
    earned = sum(criterion.weight * grades.get(criterion.name, 0.0) for criterion in of_document)
    return round(100 * earned / weight, 1)
