"""What workers share beyond the ledger, as Protocols: the database keeps it, and `tasks/runs/models.py` joins the two.

All of it is called from worker threads, never from the event loop.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CircuitReport:
    """The state of the circuit of the model `key`. `open_for_s` is what is left of its pause, 0 if closed."""

    key: str
    is_open: bool
    why: str = ""
    open_for_s: float = 0.0


class CircuitStates(Protocol):
    """Shares circuits between workers."""

    def load(self) -> Mapping[str, CircuitReport]:
        """Every circuit that is not closed, by key."""
        ...

    def open(self, key: str, why: str, for_s: float) -> None:
        """Open a circuit for every worker."""
        ...

    def close(self, key: str) -> None:
        """Close it for every worker."""
        ...

    def claim_probe(self, key: str, for_s: float) -> bool:
        """Whether this worker may send the one probe of a half-open circuit; the claim lapses after `for_s`."""
        ...


class LimitLeases(Protocol):
    """Divides each model's limits among the workers that use it."""

    def renew(self, models: Collection[str], for_s: float) -> Mapping[str, tuple[int, int]]:
        """Renew this worker's leases. By model: its place among the live workers of the model, from 0 in the order in
        which they came, and how many they are.
        """
        ...

    def release(self) -> None:
        """Release this worker's leases, so that others have its part at once."""
        ...


class ReplyCache(Protocol):
    """Keeps validated replies by the digest of the whole request."""

    def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """The stored replies, by key."""
        ...

    def count_hits(self, keys: Collection[str]) -> None:
        """Note that these replies were used: those used longest ago are deleted first."""
        ...

    def keep(self, replies: Mapping[str, tuple[str, bytes]], *, replaces: bool) -> None:
        """Store replies: by key the model that answered, and the reply's JSON.

        An existing key keeps its reply, or, with `replaces`, gets the new one.
        """
        ...
