"""Grades of a rubric by keywords and by a reference text."""

import pytest

from blocks.document_types.schema import Criterion, Rubric
from blocks.reader.rubric import CONFIDENCE_NOTHING, KEYWORD_SHARE, MAX_CONFIDENCE, QUOTES, grade
from blocks.records import CriterionReading, Page
from tests.blocks.reader.drawn_pages import typed

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")


def graded(*pages: Page, keywords: tuple[str, ...] = WORDS, reference: str = "") -> CriterionReading:
    rubric = Rubric(reference=reference, criteria=(Criterion(name="letters", description="", keywords=keywords),))
    (found,) = grade(rubric, pages)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("none", 0.0), ("alpha", 0.25), ("alpha alpha", 0.25), ("alpha beta gamma delta", 1.0), (" ".join(WORDS), 1.0)],
)
def test_four_different_keywords_make_a_full_grade(text: str, expected: float) -> None:
    assert graded(typed(text)).grade == expected


def test_fewer_keywords_than_four_make_one_all_together() -> None:
    assert graded(typed("beta"), keywords=("alpha", "beta")).grade == 0.5
    assert graded(typed("words"), keywords=()).grade == 0.0


def test_confidence_grows_with_the_keywords_up_to_a_limit() -> None:
    found = [graded(typed(" ".join(WORDS[:count]))).confidence for count in range(6)]
    assert found == pytest.approx([CONFIDENCE_NOTHING, 0.6, 0.7, MAX_CONFIDENCE, MAX_CONFIDENCE, MAX_CONFIDENCE])


def test_a_reference_counts_for_the_rest_of_the_grade() -> None:
    reference = "Budgets and leadership. Planning, too."
    assert graded(typed("none"), reference=reference).grade == 0.0
    assert graded(typed("alpha"), reference=reference).grade == round(KEYWORD_SHARE * 0.25, 4)
    shared = graded(typed("leaders plan budgeting"), reference=reference).grade
    assert shared == round((1 - KEYWORD_SHARE) * 2 / 3, 4), "words of five letters are compared by these five"


def test_the_lines_with_keywords_are_quoted_up_to_three() -> None:
    lines = [f"- {word} line" for word in WORDS]
    found = graded(typed("\n".join(lines)))
    assert [evidence.quote for evidence in found.evidence] == lines[:QUOTES]


def test_two_keywords_of_a_line_quote_it_once() -> None:
    assert [evidence.quote for evidence in graded(typed("  alpha and beta  \nend")).evidence] == ["alpha and beta"]


def test_a_long_line_is_quoted_around_the_keyword() -> None:
    (evidence,) = graded(typed("x" * 300 + " alpha " + "y" * 300)).evidence
    assert evidence.quote == "x" * 99 + " alpha " + "y" * 99


def test_keywords_are_looked_for_on_every_page() -> None:
    found = graded(typed("alpha"), typed("alpha beta", number=2))
    assert (found.grade, [evidence.page for evidence in found.evidence]) == (0.5, [1, 2])


def test_criteria_of_a_written_text_are_left_out() -> None:
    criteria = tuple(
        Criterion(name=name, description="", judges=judged) for name, judged in (("a", None), ("b", "reply"))
    )
    assert [found.name for found in grade(Rubric(criteria=criteria), (typed("x"),))] == ["a"]
