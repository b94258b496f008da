"""YAML with line numbers: what a sound file says, where each value is, and every mistake with its line."""

import pytest

from blocks.yaml.lines import MAX_DEPTH, YamlFile

TEXT = """\
title: Invoice
languages: [en, de]
fields:
  total:
    type: money

  lines:
    - {a: 1}
    - {a: 2}
"""


def test_values_are_plain_and_of_yaml_1_2() -> None:
    assert YamlFile("a: yes\nb: true\nc: 1.5\nd: 0x10\n").value() == {"a": "yes", "b": True, "c": 1.5, "d": 16}
    assert YamlFile("").value() is None


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("title",), 1),
        (("languages", 1), 2),
        (("fields", "total", "type"), 5),
        (("fields", "lines", 1, "a"), 9),
        (("fields", "total", "no such key"), 4),
        (("fields", "lines", 7), 7),
        (("nothing", "of", "this"), 1),
    ],
)
def test_the_line_of_a_value_or_of_the_nearest_value_above(path: tuple[str | int, ...], line: int) -> None:
    assert YamlFile(TEXT).line(path) == line


def test_a_file_that_is_no_yaml_has_no_lines() -> None:
    broken = YamlFile("a: [1\nb: 2\n")
    assert broken.line(("b",)) == 1
    with pytest.raises(ValueError, match="while parsing"):
        broken.value()


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (TEXT, []),
        ("a: 1\nb:\n\tc: 1\n\td: 2\n", [(3, "there is a tab in the indent"), (4, "there is a tab in the indent")]),
        ("a: 1\nb: {c: 1, c: 2}\na: 3\n", [(3, "'a' is given twice, first on line 1"), (2, "'c' is given twice")]),
        ("a: 1\nb: [1\n", [(3, "this is not YAML")]),
        ("a: 1\nb: 2026-13-45\n", [(2, "'2026-13-45' cannot be read")]),
        ("a: 1\nb: *nowhere\n", [(2, "this is not YAML")]),
    ],
)
def test_every_mistake_has_its_line(text: str, mistakes: list[tuple[int, str]]) -> None:
    found = list(YamlFile(text).mistakes())
    assert [line for line, _ in found] == [line for line, _ in mistakes]
    for (_, message), (_, expected) in zip(found, mistakes, strict=True):
        assert expected in message


def test_keys_that_are_merged_are_not_duplicates() -> None:
    text = "a: &a {x: 1}\nb: &b {y: 2}\nc:\n  <<: *a\n  z: 3\n"
    assert list(YamlFile(text).mistakes()) == []
    assert YamlFile(text).value() == {"a": {"x": 1}, "b": {"y": 2}, "c": {"x": 1, "z": 3}}


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000])
def test_a_file_that_is_nested_too_deep_is_refused(depth: int) -> None:
    nested = YamlFile("a: " + "[" * depth + "]" * depth)
    with pytest.raises(ValueError, match=r"nested|recursion"):
        nested.value()
    assert [line for line, message in nested.mistakes() if "levels deep" in message] == [1]


def test_the_deepest_file_that_is_read() -> None:
    depth = MAX_DEPTH - 2
    nested = YamlFile("a: " + "[" * depth + "1" + "]" * depth)
    assert nested.value()
    assert list(nested.mistakes()) == []


def test_a_value_that_contains_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="levels deep"):
        YamlFile("a: &a [*a]\n").value()
