"""The ledger writer brings the reservations and settlements of all calls of a process to the ledger, in groups.

It fails closed: without a ledger nothing is reserved, and so nothing is sent. What was sent is always settled:
settlements are kept until they are written, however long the database is away. None is ever dropped, since no call
begins while too many wait. A process that dies leaves its calls open, and other workers settle them as lost.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from blocks.errors import DatabaseUnreachable
from blocks.gateway.errors import BudgetExhausted, BudgetHeld, LedgerUnavailable
from blocks.gateway.spending.group_commit import GroupCommit, Rounds
from blocks.ledger import ADMITTED, Admission, ModelCall, Reservation, Settlement
from blocks.records import CANCELLED, LOST

OUTAGE_WAIT_LIMIT_S = 5.0
"""How long a reservation waits for a database that is away. A restart of PostgreSQL takes a second or two."""
POLL_S = 1.0
"""How often a reservation that waits for money asks again: other processes do not report what they release."""
MAX_PENDING = 10_000
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 2.0
LOG_OUTAGE_EVERY_S = 30.0

log = logging.getLogger(__name__)

_IDENTITY = ("document_id", "model", "model_version", "call_key", "step", "attempt", "lane")


class Ledger(Protocol):
    """Keeps calls and money durably, in groups. Called from worker threads, never from the event loop."""

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        """Settle, then admit or refuse each reservation in order, in one transaction; one admission per reservation."""
        ...

    def recover(self) -> int:
        """Settle as `lost` what dead workers left open; returns how many. Cheap where there is none."""
        ...

    def close(self) -> None:
        """Settle as `lost` what this worker still has open, and count as dead from then on."""
        ...


@dataclass(slots=True)
class _Outage:
    """The database is away: since when, and when it is tried again."""

    since: float
    try_again_at: float
    pause_s: float = FIRST_PAUSE_S
    logged_at: float = 0.0


class LedgerWriter:
    """Reserves and settles. Lives on the gateway's event loop; the ledger works in a thread."""

    def __init__(
        self,
        ledger: Ledger,
        rounds: Rounds,
        *,
        outage_wait_limit_s: float = OUTAGE_WAIT_LIMIT_S,
        poll_s: float = POLL_S,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._ledger = ledger
        self._outage_wait_limit_s = outage_wait_limit_s
        self._poll_s = poll_s
        self._max_pending = max_pending
        self._group: GroupCommit[Reservation | Settlement, Admission] = GroupCommit(
            self._exchange, rounds, unclaimed=self._release_unclaimed
        )
        self._pending: dict[str, Settlement] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._outage: _Outage | None = None

    @property
    def pending(self) -> int:
        """How many settlements are not written yet."""
        return len(self._pending)

    def check(self) -> None:
        """Raise `LedgerUnavailable` where so many settlements wait that no further call may begin."""
        if len(self._pending) >= self._max_pending:
            raise LedgerUnavailable(f"{len(self._pending):,} calls wait to be settled")

    async def reserve(self, reservation: Reservation, deadline: float) -> None:
        """Reserve money for one attempt. Waits until `deadline` for money that calls under way have reserved.

        Raises `BudgetExhausted` where no call fits what is left, `BudgetHeld` where calls under way still hold the
        money at the deadline, and `LedgerUnavailable` where the ledger gives no answer.
        A caller that is cancelled while waiting has reserved nothing.
        """
        unreachable_since: float | None = None
        held_scope = ""
        while True:
            self.check()
            self._settled.clear()
            try:
                admission = await self._group.ask(reservation, deadline)
            except TimeoutError:
                raise (
                    BudgetHeld(held_scope) if held_scope else LedgerUnavailable("it did not answer in time")
                ) from None
            except DatabaseUnreachable as error:
                self._is_away(error)
                unreachable_since = _now() if unreachable_since is None else unreachable_since
                if not await self._next_try(min(deadline, unreachable_since + self._outage_wait_limit_s)):
                    raise LedgerUnavailable(str(error)) from error
                continue
            self._is_back()
            unreachable_since = None
            if admission.is_admitted:
                return
            if not admission.may_fit_later:
                raise BudgetExhausted(admission.scope, f"{admission.cap_usd:f}", f"{admission.spent_usd:f}")
            held_scope = admission.scope
            if not await self._settled_within(deadline):
                raise BudgetHeld(held_scope)

    async def settle(self, settlement: Settlement, deadline: float) -> None:
        """Settle an attempt and wait until that is written; not beyond `deadline`, nor for a database that is away.

        It is written in any case, sooner or later, even where the caller is cancelled.
        """
        tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        alarm = tried.get_loop().call_at(deadline, _finish, tried)
        self._start(settlement, tried)
        try:
            await tried
        finally:
            alarm.cancel()

    def settle_later(self, settlement: Settlement) -> None:
        """Settle an attempt without waiting for it."""
        self._start(settlement, None)

    async def close(self, timeout_s: float = 30.0) -> int:
        """Wait until all is settled; returns how many calls are not. Their rows stay open until they are lost."""
        until = _now() + timeout_s
        while self._pending and _now() < until:
            self._settled.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._settled.wait()
        if self._pending:
            log.error("%d model calls could not be settled: their rows stay open", len(self._pending))
        return len(self._pending)

    def _start(self, settlement: Settlement, tried: "asyncio.Future[None] | None") -> None:
        self._pending[settlement.call.call_key] = settlement
        answer = self._group.hand_in(settlement)
        answer.add_done_callback(lambda done: self._answered(settlement, tried, done))

    def _answered(
        self, settlement: Settlement, tried: "asyncio.Future[None] | None", answer: asyncio.Future[Admission]
    ) -> None:
        """Note the outcome of a settlement. One that was not written is handed in again later."""
        if answer.cancelled():
            self._write_at_once()
        elif (error := answer.exception()) is None:
            self._is_back()
            self._forget(settlement)
        elif isinstance(error, LedgerUnavailable):  # logged already; the same row would be refused again
            if settlement.call.outcome == LOST:
                self._forget(settlement)
            else:
                self._start(_lost(settlement), tried)
                return
        else:
            self._is_away(error)
            task = asyncio.create_task(self._start_later(settlement), name="settlement")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        _finish(tried)

    async def _start_later(self, settlement: Settlement) -> None:
        try:
            await self._next_try(math.inf)
        except asyncio.CancelledError:
            self._write_at_once()
            raise
        self._start(settlement, None)

    def _forget(self, settlement: Settlement) -> None:
        self._pending.pop(settlement.call.call_key, None)
        self._settled.set()

    def _write_at_once(self) -> None:
        """The loop is being closed: write the waiting settlements without it."""
        settlements, self._pending = tuple(self._pending.values()), {}
        if settlements:
            try:
                self._exchange(settlements)
            except DatabaseUnreachable as error:
                log.error("%d model calls could not be settled: their rows stay open (%s)", len(settlements), error)

    def _release_unclaimed(self, item: Reservation | Settlement, admission: Admission) -> None:
        """Release a reservation whose caller has gone: nothing was sent."""
        if isinstance(item, Reservation) and admission.is_admitted:
            self.settle_later(released(item))

    def _exchange(self, items: Sequence[Reservation | Settlement]) -> list[Admission | Exception]:
        """One exchange with the ledger. Raises `DatabaseUnreachable`."""
        settlements = [item for item in items if isinstance(item, Settlement)]
        reservations = [item for item in items if isinstance(item, Reservation)]
        try:
            admissions = iter(self._ledger.exchange(settlements, reservations))
        except DatabaseUnreachable:
            raise
        except Exception as error:
            if len(items) == 1:  # a row that the ledger refuses must not keep others out of it
                log.exception("the ledger does not take call %s", items[0].call.call_key)
                return [LedgerUnavailable(f"{type(error).__name__} for call {items[0].call.call_key}")]
            return [answer for item in items for answer in self._exchange_alone(item)]
        return [next(admissions) if isinstance(item, Reservation) else ADMITTED for item in items]

    def _exchange_alone(self, item: Reservation | Settlement) -> Sequence[Admission | Exception]:
        try:
            return self._exchange([item])
        except DatabaseUnreachable as error:  # the items before it are written all the same
            return [error]

    def _is_away(self, error: BaseException) -> None:
        now = _now()
        if self._outage is None:
            self._outage = _Outage(since=now, try_again_at=now + FIRST_PAUSE_S)
        outage = self._outage
        if now >= outage.try_again_at:
            outage.pause_s = min(outage.pause_s * 2, LAST_PAUSE_S)
            outage.try_again_at = now + outage.pause_s
        if now - outage.logged_at >= LOG_OUTAGE_EVERY_S:
            outage.logged_at = now
            log.error("the ledger cannot be written; %d calls wait to be settled (%s)", len(self._pending), error)

    def _is_back(self) -> None:
        outage, self._outage = self._outage, None
        if outage is not None:
            log.warning("the ledger is written again, after %.1f s", _now() - outage.since)

    async def _next_try(self, latest: float) -> bool:
        """Wait until the database is to be tried again; False at once where that is later than `latest`."""
        try_again_at = self._outage.try_again_at if self._outage is not None else 0.0
        if try_again_at > latest:
            return False
        await asyncio.sleep(max(0.0, try_again_at - _now()))
        return True

    async def _settled_within(self, deadline: float) -> bool:
        """Wait until a call of this process is settled, or those of others may be; False at the deadline."""
        left_s = deadline - _now()
        if left_s <= 0:
            return False
        try:
            async with asyncio.timeout(min(self._poll_s, left_s)):
                await self._settled.wait()
        except TimeoutError:
            return _now() < deadline
        return True


def released(reservation: Reservation) -> Settlement:
    """The settlement of an attempt that was never sent."""
    return Settlement(reservation.run_id, replace(reservation.call, outcome=CANCELLED), reservation.max_usd)


def _lost(settlement: Settlement) -> Settlement:
    """In place of a settlement that the ledger refuses: all the money that was reserved may have been spent."""
    known: dict[str, Any] = {name: getattr(settlement.call, name) for name in _IDENTITY}
    call = ModelCall(**known, outcome=LOST, unconfirmed_usd=settlement.max_usd)
    return Settlement(settlement.run_id, call, settlement.max_usd)


def _finish(tried: "asyncio.Future[None] | None") -> None:
    if tried is not None and not tried.done():
        tried.set_result(None)


def _now() -> float:
    """The loop's time, which is that of `time.monotonic()`."""
    return asyncio.get_running_loop().time()
