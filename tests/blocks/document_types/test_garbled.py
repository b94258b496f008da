"""However a type file is garbled, it is sound or refused with a line that the file has; nothing else is raised."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blocks.document_types.loader import check, load_document_types
from blocks.errors import DocumentTypeInvalid
from blocks.values.values_of_types import value_problems

SOUND = Path(__file__).parents[2] / "resources" / "document_types" / "delivery_note"
VALUE = re.compile(r"(?<=:).*$|(?<=- ).*$")

GARBLED: dict[str, Callable[[str], str]] = {
    "gone": lambda _: "",
    "twice": lambda line: f"{line}\n{line}",
    "null": lambda line: VALUE.sub(" null", line),
    "list": lambda line: VALUE.sub(" [1, [x], {a: b}]", line),
    "mapping": lambda line: VALUE.sub(" {a: {b: c}, 1: 2, null: 3}", line),
    "number": lambda line: VALUE.sub(" -1e400", line),
    "text": lambda line: VALUE.sub(" '((('", line),
    "open": lambda line: VALUE.sub(' "{[', line),
    "alias": lambda line: VALUE.sub(" &a [*a]", line),
    "date": lambda line: VALUE.sub(" 2026-02-31", line),
    "control": lambda line: line + "\x07",
    "outdented": lambda line: line.strip(),
    "deep": lambda line: VALUE.sub(" " + "[" * 200 + "]" * 200, line),
}


def garbled(text: str, way: str) -> Iterator[str]:
    """The text with one line garbled, for every fourth line, others for each way."""
    lines, how, first = text.split("\n"), GARBLED[way], list(GARBLED).index(way)
    for number, line in enumerate(lines):
        if line and (number - first) % 4 == 0:
            yield "\n".join([*lines[:number], how(line), *lines[number + 1 :]])


@pytest.mark.parametrize("file", ["type.yaml", "expectations.yaml", "examples/a.jsonl"])
@pytest.mark.parametrize("way", GARBLED)
def test_garbled_lines_are_refused(tmp_path: Path, file: str, way: str) -> None:
    folder = Path(shutil.copytree(SOUND, tmp_path / SOUND.name))
    for text in garbled((SOUND / file).read_text(), way):
        (folder / file).write_text(text)
        problems = check(folder, value_problems)
        for problem in problems:
            assert 1 <= problem.line <= len(problem.file.read_text().split("\n")), problem
            assert "\n" not in problem.message, problem
        try:
            load_document_types(tmp_path)
        except DocumentTypeInvalid:
            assert problems, text
