"""The documented error list says what the exceptions say."""

import re
from collections import Counter
from pathlib import Path

from blocks.errors import Encrypted, SourceMissing, TooLarge
from deployments.cli.errors_page import errors_page, message_template

PROJECT = Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs" / "errors.md"


def test_the_committed_page_is_what_the_exceptions_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == errors_page(), "python -m deployments.cli.errors_page > docs/errors.md"


def test_every_kind_has_exactly_one_row() -> None:
    rooms = ("blocks", "tasks", "flows", "deployments")
    sources = [module.read_text(encoding="utf-8") for room in rooms for module in (PROJECT / room).rglob("*.py")]
    kinds = [kind for source in sources for kind in re.findall(r'^    kind = "(\w+)"', source, flags=re.MULTILINE)]
    assert len(kinds) > 100
    rows = re.findall(r"^\| `(\w+)`", errors_page(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(kinds)
    assert max(Counter(rows).values()) == 1


def test_a_row_shows_the_message_that_the_error_writes() -> None:
    raised = str(SourceMissing("/no/such/place"))
    template = message_template(SourceMissing)
    assert template is not None
    assert template.replace("{source}", "/no/such/place") == raised


def test_every_document_error_says_what_to_do() -> None:
    for one in (Encrypted, TooLarge):
        assert ";" in (message_template(one) or "")
