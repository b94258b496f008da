"""A database that is away for a while is waited for: what it interrupted is done again, here and nowhere else.

`survives_outages` marks functions whose transactions change nothing more when they are repeated, also after a commit
whose answer was lost.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from blocks import progress
from blocks.database.engine import Database
from blocks.errors import DatabaseUnreachable

FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 5.0
CHECK_STOP_EVERY_S = 0.2
LOG_EVERY_S = 30.0

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


def _go_on() -> None:
    """Nothing stops a wait outside of a run."""


_raise_if_stopped: ContextVar[Callable[[], None]] = ContextVar("raise_if_stopped", default=_go_on)


@contextmanager
def stopping_waits(raise_if_stopped: Callable[[], None]) -> Iterator[None]:
    """Within the block, a wait for the database ends with the exception that `raise_if_stopped` raises."""
    token = _raise_if_stopped.set(raise_if_stopped)
    try:
        yield
    finally:
        _raise_if_stopped.reset(token)


def survives_outages(
    function: Callable[Concatenate[Database, Parameters], Result],
) -> Callable[Concatenate[Database, Parameters], Result]:
    """Call the function again while the database is away, for the database's `outage_wait_s` at most."""

    @wraps(function)
    def patient(database: Database, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return wait_out_outages(lambda: function(database, *args, **kwargs), database.outage_wait_s)

    return patient


class _Waits:
    """The waits of this process's threads for the database, which log an outage together: each line once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._logged_at: float | None = None
        self._is_end_due = False

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Within the block, the calling thread waits."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                if not self._waiting:
                    self._logged_at = None

    def is_due(self, now: float) -> bool:
        """Whether the calling thread is to log that it waits."""
        with self._lock:
            if self._logged_at is not None and now - self._logged_at < LOG_EVERY_S:
                return False
            self._logged_at, self._is_end_due = now, True
            return True

    def end(self) -> bool:
        """Whether the calling thread, which got an answer, is to log the outage's end."""
        with self._lock:
            # `_logged_at` stays: an attempt that began before the end may fail after it.
            is_due, self._is_end_due = self._is_end_due, False
            return is_due


_waits = _Waits()


def wait_out_outages(work: Callable[[], Result], max_s: float) -> Result:
    """The result of `work`, which is repeated while the database is away.

    Raises the last `DatabaseUnreachable` when it has been away for `max_s`, and one that no waiting cures at once.
    """
    away_since: float | None = None
    pause_s = FIRST_PAUSE_S
    with ExitStack() as wait:
        while True:
            try:
                result = work()
            except DatabaseUnreachable as error:
                now = time.monotonic()
                if away_since is None:
                    away_since = now
                    wait.enter_context(_waits.counted())
                if not error.may_pass or now - away_since >= max_s:
                    raise
                if _waits.is_due(now):
                    left_s = max_s - (now - away_since)
                    log.warning("waiting for the database, %.0f s more at most: %s", left_s, error.cause)
                    progress.publish(progress.Waiting("the database", error.cause, left_s))
                _pause(pause_s * random.uniform(0.5, 1.5))
                pause_s = min(pause_s * 2, LAST_PAUSE_S)
                continue
            if away_since is not None and _waits.end():
                log.warning("the database answers again, after %.1f s", time.monotonic() - away_since)
            return result


def _pause(pause_s: float) -> None:
    until = time.monotonic() + pause_s
    while (left_s := until - time.monotonic()) > 0:
        _raise_if_stopped.get()()
        time.sleep(min(left_s, CHECK_STOP_EVERY_S))
