"""The flow against a real Prefect server and a real webhook: each block sends each message once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret

from blocks.database.engine import Database
from blocks.database.review.items import sync_review
from blocks.database.review.queue import list_items
from deployments.prefect_api.local_server import LocalServer
from tests.blocks.database.review.test_items import need
from tests.database_fixtures import add_documents
from tests.doubles.webhook import Webhook, running_webhook
from tests.prefect_fixtures import in_prefect, prefect_api

FLOW = """
from flows.escalate_reviews import escalate_reviews
state = escalate_reviews(return_state=True)
print(state.name, state.message)
"""
LONG_AGO = datetime(2026, 1, 5, 9, tzinfo=UTC)
SENT = ["Completed review items: 0 reminded of, 0 escalated", "Completed review items: 0 reminded of, 3 escalated"]

pytestmark = pytest.mark.prefect


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with running_webhook() as hook:
        yield hook


@pytest.fixture
def blocks(
    local_server: LocalServer, webhook: Webhook, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """The names of two webhook blocks, which the setting names; the flow finds the database by its own."""
    made: list[Block] = []
    with prefect_api(local_server):
        for name in ("winnow-reviewers", "winnow-seniors"):
            block = CustomWebhookNotificationBlock(
                name=name, url=webhook.url, json_data={"title": "{{subject}}", "text": "{{body}}", "to": "{{name}}"}
            )
            block.save(name, overwrite=True)
            made.append(block)
        names = [f"custom-webhook/{name}" for name in ("winnow-reviewers", "winnow-seniors")]
        monkeypatch.setenv("WINNOW_DATABASE_URL", sqlite_database.url.get_secret_value())
        monkeypatch.setenv("WINNOW_NOTIFY_BLOCKS", ",".join(names))
        monkeypatch.setenv("WINNOW_REVIEW_URL", "https://winnow.example/review")
        yield names
        for saved in made:
            type(saved).delete(str(saved._block_document_name))


def open_late_items(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    with database.write() as connection:
        needs = [need(name, due_minutes=60, reasons=("invalid:total: secret text",)) for name in "abc"]
        sync_review(database, connection, "run-1", needs, [], LONG_AGO)


@pytest.mark.usefixtures("blocks")
def test_two_flow_runs_at_once_send_one_message_per_block(
    local_server: LocalServer, webhook: Webhook, sqlite_database: Database
) -> None:
    open_late_items(sqlite_database)
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda _: in_prefect(FLOW, local_server), range(2)))
    assert sorted(ended) == SENT
    assert in_prefect(FLOW, local_server) == SENT[0]
    assert sorted(post["to"] for post in webhook.posts) == ["winnow-reviewers", "winnow-seniors"]
    ids = [item["review_id"] for item in list_items(sqlite_database)]
    for post in webhook.posts:
        assert post["title"] == "Winnow: of the review items, 3 are due"
        lines = post["text"].splitlines()
        assert [line.split(":")[0] for line in lines[:3]] == [f"- item {review_id}" for review_id in sorted(ids)]
        assert lines[-1] == "https://winnow.example/review"
        assert "secret text" not in post["text"]


def test_what_a_block_could_not_send_is_sent_by_the_next_flow_run(
    local_server: LocalServer,
    webhook: Webhook,
    blocks: list[str],
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_late_items(sqlite_database)
    Secret(value="no webhook").save("winnow-no-webhook", overwrite=True)
    monkeypatch.setenv("WINNOW_NOTIFY_BLOCKS", f"{blocks[0]},custom-webhook/nowhere,secret/winnow-no-webhook")
    webhook.status = 503
    assert in_prefect(FLOW, local_server) == (
        "Failed review items: 0 reminded of, 3 escalated; not sent, the next run tries again: "
        f"{blocks[0]} (it answered 503), custom-webhook/nowhere (there is no such block), "
        "secret/winnow-no-webhook (it is no notification block)"
    )
    webhook.status = 200
    monkeypatch.setenv("WINNOW_NOTIFY_BLOCKS", blocks[0])
    assert in_prefect(FLOW, local_server) == SENT[0]
    assert [post["to"] for post in webhook.posts] == ["winnow-reviewers"]
    Secret.delete("winnow-no-webhook")
