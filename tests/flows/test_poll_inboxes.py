"""The flow poll-inboxes on a real Prefect server: an inbox that cannot be used must not stop the others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.database.engine import Database
from blocks.inbox.block import BLOCK_SLUG, Inbox
from tests.prefect_fixtures import in_prefect, prefect_api
from tests.winnow_command import Workplace

pytestmark = pytest.mark.prefect

POLL = """
import os
os.environ["WINNOW_DATABASE_URL"] = {url!r}
import httpx
from tasks.arrive import task
from flows.poll_inboxes import poll_inboxes

def away(*_, **__):
    raise httpx.ConnectError("planted")

if {is_away}:
    task.run_deployment = away
poll_inboxes(return_state=True)
state = poll_inboxes(return_state=True)
print(state.name + "; " + state.message)
"""


@pytest.fixture
def inboxes(workplace: Workplace, tmp_path: Path) -> Iterator[Path]:
    """An inbox with a file, and one that somebody made in the Prefect UI, which knows no more than types of fields."""
    folder = tmp_path / "post"
    folder.mkdir()
    (folder / "a.txt").write_text("whole")
    with prefect_api(workplace.server):
        Inbox(url=str(folder)).save("post", overwrite=True)
        Inbox(url=str(folder), document_type="invoce").save("misspelt", overwrite=True)
        made = block_made_in_the_ui(workplace, url=str(folder), done_folder=str(folder / "done"))
        yield folder
        for name in ("post", "misspelt"):
            Inbox.delete(name)
        workplace.delete(f"block_documents/{made}")


def block_made_in_the_ui(workplace: Workplace, **data: object) -> str:
    [type_] = [one for one in workplace.ask("block_types/filter", offset=0) if one["slug"] == BLOCK_SLUG]
    schemas: list[dict[str, Any]] = workplace.ask(
        "block_schemas/filter", block_schemas={"block_type_id": {"any_": [type_["id"]]}}
    )
    made = workplace.ask(
        "block_documents/", name="bad", data=data, block_schema_id=schemas[0]["id"], block_type_id=type_["id"]
    )
    return str(made["id"])


def polled(workplace: Workplace, database: Database, *, is_away: bool = False) -> str:
    script = POLL.format(url=database.url.get_secret_value(), is_away=is_away)
    return in_prefect(script, workplace.server)


def test_an_inbox_that_cannot_be_used_is_named_and_the_others_are_polled(
    workplace: Workplace, inboxes: Path, sqlite_database: Database
) -> None:
    ended = polled(workplace, sqlite_database)
    assert ended.startswith("Failed; post: 1 listed, 0 arrived, 1 due; ")
    assert "misspelt: no document type is called 'invoce'" in ended, "it started a run at each poll, which failed"
    assert "bad: the inbox 'bad' cannot be used: done_folder is within the inbox" in ended
    assert "post: files have arrived, and Prefect has no deployment take-inbox/arrived" in ended


def test_a_server_that_starts_no_run_is_asked_again_by_the_next_poll(
    workplace: Workplace, inboxes: Path, sqlite_database: Database
) -> None:
    ended = polled(workplace, sqlite_database, is_away=True)
    assert "post: 1 listed, 0 arrived, 1 due" in ended, "it is due for the next poll"
    assert "planted" not in ended


POLL_AND_TAKE = """
import json, os
os.environ["WINNOW_DATABASE_URL"] = {url!r}
os.environ["WINNOW_DOCUMENT_TYPES_DIR"] = {types!r}
from sqlalchemy import update
from blocks.database.engine import open_database
from blocks.database.pipeline.inbox_tables import inbox_tries
from blocks.inbox.block import Inbox
from flows.poll_inboxes import poll_inboxes
from flows.take_inbox import take_inbox
from tasks.arrive import task

seen = []

def run_at_once(*_, parameters, **__):
    state = take_inbox(**parameters, return_state=True)
    seen.append("took: " + state.name + "; " + state.message)

def poll():
    state = poll_inboxes(return_state=True)
    seen.append("polled: " + state.name + "; " + state.message)

def let_the_wait_pass():
    with open_database({url!r}).write() as connection:
        connection.execute(update(inbox_tries).values(next_at=inbox_tries.c.began_at))

task.run_deployment = run_at_once
poll()
poll()
poll()
let_the_wait_pass()
poll()
Inbox(url={folder!r}, document_type="receipt", owner="ann").save("post", overwrite=True)
poll()
print(json.dumps(seen))
"""


def test_an_inbox_whose_runs_fail_is_tried_less_and_less_often_and_one_failure_is_alerted(
    workplace: Workplace, sqlite_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "types" / "receipt").mkdir(parents=True)
    (tmp_path / "types" / "receipt" / "type.yaml").write_text("title: Receipt\nfeilds: {}\n")
    (tmp_path / "post").mkdir()
    (tmp_path / "post" / "a.txt").write_text("whole")
    script = POLL_AND_TAKE.format(
        url=sqlite_database.url.get_secret_value(), types=str(tmp_path / "types"), folder=str(tmp_path / "post")
    )
    with prefect_api(workplace.server):
        Inbox(url=str(tmp_path / "post"), document_type="receipt").save("post", overwrite=True)
        try:
            seen = json.loads(in_prefect(script, workplace.server))
        finally:
            Inbox.delete("post")
    polled = [line for line in seen if line.startswith("polled: Completed; post: 1 listed")]
    took = [line.partition("; ") for line in seen if line.startswith("took: ")]
    assert len(polled) == 5
    assert "1 run did not take its files" in polled[2], "the third poll starts none"
    assert [state for state, *_ in took] == ["took: Failed", "took: FailedAgain", "took: Failed"]
    assert all("feilds" in message for *_, message in took)
    assert "2 runs did not take its files" in took[1][2]
