"""A database that is away is waited for: what it interrupted is done again, until it answers or for so long at most."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from blocks.database import outages as module
from blocks.database.engine import Database
from blocks.database.outages import stopping_waits, survives_outages, wait_out_outages
from blocks.errors import DatabaseUnreachable, RunInterrupted


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A time that only waiting moves on."""
    time = [0.0]

    def sleep(pause_s: float) -> None:
        time[0] += pause_s

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: time[0], sleep=sleep))
    return time


def away_until(clock: list[float], back_at: float, *, may_pass: bool = True) -> Callable[[], str]:
    def ask() -> str:
        if clock[0] < back_at:
            raise DatabaseUnreachable("a database", "connection refused", may_pass=may_pass)
        return "answer"

    return ask


def test_a_database_that_comes_back_gives_its_answer_and_the_wait_is_logged(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert wait_out_outages(away_until(clock, 100.0), 180.0) == "answer"
    assert 100 <= clock[0] < 110, "at most one long pause too late"
    first, *more, last = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert first == (logging.WARNING, "waiting for the database, 180 s more at most: connection refused")
    assert len(more) in {2, 3}, "a line every half minute"
    assert last[1].startswith("the database answers again, after 10")


def test_a_database_that_stays_away_is_an_error_after_the_limit_and_not_before(clock: list[float]) -> None:
    with pytest.raises(DatabaseUnreachable):
        wait_out_outages(away_until(clock, 1e9), 180.0)
    assert 180 <= clock[0] < 190


def test_every_outage_has_the_whole_limit(clock: list[float]) -> None:
    for _ in range(3):
        assert wait_out_outages(away_until(clock, clock[0] + 150), 180.0) == "answer"
    assert clock[0] >= 450


def test_what_no_waiting_cures_is_an_error_at_once(clock: list[float]) -> None:
    with pytest.raises(DatabaseUnreachable):
        wait_out_outages(away_until(clock, 100, may_pass=False), 180.0)
    assert clock[0] == 0


def test_threads_that_wait_together_log_the_outage_once(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    ask = away_until(clock, 10.0)

    def waits_while_another_thread_waits() -> str:
        with ThreadPoolExecutor(1) as another:
            return another.submit(wait_out_outages, ask, 180.0).result()

    def ask_and_be_overtaken() -> str:
        try:
            return ask()
        finally:
            if clock[0] and "another" not in seen:
                seen["another"] = waits_while_another_thread_waits()

    seen: dict[str, str] = {}
    assert wait_out_outages(ask_and_be_overtaken, 180.0) == seen["another"] == "answer"
    messages = [record.getMessage() for record in caplog.records]
    assert [message.partition(",")[0] for message in messages] == [
        "waiting for the database",
        "the database answers again",
    ]
    caplog.clear()
    assert wait_out_outages(away_until(clock, clock[0] + 1), 180.0) == "answer"
    assert len(caplog.records) == 2, "the next outage is logged too"


def test_a_stop_ends_the_wait(clock: list[float]) -> None:
    def stop() -> None:
        if clock[0] > 20:
            raise RunInterrupted

    with stopping_waits(stop), pytest.raises(RunInterrupted):
        wait_out_outages(away_until(clock, 100), 180.0)
    assert 20 < clock[0] < 21
    assert wait_out_outages(away_until(clock, 100), 180.0) == "answer", "outside of the run nothing stops it"


def test_a_marked_function_is_called_again_with_its_arguments(clock: list[float], sqlite_database: Database) -> None:
    calls: list[tuple[int, str]] = []

    @survives_outages
    def ask(database: Database, number: int, *, name: str) -> str:
        calls.append((number, name))
        return away_until(clock, 3.0)()

    assert ask(sqlite_database, 1, name="a") == "answer"
    assert len(calls) > 1
    assert set(calls) == {(1, "a")}
    calls.clear()
    clock[0] = 0.0
    with pytest.raises(DatabaseUnreachable):
        ask(replace(sqlite_database, outage_wait_s=0.5), 1, name="a")
