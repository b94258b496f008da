"""The total score, computed by code: a model grades criteria, it never adds them up."""

from collections.abc import Sequence

from blocks.document_types.schema import Rubric
from blocks.records import CriterionReading


def total_score(rubric: Rubric | None, criteria: Sequence[CriterionReading]) -> float | None:
    """The weighted mean of the grades, in [0, 100] with one decimal; None without a rubric or without any grade.

    A criterion of the rubric that was not graded counts as 0; a grade outside [0, 1] is cut to it; a criterion that
    the rubric does not name is left out, and of two grades for one criterion the first counts. Criteria that judge
    what a model has written say nothing of the document, and are left out too.
    """
    if rubric is None:
        return None
    of_document = [criterion for criterion in rubric.criteria if criterion.judges is None]
    names = {criterion.name for criterion in of_document}
    criteria = [one for one in criteria if one.name in names]
    if not criteria:
        return None
    grades: dict[str, float] = {}
    for one in criteria:
        grades.setdefault(one.name, min(max(one.grade, 0.0), 1.0))
    weight = sum(criterion.weight for criterion in of_document)
    earned = sum(criterion.weight * grades.get(criterion.name, 0.0) for criterion in of_document)
    return round(100 * earned / weight, 1)
