"""The answer so far, field by field, as replies of models come in."""

from collections.abc import Mapping

import pytest

from blocks.document_types.schema import Criterion, DocumentField, FieldType, RouteStep, Rubric
from blocks.gateway.model import ModelReply
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.merge import Answer, models_without_part, with_answer, with_opinion, with_rewrite
from blocks.records import CriterionReading, FieldReading, Signals
from tests.doubles.routed_models import bill, model

BILL = bill(RouteStep(model="a"))
NOTE = BILL.model_copy(
    update={
        "fields": BILL.fields | {"reply": DocumentField(type=FieldType.TEXT, written=True)},
        "rubric": Rubric(
            criteria=(Criterion(name="clear", description=""), Criterion(name="tone", description="", judges="reply"))
        ),
    }
)


def reading(value: str, stated: float = 0.8) -> FieldReading:
    return FieldReading(value=value, confidence=stated, signals=Signals(stated=stated))


def reply(
    name: str, grades: Mapping[str, float] | None = None, notes: tuple[str, ...] = (), **values: str
) -> ModelReply:
    return ModelReply(
        model=name,
        model_version="v1",
        fields={field: reading(value) for field, value in values.items()},
        criteria=tuple(CriterionReading(name=n, grade=g, confidence=0.9) for n, g in (grades or {}).items()),
        notes=notes,
    )


def answer(first: ModelReply) -> Answer:
    return with_answer(Answer(), NOTE, tuple(NOTE.fields), first, is_all=True)


def values(of: Answer) -> dict[str, object]:
    return {name: found.value for name, found in of.fields.items()}


def test_only_asked_fields_are_replaced_and_fields_keep_the_type_s_order() -> None:
    first = answer(reply("a", total="9.00"))
    second = with_answer(first, NOTE, ("day",), reply("b", day="2024-05-01", total="1.00"), is_all=False)
    assert list(second.fields.items()) == [("day", reading("2024-05-01")), ("total", reading("9.00"))]
    assert (second.model, second.last) == ("a@v1 + b@v1", "b@v1")


def test_a_field_that_a_second_model_does_not_find_is_dropped_with_its_source() -> None:
    second = with_answer(answer(reply("a", day="2024-05-01")), NOTE, ("day",), reply("b", total="1"), is_all=False)
    assert (values(second), second.model) == ({}, "b@v1")


def test_a_required_field_of_the_reader_stays_and_the_model_s_silence_disagrees() -> None:
    required = next(name for name, rules in NOTE.fields.items() if rules.required)
    first = answer(reply("local", None, (), **{required: "2024-05-01"}))
    kept = with_answer(first, NOTE, (required,), reply("a"), is_all=False).fields[required]
    assert (kept.value, kept.signals and kept.signals.disagreeing) == ("2024-05-01", (0.5,))


def test_grades_are_replaced_by_who_was_asked_for_them() -> None:
    first = answer(reply("a", {"clear": 0.2, "tone": 0.3, "unknown": 1.0}, reply="Dear"))
    grades = {"clear": 0.9, "tone": 0.8}
    asked = with_answer(first, NOTE, ("reply",), reply("b", grades, reply="Hello"), is_all=False)
    assert {name: grade.grade for name, grade in asked.criteria.items()} == {"clear": 0.2, "tone": 0.8}
    every = with_answer(first, NOTE, tuple(NOTE.fields), reply("b", grades), is_all=True)
    assert {name: grade.grade for name, grade in every.criteria.items()} == {"clear": 0.9, "tone": 0.8}
    of_reader = with_answer(answer(reply("local", {"clear": 0.1})), NOTE, ("day",), reply("b", grades), is_all=False)
    assert of_reader.criteria["clear"].grade == 0.9, "a model's grade replaces the reader's"


def test_a_rewrite_replaces_written_fields_and_the_grades_of_their_judges_only() -> None:
    first = answer(reply("a", {"clear": 0.2, "tone": 0.3}, day="2024-05-01", reply="Dear"))
    rewrite = reply("b", {"clear": 1.0, "tone": 0.9}, day="1999-01-01", reply="Hello")
    found = with_rewrite(first, NOTE, rewrite)
    assert values(found) == {"day": "2024-05-01", "reply": "Hello"}
    assert {name: grade.grade for name, grade in found.criteria.items()} == {"clear": 0.2, "tone": 0.9}
    ungraded = with_rewrite(first, NOTE, reply("b", reply="Hello"))
    assert set(ungraded.criteria) == {"clear"}, "a grade of the old text says nothing about the new one"


@pytest.mark.parametrize(("second", "differs"), [("9.00", False), ("9", False), ("9.10", True), ("nothing", True)])
def test_typed_values_are_compared(second: str, differs: bool) -> None:
    first = answer(reply("a", total="9.00"))
    merged, differing = with_opinion(first, NOTE, ("total",), reply("b", total=second))
    signals = merged.fields["total"].signals
    assert signals is not None
    assert (values(merged), differing) == ({"total": "9.00"}, ("total",) if differs else ())
    assert (len(signals.agreeing), len(signals.disagreeing)) == ((0, 1) if differs else (1, 0))


def test_a_second_opinion_names_its_model_takes_missing_fields_and_leaves_written_ones() -> None:
    first = answer(reply("a", notes=("one",), total="9.00", reply="Dear"))
    merged, differing = with_opinion(
        first, NOTE, tuple(NOTE.fields), reply("b", notes=("one", "two"), day="2024-05-01", total="9.00", reply="Hello")
    )
    assert values(merged) == {"day": "2024-05-01", "total": "9.00", "reply": "Dear"}
    assert (differing, merged.opinions, merged.notes) == (("day",), ("b@v1",), ("one", "two"))


def test_an_opinion_counts_without_its_own_cross_check() -> None:
    checked = reading("9.00").model_copy(update={"signals": Signals(stated=0.8, agreeing=(0.99,))})
    first = answer(reply("a", total="9.00"))
    for other in (checked, reading("9.00")):
        merged, _ = with_opinion(first, NOTE, ("total",), reply("b").model_copy(update={"fields": {"total": other}}))
        signals = merged.fields["total"].signals
        assert signals is not None
        assert signals.agreeing == pytest.approx((0.8,), abs=0.2)
    alone = with_opinion(first, NOTE, ("total",), reply("b", total="9.00"))[0].fields["total"].signals
    assert signals == alone


def test_a_second_opinion_comes_from_another_server_or_another_model() -> None:
    twin, other, gone = model("twin", upstream="a"), model("b"), "gone"
    registry = RegistryState((model("a"), twin, other))
    assert models_without_part(answer(reply("a", total="1")), ("a", "twin", "b", gone), registry) == ("b",)


def test_the_reader_alone_makes_no_answer_of_models() -> None:
    assert not Answer().is_of_models
    assert not answer(reply("local", total="1")).is_of_models
    assert answer(reply("a")).is_of_models, "a model that found nothing has answered too"
    assert answer(reply("a")).model == "a@v1"
