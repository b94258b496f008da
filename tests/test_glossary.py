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

ALLOWED = {
    "bookkeeper": r"^data/document_types/resume/type\.yaml",  # a job's name
    "breaker": r"breaker_open|circuit breaker|^(blocks|tests/blocks)/database/.*breakers",  # a kind; `why`; a table
    "born": r"not borne by the document|Born: 1990|born 1980",  # text in stored rows; two documents
    "local_model": r"LITELLM_LOCAL_MODEL_COST_MAP",  # a variable of LiteLLM
    "witness": r"^blocks/(records|evidence/\w+)\.py|^tests/.*\b(witness|seen)\b",  # stored payloads have the field
    "patience": r"WINNOW_MODEL_OUTAGE_PATIENCE_S",  # people have set the variable
    "said": r"^tests/|^data/document_types/moderation_item/prompts/",  # a prompt's text is in its type's version
    "told": r"^tests/",  # the provider double is told a script; names of tests
}
"""Places that keep a replaced word, by word: a pattern of `path: line`."""


def places_of(word: str) -> Iterator[str]:
    """Every line of code and docs that uses a word, in any spelling of a name: snake_case, CamelCase, with spaces.

    Examples and samples are texts that people wrote, so of data/ only its YAML and Markdown count.
    """
    pattern = re.compile(word.replace("_", "[_ -]?"), re.IGNORECASE)
    allowed = re.compile(ALLOWED.get(word, r"(?!)"))
    files = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    files += [file for ending in ("yaml", "md") for file in (ROOT / "data" / "document_types").rglob(f"*.{ending}")]
    rooms = ("flows", "tasks", "blocks", "deployments", "tests", "benchmarks")
    files += [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    for file in files:
        if file.name in {"glossary.md", Path(__file__).name}:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            place = f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
            if pattern.search(line) and not allowed.search(place):
                yield place


def test_the_glossary_replaces_words() -> None:
    assert {"zygote", "bookkeeper", "bear_out"} <= set(REPLACED)


@pytest.mark.parametrize("word", REPLACED)
def test_no_file_uses_a_replaced_word(word: str) -> None:
    assert list(places_of(word)) == []


def test_each_word_has_one_row() -> None:
    words = [word for row in ROWS for word in row[0].split(", ")]
    assert len(words) == len(set(words))
