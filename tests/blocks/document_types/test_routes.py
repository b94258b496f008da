"""Every mistake in a route is named with its line and a remedy."""

from pathlib import Path

import pytest

from blocks.document_types.loader import check, load_document_types
from blocks.settings import Settings
from blocks.values.values_of_types import value_problems

HEAD = """\
title: Letter
fields:
  day: {type: date}
  draft: {type: text, written: true}
rubric:
  criteria:
    - {name: tone, description: is kind, judges: draft}
    - {name: facts, description: is true}
route:
"""
SOUND = """\
  - {model: local, accept: {confidence: 0.9}}
  - {tier: cheap, prompt: short, when: {pages: [null, 3], sensitive: false}, accept: {criteria: {tone: 0.7}}}
  - {tier: strong, role: second_opinion, when: {confidence_below: 0.5}, images: true}
  - {model: clever, role: rewrite, when: {criterion_below: {tone: 0.7}}, asks: unsure}
  - {model: local}
"""


def problems(folder: Path, route: str, head: str = HEAD) -> list[tuple[int, str]]:
    (folder / "letter" / "prompts").mkdir(parents=True)
    (folder / "letter" / "prompts" / "short.md").write_text("Read {{ document }}")
    (folder / "letter" / "prompts" / "default.md").write_text("Read {{ document }}")
    (folder / "letter" / "type.yaml").write_text(head + route)
    return [(problem.line, problem.message) for problem in check(folder)]


def test_a_sound_route_has_no_mistakes(tmp_path: Path) -> None:
    assert problems(tmp_path, SOUND) == []
    assert len(load_document_types(tmp_path)["letter"].route) == 5


@pytest.mark.parametrize(
    ("route", "line", "says"),
    [
        ("  - {tier: cheap, prompt: long}\n", 10, "there is no prompts/long.md; there are: default, short"),
        ("  - {model: local, tier: cheap}\n", 10, "either a model or a tier"),
        ("  - {model: local, accept: {}}\n  - {prompt: short}\n", 11, "a step needs a model or a tier"),
        ("  - {tier: dear}\n", 10, "cheap"),
        ("  - {tier: cheap, role: second_opinion}\n", 10, "needs an answer before it"),
        ("  - {model: a}\n  - {model: b, role: second_opinion}\n", 11, "give a step before it accept"),
        ("  - {model: a, accept: {}}\n  - {model: local, role: second_opinion}\n", 11, "name another model"),
        ("  - {model: a, accept: {criteria: {tune: 0.7}}}\n", 10, "no criterion 'tune'; did you mean 'tone'"),
        ("  - {model: a, when: {criterion_below: {charm: 0.7}}}\n", 10, "no criterion 'charm'"),
        ("  - {model: a, accept: {criteria: {tone: 7}}}\n", 10, "7 is no grade"),
        ("  - {model: a, accept: {confidence: 80}}\n", 10, "is 80; it must be at most 1"),
        ("  - {model: a, when: {confidence_below: -1}}\n", 10, "is -1; it must be at least 0"),
        ("  - {model: a, when: {pages: [9, 3]}}\n", 10, "write the smaller number first"),
        ("  - {model: a, when: {tokens: [-4, 3]}}\n", 10, "no fewer than 0 tokens"),
        ("  - {model: local}\n  - {tier: strong}\n", 11, "never reached"),
        ("  - {model: local, images: true}\n", 10, "reads text only"),
        ("  - {model: a, then: b}\n", 10, "then"),
        ("  []\n", 9, "at least one step"),
    ],
)
def test_a_mistake_in_a_step_is_named_with_its_line(tmp_path: Path, route: str, line: int, says: str) -> None:
    found = problems(tmp_path, route)
    assert any(at == line and says in message for at, message in found), found


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("judges: draft", "judges: drift", 7, "no field 'drift'; did you mean 'draft'"),
        ("judges: draft", "judges: day", 7, "'day' is read from the document, not written"),
        ("type: text, written", "type: date, written", 4, "only a text can be written"),
    ],
)
def test_what_is_judged_must_be_written(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    found = problems(tmp_path, "  - {model: local}\n", HEAD.replace(old, new, 1))
    assert any(at == line and says in message for at, message in found), found


def test_a_rewrite_needs_something_to_write(tmp_path: Path) -> None:
    head = "title: Letter\nfields: {day: {type: date}}\nroute:\n"
    found = problems(tmp_path, "  - {model: a, accept: {}}\n  - {model: a, role: rewrite}\n", head)
    assert [line for line, message in found if "no field to write" in message] == [5]


def test_the_shipped_types_have_routes_without_mistakes() -> None:
    assert check(Settings().document_types_dir, value_problems) == []
