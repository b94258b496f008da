"""Each condition of a step, on both sides of its limit."""

from collections.abc import Mapping

import pytest

from blocks.document_types.schema import RouteStep, StepCondition
from blocks.gateway.routing.facts import DocumentFacts, facts_of, what_fails
from blocks.gateway.routing.judge import JudgedAnswer
from blocks.records import CriterionReading, Page
from tests.doubles.routed_models import PAGES, bill

FACTS = DocumentFacts(pages=3, tokens=100, ocr_confidence=0.8, is_sensitive=True)


def judged(grades: Mapping[str, float]) -> JudgedAnswer:
    criteria = {name: CriterionReading(name=name, grade=grade, confidence=1.0) for name, grade in grades.items()}
    return JudgedAnswer({}, criteria, deciding=())


def test_ocr_confidence_is_the_mean_over_pages_and_parsed_pages_count_as_certain() -> None:
    read = Page(number=2, method="ocr", text="Total", ocr_confidence=0.5)
    facts = facts_of(bill(RouteStep(model="a"), sensitive=True), (*PAGES, read))
    assert (facts.pages, facts.ocr_confidence, facts.is_sensitive) == (2, 0.75, True)
    assert facts_of(bill(RouteStep(model="a")), ()).ocr_confidence == 1.0


@pytest.mark.parametrize(
    ("when", "why"),
    [
        (StepCondition(), ""),
        (StepCondition(pages=(3, 3)), ""),
        (StepCondition(pages=(4, None)), "it has 3 pages"),
        (StepCondition(pages=(None, 2)), "it has 3 pages"),
        (StepCondition(tokens=(100, 100)), ""),
        (StepCondition(tokens=(None, 99)), "it has 100 tokens"),
        (StepCondition(ocr_confidence_below=0.81), ""),
        (StepCondition(ocr_confidence_below=0.8), "its OCR confidence is 0.80"),
        (StepCondition(sensitive=True), ""),
        (StepCondition(sensitive=False), "its type is sensitive"),
        (StepCondition(unanswered=True), ""),
        (StepCondition(unanswered=False), "no model has answered"),
    ],
)
def test_conditions_on_the_document(when: StepCondition, why: str) -> None:
    assert what_fails(when, FACTS, None, is_answered=False) == why


def test_a_model_s_answer_fails_the_condition_that_there_is_none() -> None:
    assert what_fails(StepCondition(unanswered=True), FACTS, judged({}), is_answered=True) == "a model has answered"


def test_a_document_without_an_answer_has_no_confidence_and_no_grades() -> None:
    assert what_fails(StepCondition(confidence_below=0.1), FACTS, None, is_answered=False) == ""
    assert "no grade is too low" in what_fails(StepCondition(criterion_below={"a": 1}), FACTS, None, is_answered=False)


@pytest.mark.parametrize(
    ("grades", "why"),
    [
        ({"tone": 0.5, "facts": 0.9}, "tone, facts: no grade is too low"),
        ({"tone": 0.4, "facts": 0.9}, ""),
        ({"tone": 0.9, "facts": 0.6}, ""),
        ({"facts": 0.9}, "tone, facts: no grade is too low"),
    ],
)
def test_one_grade_under_its_limit_is_enough(grades: Mapping[str, float], why: str) -> None:
    when = StepCondition(criterion_below={"tone": 0.5, "facts": 0.7})
    assert what_fails(when, FACTS, judged(grades), is_answered=True) == why
