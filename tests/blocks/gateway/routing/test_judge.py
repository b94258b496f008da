"""What of an answer is not enough, and which fields are asked again for it."""

from collections.abc import Mapping

import pytest

from blocks.document_types.schema import DocumentField, FieldType, RouteStep, StepAcceptance
from blocks.gateway.routing.judge import JudgedAnswer, control_fields, judge_answer, unsure_fields, what_is_missed
from blocks.records import CriterionReading, Evidence, FieldReading
from tests.doubles.routed_models import PAGES, bill

PLAIN = bill(RouteStep(model="a"))
BILL = PLAIN.model_copy(
    update={
        "fields": PLAIN.fields
        | {
            "post": DocumentField(type=FieldType.MONEY),
            "reply": DocumentField(type=FieldType.TEXT, written=True),
        }
    }
)
CHECKS = StepAcceptance(checks=True)


def reading(value: str, quote: str, confidence: float = 0.99) -> FieldReading:
    return FieldReading(value=value, confidence=confidence, evidence=(Evidence(page=1, quote=quote),))


GOOD = {
    "day": reading("2024-05-01", "Day: 1 May 2024"),
    "total": reading("9.00", "Total: 9.00"),
    "post": reading("4.50", "Shipping 4.50"),
    "reply": FieldReading(value="Dear Sir", confidence=0.9),
}


def judge(grades: Mapping[str, float] | None = None, **changes: FieldReading | None) -> JudgedAnswer:
    fields = {name: found for name, found in (GOOD | changes).items() if found is not None}
    criteria = {n: CriterionReading(name=n, grade=g, confidence=1.0) for n, g in (grades or {}).items()}
    return judge_answer(BILL, fields, criteria, PAGES)


def test_a_good_answer_misses_nothing_and_is_as_sure_as_its_weakest_required_field() -> None:
    judged = judge(total=reading("9.00", "Total: 9.00", 0.8))
    assert (what_is_missed(CHECKS, BILL, judge()), judge().doubted) == ("", ())
    assert judged.confidence == pytest.approx(0.8)
    assert judge(post=reading("4.50", "Shipping 4.50", 0.7)).confidence > 0.9, "an optional field decides nothing"


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"total": None}, "not read: total"),
        ({"total": reading("7.77", "Total: 9.00")}, "not borne by the document: total"),
        ({"post": reading("7.77", "Shipping 4.50")}, "doubtful: post"),
        ({"post": reading("4.50", "Shipping 4.50", 0.3)}, "doubtful: post"),
        ({"post": None}, ""),
    ],
)
def test_what_the_checks_find(changes: dict[str, FieldReading | None], missed: str) -> None:
    assert what_is_missed(CHECKS, BILL, judge(None, **changes)) == missed
    assert what_is_missed(None, BILL, judge(None, **changes)) == ""


def test_confidence_and_grades_at_their_limits_are_enough() -> None:
    judged = judge({"tone": 0.5}, total=reading("9.00", "Total: 9.00", 0.8))
    exact = judged.fields["total"].confidence
    assert what_is_missed(StepAcceptance(confidence=exact), BILL, judged) == ""
    above = round(exact + 0.01, 2)
    assert what_is_missed(StepAcceptance(confidence=above), BILL, judged) == f"confidence under {above:g}: total"
    assert what_is_missed(StepAcceptance(criteria={"tone": 0.5}), BILL, judged) == ""
    missed = what_is_missed(StepAcceptance(criteria={"tone": 0.6, "facts": 0.1}), BILL, judged)
    assert missed == "tone is graded 0.50, under 0.6; facts was not graded"


@pytest.mark.parametrize(
    ("accept", "changes", "unsure"),
    [
        (CHECKS, {}, ()),
        (CHECKS, {"total": None, "post": None}, ("total",)),
        (CHECKS, {"total": reading("7.77", "Total: 9.00")}, ("total",)),
        (CHECKS, {"post": reading("7.77", "Shipping 4.50")}, ("post",)),
        (StepAcceptance(confidence=0.9), {"post": reading("4.50", "Shipping 4.50", 0.7)}, ("post",)),
        (None, {"post": reading("4.50", "Shipping 4.50", 0.7)}, ()),
    ],
)
def test_fields_that_are_asked_again(
    accept: StepAcceptance | None, changes: dict[str, FieldReading | None], unsure: tuple[str, ...]
) -> None:
    found = unsure_fields(accept, BILL, judge(None, **changes))
    assert tuple(name for name in found if name != "reply") == unsure


def test_required_fields_that_are_read_are_asked_for_control() -> None:
    reply = BILL.fields["reply"].model_copy(update={"required": True})
    demanding = BILL.model_copy(update={"fields": BILL.fields | {"reply": reply}})
    assert control_fields(demanding, ("post",)) == ("day", "total")
    assert control_fields(BILL, ("total", "post")) == ("day",)
