"""Messages about values that do not fit a record: path, what is wrong, and what to do."""

from collections.abc import Mapping
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from blocks.records import Record
from blocks.yaml.messages import did_you_mean, schema_mistakes, typed_mistake


class Part(Record):
    name: str
    weight: float = Field(1.0, gt=0)
    kind: Literal["small", "large"] = "small"


class Thing(Record):
    title: str
    count: int = 0
    is_new: bool = False
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = Field(default_factory=dict)
    optional: Part | None = None


def error_of(values: Mapping[str, object]) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        Thing.model_validate(values)
    return raised.value


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        ({}, (), "the key 'title' is missing; add it"),
        ({"title": None}, ("title",), "'title' has no value; give it one or remove the key"),
        ({"title": 7}, ("title",), "'title' must be text; put it in quotes; it is the int 7"),
        ({"title": "a", "count": "x"}, ("count",), "'count' must be a whole number; it is the str 'x'"),
        ({"title": "a", "is_new": "maybe"}, ("is_new",), "'is_new' must be true or false; it is the str 'maybe'"),
        ({"title": "a", "parts": 3}, ("parts",), "'parts' must be a list, such as [first, second]; it is the int 3"),
        ({"title": "a", "cuont": 1}, ("cuont",), "unknown key 'cuont'; did you mean 'count'?"),
        ({"title": "a", "parts": [{"nam": "x"}]}, ("parts", 0, "nam"), "unknown key 'nam'; did you mean 'name'?"),
        ({"title": "a", "parts": ["x"]}, ("parts", 0), "item 1 of 'parts' must be keys with values"),
        (
            {"title": "a", "by_name": {"b": {"name": "x", "wieght": 2}}},
            ("by_name", "b", "wieght"),
            "unknown key 'wieght'; did you mean 'weight'?",
        ),
        (
            {"title": "a", "optional": {"name": "x", "kind": "smal"}},
            ("optional", "kind"),
            "'smal' is not allowed for 'kind'; did you mean 'small'?",
        ),
        (
            {"title": "a", "optional": {"name": "x", "weight": 0}},
            ("optional", "weight"),
            "'weight' is 0; it must be more than 0",
        ),
        ({"title": "a", "by_name": {1: {"name": "x"}}}, ("by_name", 1), "the key 1 must be text; put it in quotes"),
    ],
)
def test_a_mistake_has_its_path_and_a_remedy(
    values: Mapping[str, object], path: tuple[str | int, ...], message: str
) -> None:
    (mistake,) = schema_mistakes(error_of(values), Thing)
    assert mistake.path == path
    assert mistake.message.startswith(message)


def test_a_misspelt_key_is_not_reported_as_missing_too() -> None:
    mistakes = list(schema_mistakes(error_of({"titel": "a"}), Thing))
    assert [mistake.message for mistake in mistakes] == ["unknown key 'titel'; did you mean 'title'?"]


def test_the_record_may_be_some_steps_down_the_path() -> None:
    class Things(Record):
        things: tuple[Thing, ...]

    with pytest.raises(ValidationError) as raised:
        Things.model_validate({"things": [{"title": "a", "cuont": 1}]})
    (mistake,) = schema_mistakes(raised.value, Thing, depth=2)
    assert (mistake.path, mistake.message) == (("things", 0, "cuont"), "unknown key 'cuont'; did you mean 'count'?")


def test_typed_values_are_all_text_so_no_kind_is_named() -> None:
    assert typed_mistake(error_of({"title": "a", "count": "x"}), Thing) == (
        "'count' must be a whole number; it is 'x'; correct it"
    )
    assert typed_mistake(error_of({"title": None}), Thing) == "'title' is empty; give it a value"


def test_the_nearest_word_or_all_words() -> None:
    assert did_you_mean("totl", ["total", "date"]) == "did you mean 'total'?"
    assert did_you_mean("xyz", ["total", "date"]) == "there are: total, date"
    assert did_you_mean(7, {"total": 1, 70: 2}) == "did you mean '70'?"
