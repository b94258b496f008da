"""Tries to take an inbox's files: how long the next waits, and what lets it begin at once."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from blocks.database.engine import Database
from blocks.database.pipeline import inbox_files
from blocks.database.pipeline.inbox_tables import inbox_tries
from blocks.database.pipeline.inbox_tries import (
    count_failure,
    count_try,
    failing,
    forget_without_files,
    take_back_try,
    wait_after,
    waiting,
)


@pytest.mark.parametrize(("tries", "minutes"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (100_000, 60)])
def test_the_wait_doubles_up_to_an_hour(tries: int, minutes: int) -> None:
    assert wait_after(tries) == timedelta(minutes=minutes)


def test_the_next_try_waits_longer_after_each_one_until_a_run_takes_the_files(database: Database) -> None:
    assert waiting(database, "post", "block") is None
    count_try(database, "post", "block")
    first = waiting(database, "post", "block")
    assert first is not None
    assert waiting(database, "fax", "block") is None, "inboxes do not wait for each other"
    let_the_wait_pass(database)
    assert waiting(database, "post", "block") is None
    count_try(database, "post", "block")
    second = waiting(database, "post", "block")
    assert second is not None
    assert (second.tries, second.began_at) == (2, first.began_at)
    assert timedelta(seconds=90) < second.next_at - datetime.now(UTC) <= timedelta(minutes=2)
    inbox_files.confirm_taken(database, "post", "run-1")
    assert waiting(database, "post", "block") is None
    assert count_failure(database, "post") is None, "a run that took its files and failed is no failure to take them"


def test_a_block_that_was_changed_is_tried_at_once_and_counted_anew(database: Database) -> None:
    for _ in range(3):
        count_try(database, "post", "block")
    count_failure(database, "post")
    assert waiting(database, "post", "changed") is None
    count_try(database, "post", "changed")
    tries = count_failure(database, "post")
    assert tries is not None
    assert (tries.tries, tries.failures) == (1, 1)


def test_failures_are_counted_and_listed(database: Database) -> None:
    count_try(database, "post", "block")
    assert failing(database) == ()
    counted = [count_failure(database, "post") for _ in range(2)]
    assert [tries.failures for tries in counted if tries] == [1, 2]
    [shown] = failing(database)
    assert str(shown).startswith("1 run did not take its files since 20")


def test_a_try_that_could_not_be_started_does_not_count(database: Database) -> None:
    count_try(database, "post", "block")
    let_the_wait_pass(database)
    count_try(database, "post", "block")
    take_back_try(database, "post")
    assert waiting(database, "post", "block") is None
    count_try(database, "post", "block")
    tries = waiting(database, "post", "block")
    assert tries is not None
    assert tries.tries == 2


def test_an_inbox_whose_files_are_gone_starts_afresh(database: Database) -> None:
    inbox_files.record_poll(database, "post", {"/in/a.txt": "1"})
    count_try(database, "post", "block")
    forget_without_files(database, "post")
    assert waiting(database, "post", "block") is not None
    inbox_files.record_poll(database, "post", {})
    forget_without_files(database, "post")
    assert waiting(database, "post", "block") is None


def let_the_wait_pass(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(inbox_tries).values(next_at=datetime(2026, 1, 1, tzinfo=UTC)))
