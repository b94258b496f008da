"""The double's books: a log of every request and the bill, which tests take as the truth."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.doubles.model_provider.script import Limits, Price
from tests.doubles.model_provider.wire import Tokens

MILLION = Decimal(1_000_000)


@dataclass(slots=True)
class Entry:
    """One request. Times of `time.monotonic()`, which all processes of a machine share.

    `status` 0: no status was sent. `is_whole`: the reply was sent to its last byte. `gone_at`: when the client closed
    the connection before that. `usage` as it was sent, and `cost_usd` what it costs, empty where nothing is billed.
    """

    number: int
    path: str
    model: str = ""
    key: str = ""
    received_at: float = 0.0
    ended_at: float | None = None
    gone_at: float | None = None
    status: int = 0
    rule: str = ""
    usage: dict[str, int] | None = None
    cost_usd: str = ""
    is_whole: bool = False
    sent_bytes: int = 0
    in_flight: int = 0
    body: Any = None
    connection: int = 0


@dataclass(slots=True)
class Books:
    """All entries, the bill by model, and how many requests were under way at once at most."""

    prices: Mapping[str, Price] = field(default_factory=dict)
    journal: Path | None = None
    entries: list[Entry] = field(default_factory=list)
    bill: dict[str, Decimal] = field(default_factory=dict)
    billed: int = 0
    in_flight: int = 0
    high_water: int = 0

    def open(self, path: str, key: str, connection: int) -> Entry:
        """Enter a request that has arrived."""
        self.in_flight += 1
        self.high_water = max(self.high_water, self.in_flight)
        entry = Entry(len(self.entries) + 1, path, key=key, received_at=time.monotonic(), connection=connection)
        entry.in_flight = self.in_flight
        self.entries.append(entry)
        return entry

    def close(self, entry: Entry, usage: Tokens | None, *, is_whole: bool) -> None:
        """Enter the end of a request; what was sent whole with its usage is billed."""
        if entry.ended_at is not None:
            return
        self.in_flight -= 1
        entry.ended_at = time.monotonic()
        entry.is_whole = is_whole
        if usage is not None and is_whole:
            entry.usage = asdict(usage)
            cost = self._cost(entry.model, usage)
            entry.cost_usd = str(cost)
            self.billed += 1
            self.bill[entry.model] = self.bill.get(entry.model, Decimal(0)) + cost
        if self.journal is not None:
            with self.journal.open("a") as journal:
                journal.write(json.dumps(asdict(entry)) + "\n")

    def statement(self) -> dict[str, Any]:
        """The bill as JSON, amounts as exact decimal text."""
        total = sum(self.bill.values(), Decimal(0))
        return {"models": {m: str(c) for m, c in self.bill.items()}, "total_usd": str(total), "replies": self.billed}

    def _cost(self, model: str, usage: Tokens) -> Decimal:
        price = self.prices.get(model) or self.prices.get("*") or Price()
        cached = price.input if price.cached is None else price.cached
        written = price.input if price.cache_write is None else price.cache_write
        plain = usage.input - usage.cached - usage.cache_write
        dear = plain * price.input + usage.cached * cached + usage.cache_write * written + usage.output * price.output
        return dear / MILLION


class Window:
    """Rate limits over fixed windows."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._since = 0.0
        self.requests = 0
        self.tokens = 0

    def admit(self, tokens: int) -> bool:
        """Count a request; False where it is over the limits."""
        now = time.monotonic()
        if now - self._since >= self.limits.window_s:
            self._since, self.requests, self.tokens = now, 0, 0
        if self.requests >= self.limits.requests or self.tokens + tokens > self.limits.tokens:
            return False
        self.requests += 1
        self.tokens += tokens
        return True

    @property
    def reset_s(self) -> float:
        """Seconds until the next window."""
        return max(0.0, self._since + self.limits.window_s - time.monotonic())

    @property
    def state(self) -> tuple[int, int, int, int, float]:
        """Requests allowed and left, tokens allowed and left, seconds until the next window."""
        limits = self.limits
        return (
            limits.requests,
            limits.requests - self.requests,
            limits.tokens,
            limits.tokens - self.tokens,
            self.reset_s,
        )
