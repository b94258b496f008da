"""What workers share beyond the ledger, as Protocols: the database keeps it, and `tasks/score/task.py` joins the two.

All of it is called from worker threads, never from the event loop.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BreakerReport:
    """A breaker as workers tell one another. `key` is a model's name, or what models of one endpoint share.

    `open_for_s` is what is left of its pause, 0 if closed.
    """

    key: str
    is_open: bool
    why: str = ""
    open_for_s: float = 0.0


class BreakerStates(Protocol):
    """Shares breakers between workers."""

    def load(self) -> Mapping[str, BreakerReport]:
        """Every breaker that is not closed, by key."""
        ...

    def open(self, key: str, why: str, for_s: float) -> None:
        """Open a breaker for every worker."""
        ...

    def close(self, key: str) -> None:
        """Close it for every worker."""
        ...

    def claim_probe(self, key: str, for_s: float) -> bool:
        """Whether this worker may send the one probe of a half-open breaker; the claim lapses after `for_s`."""
        ...


class LimitLeases(Protocol):
    """Divides each model's limits among the workers that use it."""

    def renew(self, models: Collection[str], for_s: float) -> Mapping[str, tuple[int, int]]:
        """Renew this worker's leases; tells by model how many live workers share its limits, this one included.

        Before that number stands this worker's place among them, from 0, in the order in which they came.
        """
        ...

    def release(self) -> None:
        """Give this worker's leases up, so that others have its share at once."""
        ...


class ReplyCache(Protocol):
    """Keeps validated replies by the digest of the whole request."""

    def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """The replies that are kept, by key."""
        ...

    def count_hits(self, keys: Collection[str]) -> None:
        """Note that these replies were used: those used longest ago are forgotten first."""
        ...

    def keep(self, replies: Mapping[str, tuple[str, bytes]], *, replaces: bool) -> None:
        """Keep replies: by key the model that answered, and the reply's JSON.

        A key that is there stays as it is, or, with `replaces`, gets the new reply.
        """
        ...
