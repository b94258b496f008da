"""Token buckets: an amount per minute, of which a little may be taken at once.

A bucket holds a twentieth of the minute's limit. Its refill rate lets no minute see more than the limit, even if the
minute starts with a full bucket. Only a single amount larger than the bucket passes the limit, by its own size.
"""

import math

MINUTE_S = 60.0
BURST_SHARE = 0.05
ROUNDING = 1e-9


class Bucket:
    """An amount that is refilled at a steady rate. A level below 0 is debt: it is refilled first."""

    __slots__ = ("_at", "_level", "capacity", "rate")

    def __init__(self, capacity: float, rate: float, level: float, now: float) -> None:
        self.capacity, self.rate = capacity, rate
        self._level, self._at = level, now

    def wait_s(self, amount: float, now: float) -> float:
        """How long until `amount` may be taken; one larger than the bucket may be when it is full."""
        self._fill(now)
        missing = min(amount, self.capacity) - self._level
        if missing <= ROUNDING:
            return 0.0
        return missing / self.rate if self.rate else math.inf

    def take(self, amount: float) -> None:
        """Take an amount; a negative one is given back."""
        self._level = min(self.capacity, self._level - amount)

    def resize(self, capacity: float, rate: float, now: float) -> None:
        """Change the limit; what is owed stays owed, and what is there stays there as far as it has room."""
        self._fill(now)
        self.capacity, self.rate = capacity, rate
        self._level = min(self._level, capacity)

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
            self._at = now


def resized(
    bucket: Bucket | None, per_minute: int | None, workers: int, now: float, *, counts_requests: bool
) -> Bucket | None:
    """A worker's bucket of a limit per minute. With `counts_requests` it has room for a request at least.

    A part of less than one request a minute is a fraction: the worker waits for longer than a minute.
    """
    if per_minute is None:
        return None
    share = per_minute / workers
    burst = max(1.0, share * BURST_SHARE) if counts_requests else share * BURST_SHARE
    rate = (share - max(0.0, burst - 1 if counts_requests else burst)) / MINUTE_S
    if bucket is None:
        return Bucket(burst, rate, burst, now)
    bucket.resize(burst, rate, now)
    return bucket
