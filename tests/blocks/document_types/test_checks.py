"""Rules for the values of a type.yaml that its schema does not have."""

import pytest

from blocks.document_types.checks import MAX_NAME_LENGTH, check_type, normal_alias


def mistakes(raw: dict[str, object], folder: str = "letter") -> list[tuple[tuple[str | int, ...], str]]:
    sound = {"title": "Letter", "fields": {"day": {"type": "date"}}}
    return [(mistake.path, mistake.message) for mistake in check_type(sound | raw, folder, {})]


@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        ({"name": "latter"}, ("name",), "is not that of its folder"),
        ({"fields": {}}, ("fields",), "at least one field"),
        ({"fields": {"a" * (MAX_NAME_LENGTH + 1): {}}}, ("fields", "a" * (MAX_NAME_LENGTH + 1)), "at most 48"),
        ({"fields": {"Day": {}}}, ("fields", "Day"), "small letters"),
        ({"fields": {"a": {"aliases": ["b", "  "]}}}, ("fields", "a", "aliases", 1), "an alias is empty"),
        (
            {"fields": {"a": {"type": "enum", "enum": ["x", "y"], "default": "z"}}},
            ("fields", "a", "default"),
            "'z' is not one of the values: x, y",
        ),
        (
            {"fields": {"a": {"type": "text", "hints": {"keywords": {"x": ["y"]}}}}},
            ("fields", "a", "hints", "keywords"),
            "only enum and list fields have keywords",
        ),
        (
            {"fields": {"a": {"type": "number", "hints": {"sum_of": ["a"]}}}},
            ("fields", "a", "hints", "sum_of", 0),
            "cannot be a part of its own sum",
        ),
        (
            {"fields": {"a": {"type": "money", "hints": {"remainder_of": "b"}}}},
            ("fields", "a", "hints", "remainder_of"),
            "the type has no other number field 'b'",
        ),
        ({"rubric": {"criteria": []}}, ("rubric", "criteria"), "at least one criterion"),
        ({"rubric": {"criteria": [{"name": "a"}, {"name": "a"}]}}, ("rubric", "criteria", 1, "name"), "given twice"),
        (
            {"classification": {"signals": [{"phrase": "a", "pattern": "b"}]}},
            ("classification", "signals", 0),
            "either a phrase or a pattern",
        ),
        (
            {"classification": {"signals": [{"phrase": "a", "weight": 0}]}},
            ("classification", "signals", 0, "weight"),
            "does nothing",
        ),
        ({"review": {"bands": []}}, ("review", "bands"), "at least one band"),
        ({"reject_when": [{"field": "day", "values": []}]}, ("reject_when", 0, "values"), "at least one value"),
        ({"languages": ["en", "Deutsch"]}, ("languages", 1), "no language code"),
    ],
)
def test_a_mistake_has_its_path(raw: dict[str, object], path: tuple[str | int, ...], message: str) -> None:
    ((found, text),) = mistakes(raw)
    assert found == path
    assert message in text


def test_no_type_may_be_called_unknown() -> None:
    ((path, message),) = mistakes({}, "unknown")
    assert path == ("name",)
    assert "the type of documents that fit no type" in message


def test_names_of_the_greatest_length_and_columns_with_reserved_names_are_sound() -> None:
    columns = {"type": "table", "columns": {"status": {"type": "text"}}}
    assert mistakes({"fields": {"a" * MAX_NAME_LENGTH: {"type": "text"}, "lines": columns}}) == []


@pytest.mark.parametrize("raw", [{"fields": "x"}, {"rubric": 3}, {"review": {"bands": "x"}}, {"languages": None}])
def test_a_value_of_another_kind_is_left_to_the_schema(raw: dict[str, object]) -> None:
    assert mistakes(raw) == []


def test_aliases_are_compared_without_case_blanks_and_a_closing_colon() -> None:
    assert normal_alias("  Invoice \t No : ") == normal_alias("invoice no") == "invoice no"
    assert normal_alias(":") == ""
