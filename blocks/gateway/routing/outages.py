"""Whether a document waits for models that are down, and for how long.

A run that waits takes longer, but sends no documents to review for an outage of a minute. Nobody waits for what only a
person can put right, nor for a model that refuses the document itself.
"""

import random
import time
from collections.abc import Callable, Collection, Sequence

from blocks import progress
from blocks.gateway.errors import (
    CallFailed,
    CircuitOpen,
    ConnectionFailed,
    DeadlinePassed,
    RateLimited,
    ServerFailed,
)

FAULTS = (ServerFailed, ConnectionFailed, DeadlinePassed)
"""What an endpoint does in an outage. A document that is too much for a model causes the same."""
FIRST_WAIT_S = 5.0
"""The first wait for a model that states no time: as long as a circuit is open at first. Each later wait is as long as
all before it. So a wait at most doubles the length of an outage, and the endpoint gets few calls."""
SPREAD_S, SPREAD_SHARE = 1.0, 0.2
"""Documents come back over at least a second and a fifth of their wait, so that they do not come back all at once."""
MAX_FAULTS_AMONG_ANSWERS = 3
"""How often a document may meet faults of a model that answers other documents meanwhile: when an outage begins, when
it ends, and once by chance. After that the document is too much for the model, and each timeout may be billed."""


class Outages:
    """Since when documents wait for each model. All documents of a run share one wait limit, so that a long outage
    delays the first documents only."""

    def __init__(self, wait_limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._wait_limit_s = wait_limit_s
        self._clock = clock
        self._since: dict[str, float] = {}
        self._answered_at: dict[str, float] = {}

    def end(self, name: str) -> None:
        """A model has answered, so its outage is over."""
        self._since.pop(name, None)
        self._answered_at[name] = self._clock()

    def has_answered(self, name: str, since: float) -> bool:
        """Whether a model has answered any document since then."""
        return self._answered_at.get(name, float("-inf")) >= since

    def wait_s(self, failed: Collection[tuple[str, CallFailed]], waited_s: float) -> float | None:
        """How long a document waits for the models that failed, after waits of `waited_s`; None where it does not wait.

        Where no model states a time, the last wait ends at the limit.
        """
        now = self._clock()
        began_at = max((self._since.get(name, now) for name, _ in failed), default=now)
        passed_s = max(waited_s, now - began_at)
        left_s = self._wait_limit_s - passed_s
        unstated_s = max(min(max(passed_s, FIRST_WAIT_S), left_s), FIRST_WAIT_S)
        wait_s = again_in_s([error for _, error in failed], unstated_s)
        if wait_s is None or wait_s > left_s:
            return None
        for name, error in failed:
            if name not in self._since:
                self._since[name] = now
                progress.publish(progress.Waiting(name, str(error), left_s))
        return min(wait_s + random.uniform(0, max(SPREAD_S, wait_s * SPREAD_SHARE)), left_s)


class DocumentWaits:
    """The waits of one document for models that are down."""

    def __init__(self, outages: Outages, clock: Callable[[], float] = time.monotonic) -> None:
        self._outages = outages
        self._clock = clock
        self._waited_s = 0.0
        self._faults_among_answers = 0
        self._asked_at = clock()

    def next_s(self, failed: Sequence[tuple[str, CallFailed]]) -> float | None:
        """How long to wait before the models that failed are asked again; None where they are not asked again."""
        if any(
            isinstance(error, FAULTS) and self._outages.has_answered(name, self._asked_at) for name, error in failed
        ):
            self._faults_among_answers += 1
        if self._faults_among_answers > MAX_FAULTS_AMONG_ANSWERS:
            return None
        wait_s = self._outages.wait_s(failed, self._waited_s)
        if wait_s is not None:
            self._waited_s += wait_s
            self._asked_at = self._clock() + wait_s
        return wait_s


def again_in_s(failures: Sequence[CallFailed], unstated_s: float = FIRST_WAIT_S) -> float | None:
    """In how many seconds the first of the models that failed may be asked again; `unstated_s` where it states no time.

    None where each of them needs a person, and where any failure is not an outage but about the document.
    """
    if not all(
        isinstance(failure, (CircuitOpen, RateLimited, *FAULTS)) or failure.needs_person for failure in failures
    ):
        return None
    waits = [
        failure.again_in_s for failure in failures if isinstance(failure, CircuitOpen) and not failure.waits_for_person
    ]
    waits += [failure.retry_after_s or unstated_s for failure in failures if isinstance(failure, RateLimited)]
    waits += [max(failure.retry_after_s or 0.0, unstated_s) for failure in failures if isinstance(failure, FAULTS)]
    return min(waits, default=None)
