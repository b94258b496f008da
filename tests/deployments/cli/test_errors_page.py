"""The documented error list says what the exceptions say."""

import re
from collections import Counter
from pathlib import Path

from blocks import errors
from blocks.backfill import errors as backfill_errors
from blocks.database import errors as database_errors
from blocks.database.keeping import errors as keeping_errors
from blocks.database.story import errors as story_errors
from blocks.errors import Encrypted, SourceMissing, TooLarge, WinnowError
from blocks.gateway import errors as gateway_errors
from blocks.gateway.registry import errors as configuration_errors
from blocks.review import errors as review_errors
from deployments.cli.errors_page import errors_page, message_template
from deployments.prefect_api import local_server
from tasks.runs import errors as run_errors

PAGE = Path(__file__).resolve().parents[3] / "docs" / "errors.md"


def test_the_committed_page_is_what_the_exceptions_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == errors_page(), "python -m deployments.cli.errors_page > docs/errors.md"


def test_every_kind_has_exactly_one_row() -> None:
    defined = {
        one
        for module in (
            errors,
            backfill_errors,
            database_errors,
            keeping_errors,
            story_errors,
            gateway_errors,
            configuration_errors,
            review_errors,
            run_errors,
            local_server,
        )
        for one in vars(module).values()
        if _has_own_kind(one)
    }
    kinds = [one.kind for one in defined]
    rows = re.findall(r"^\| `(\w+)`", errors_page(), flags=re.MULTILINE)
    assert Counter(rows) == Counter(kinds)
    assert max(Counter(kinds).values()) == 1


def test_a_row_shows_the_message_that_the_error_writes() -> None:
    raised = str(SourceMissing("/no/such/place"))
    template = message_template(SourceMissing)
    assert template is not None
    assert template.replace("{source}", "/no/such/place") == raised


def test_every_document_error_says_what_to_do() -> None:
    for one in (Encrypted, TooLarge):
        assert ";" in (message_template(one) or "")


def _has_own_kind(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, WinnowError) and one is not WinnowError and "kind" in vars(one)
