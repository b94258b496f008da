"""docs/glossary.md has one word per concept, and the code keeps to it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split("|")]
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| word |")
]
REPLACED = sorted({word for *_, words in (row for row in ROWS if len(row) == 3) for word in words.split(", ") if word})


def places_of(word: str) -> Iterator[str]:
    """Every line of code and docs that uses a word, in any spelling of a name: snake_case, CamelCase, with spaces."""
    pattern = re.compile(word.replace("_", "[_ -]?"), re.IGNORECASE)
    files = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    files += [
        file for room in ("flows", "tasks", "blocks", "deployments", "tests") for file in (ROOT / room).rglob("*.py")
    ]
    for file in files:
        if file.name in {"glossary.md", Path(__file__).name}:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if pattern.search(line):
                yield f"{file.relative_to(ROOT)}:{number}: {line.strip()}"


def test_the_glossary_replaces_words() -> None:
    assert {"zygote", "bookkeeper", "bear_out"} <= set(REPLACED)


@pytest.mark.parametrize("word", REPLACED)
def test_no_file_uses_a_replaced_word(word: str) -> None:
    assert list(places_of(word)) == []


def test_each_word_has_one_row() -> None:
    words = [word for row in ROWS for word in row[0].split(", ")]
    assert len(words) == len(set(words))
