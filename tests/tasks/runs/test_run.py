"""A run's end is in its row, and the error that ended the run reaches the caller."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.pipeline import runs as runs_module
from blocks.database.tables import runs
from blocks.errors import DatabaseUnreachable, RunInterrupted
from blocks.gateway.registry.registry import RegistryState
from blocks.records import Batch
from blocks.settings import load_settings
from tasks.runs.chunk import RunContext, raise_if_stopped, stop_run
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import Run, open_run


@contextmanager
def opened(database: Database) -> Iterator[Run]:
    prepared = PreparedRun(load_settings(), {}, database, RegistryState(()), ())
    with handed_over(prepared), open_run(RunContext(run_id="run"), Batch(sources=("in",)), {}) as run:
        yield run


def end_of(database: Database) -> tuple[str | None, str | None]:
    with database.read() as connection:
        state, message = connection.execute(select(runs.c.state, runs.c.message)).one()
    return state, message


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ZeroDivisionError("planted"), ("Failed", "planted")),
        (RunInterrupted(), ("Cancelled", "stopped before the end")),
        (KeyboardInterrupt(), ("Cancelled", "stopped before the end")),
        (SystemExit(), ("Cancelled", "stopped before the end")),
    ],
)
def test_the_runs_row_has_the_end_and_the_caller_gets_the_error(
    sqlite_database: Database, error: BaseException, end: tuple[str, str]
) -> None:
    with pytest.raises(type(error)) as raised, opened(sqlite_database):
        raise error
    assert raised.value is error
    assert end_of(sqlite_database) == end


@pytest.mark.parametrize("error", [ZeroDivisionError("planted"), RunInterrupted()])
def test_an_end_that_cannot_be_written_is_a_warning_and_does_not_replace_the_error(
    sqlite_database: Database,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unreachable(*_arguments: object) -> None:
        raise DatabaseUnreachable("a database", "it is down")

    monkeypatch.setattr(runs_module, "finish_run", unreachable)
    with caplog.at_level(logging.WARNING), pytest.raises(type(error)) as raised, opened(sqlite_database):
        raise error
    assert raised.value is error
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "the end of run run could not be written" in warning.getMessage()
    assert "it is down" in warning.getMessage()


def test_a_stop_ends_with_the_run(sqlite_database: Database) -> None:
    """A run that is tried again in the same process has the same id."""
    with opened(sqlite_database) as run:
        assert end_of(sqlite_database) == (None, None)
        stop_run(run.run_id)
        with pytest.raises(RunInterrupted):
            raise_if_stopped(run.run_id)
    with opened(sqlite_database) as run:
        raise_if_stopped(run.run_id)
