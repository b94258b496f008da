"""Whether a document waits for models that answer nobody, and for how long.

An outage is waited out while a run's patience lasts: what comes of it is a run that takes longer, and not a pile of
documents in review that any reader could have had a minute later. What only a person can put right is not waited for,
nor is what a model says of the document itself.
"""

import random
import time
from collections.abc import Callable, Collection, Sequence

from blocks import progress
from blocks.gateway.errors import (
    BreakerOpen,
    CallFailed,
    ConnectionFailed,
    DeadlinePassed,
    KeyRefused,
    OutOfCredit,
    RateLimited,
    ServerFailed,
    UpstreamMissing,
)

FAULTS = (ServerFailed, ConnectionFailed, DeadlinePassed)
"""What an endpoint does in an outage, and what a document may bring about that it cannot bear."""
FOR_A_PERSON = (KeyRefused, OutOfCredit, UpstreamMissing)
FIRST_WAIT_S = 5.0
"""The first wait for a model that states no time: as long as a breaker is open at first. Each later one is as long as
all before it, so that an outage costs at most as much time again, and its endpoint few calls."""
SPREAD_S, SPREAD_SHARE = 1.0, 0.2
"""Documents that waited come back spread over a second at least and a fifth of their wait, not in one moment."""
MOST_FAULTS_AMONG_ANSWERS = 3
"""So often a document meets faults of models that answer others meanwhile: at an outage's beginning and at its end, and
once by chance. What meets them again is too much for the models, and each time-out may have to be paid for."""


class Outages:
    """Since when documents wait for models that answer nobody. All documents of a run share one patience for them, so
    that an outage that lasts delays the first ones and not each chunk anew."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._since: dict[str, float] = {}
        self._answered_at: dict[str, float] = {}

    def over(self, name: str) -> None:
        """A model has answered."""
        self._since.pop(name, None)
        self._answered_at[name] = self._clock()

    def has_answered(self, name: str, since: float) -> bool:
        """Whether a model has answered anybody since then."""
        return self._answered_at.get(name, float("-inf")) >= since

    def wait_s(self, failed: Collection[tuple[str, CallFailed]], waited_s: float) -> float | None:
        """How long a document that has waited for so long waits for the models that failed; None where it does not.

        Where no time is stated, the last wait ends with the patience, so that all of it is used.
        """
        now = self._clock()
        begun = max((self._since.get(name, now) for name, _ in failed), default=now)
        passed_s = max(waited_s, now - begun)
        left_s = self._patience_s - passed_s
        unstated_s = max(min(max(passed_s, FIRST_WAIT_S), left_s), FIRST_WAIT_S)
        wait_s = again_in_s([error for _, error in failed], unstated_s)
        if wait_s is None or wait_s > left_s:
            return None
        for name, error in failed:
            if name not in self._since:
                self._since[name] = now
                progress.wait(name, str(error), left_s)
        return min(wait_s + random.uniform(0, max(SPREAD_S, wait_s * SPREAD_SHARE)), left_s)


class Patience:
    """One document's part in the outages that it meets."""

    def __init__(self, outages: Outages, clock: Callable[[], float] = time.monotonic) -> None:
        self._outages = outages
        self._clock = clock
        self._waited_s = 0.0
        self._faults_among_answers = 0
        self._asked_at = clock()

    def wait_s(self, failed: Sequence[tuple[str, CallFailed]]) -> float | None:
        """How long to wait before the models that failed are asked again; None where they are not."""
        if any(isinstance(one, FAULTS) and self._outages.has_answered(name, self._asked_at) for name, one in failed):
            self._faults_among_answers += 1
        if self._faults_among_answers > MOST_FAULTS_AMONG_ANSWERS:
            return None
        wait_s = self._outages.wait_s(failed, self._waited_s)
        if wait_s is not None:
            self._waited_s += wait_s
            self._asked_at = self._clock() + wait_s
        return wait_s


def again_in_s(failures: Sequence[CallFailed], unstated_s: float = FIRST_WAIT_S) -> float | None:
    """In how many seconds one of the models that were asked may be asked again: the least time that any states, and
    `unstated_s` of those that are at fault, or ask to be left alone, and state none.

    None where no model can be expected back without a person, and where one has said something of the document.
    """
    if not all(isinstance(one, (BreakerOpen, RateLimited, *FAULTS, *FOR_A_PERSON)) for one in failures):
        return None
    waits = [one.again_in_s for one in failures if isinstance(one, BreakerOpen) and not one.needs_person]
    waits += [one.retry_after_s or unstated_s for one in failures if isinstance(one, RateLimited)]
    waits += [max(one.retry_after_s or 0.0, unstated_s) for one in failures if isinstance(one, FAULTS)]
    return min(waits, default=None)
