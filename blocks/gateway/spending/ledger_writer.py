"""The ledger writer brings reservations and settlements of all calls of a process to the ledger, in groups.

It fails closed: without a ledger nothing is reserved, and so nothing is sent. What has been sent is settled in every
case: settlements are kept until they are written, however long the database is away. None is ever dropped, since no new
call begins while too many wait. A process that dies with some leaves its rows open, which others settle as lost.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from blocks.errors import DatabaseUnreachable
from blocks.gateway.errors import BudgetExhausted, LedgerUnavailable, LimitsReached
from blocks.gateway.spending.group_commit import GroupCommit, Rounds
from blocks.ledger import ADMITTED, Admission, ModelCall, Reservation, Settlement
from blocks.records import CANCELLED, LOST

PATIENCE_S = 5.0
"""How long a reservation waits for a database that is away: a restart of PostgreSQL takes a second or two."""
POLL_S = 1.0
"""How often money that others have reserved is asked for again."""
MAX_PENDING = 10_000
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 2.0
COMPLAIN_EVERY_S = 30.0

log = logging.getLogger(__name__)

_IDENTITY = {"document_id", "model", "model_version", "call_key", "step", "attempt", "lane"}


class Ledger(Protocol):
    """Keeps calls and money durably, in groups. Called from worker threads, never from the event loop."""

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        """Settle, then admit or refuse each reservation in order, in one transaction; one admission per reservation."""
        ...

    def recover(self) -> int:
        """Settle as `lost` what workers that died left open; returns how many. Cheap where there is none."""
        ...

    def close(self) -> None:
        """Settle as `lost` what this worker still has open, and count as alive no longer."""
        ...


@dataclass(slots=True)
class _Outage:
    """That the database is away: since when, and when it is tried again."""

    since: float
    try_again_at: float
    pause_s: float = FIRST_PAUSE_S
    complained_at: float = 0.0


class LedgerWriter:
    """Reserves and settles. Lives on the gateway's event loop; the ledger works in a thread."""

    def __init__(
        self,
        ledger: Ledger,
        rounds: Rounds,
        *,
        patience_s: float = PATIENCE_S,
        poll_s: float = POLL_S,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._ledger = ledger
        self._patience_s = patience_s
        self._poll_s = poll_s
        self._most_pending = max_pending
        self._group: GroupCommit[Reservation | Settlement, Admission] = GroupCommit(
            self._exchange, rounds, unclaimed=self._give_back
        )
        self._pending: dict[str, Settlement] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._money_back = asyncio.Event()
        self._outage: _Outage | None = None

    @property
    def pending(self) -> int:
        """How many settlements are not written yet."""
        return len(self._pending)

    def check(self) -> None:
        """Raise `LedgerUnavailable` where so many settlements wait that no further call may begin."""
        if len(self._pending) >= self._most_pending:
            raise LedgerUnavailable(f"{len(self._pending):,} calls wait to be settled")

    async def reserve(self, reservation: Reservation, deadline: float) -> None:
        """Reserve money for one attempt; wait, until `deadline`, for what is only reserved by calls under way.

        Raises `BudgetExhausted` where no call fits what is left, `LimitsReached` where the money is still held by calls
        under way at the deadline, and `LedgerUnavailable` where the ledger cannot say.
        Whoever is cancelled while waiting has reserved nothing.
        """
        unreachable_since: float | None = None
        while True:
            self.check()
            self._money_back.clear()
            try:
                admission = await self._group.ask(reservation, deadline)
            except TimeoutError:
                raise LedgerUnavailable("it did not answer in time") from None
            except DatabaseUnreachable as error:
                self._is_away(error)
                unreachable_since = unreachable_since or _now()
                if not await self._next_try(min(deadline, unreachable_since + self._patience_s)):
                    raise LedgerUnavailable(str(error)) from error
                continue
            self._is_back()
            unreachable_since = None
            if admission.is_admitted:
                return
            if not admission.may_fit_later:
                raise BudgetExhausted(admission.scope, f"{admission.cap_usd:f}", f"{admission.spent_usd:f}")
            if not await self._money_within(deadline):
                raise LimitsReached(reservation.call.model)  # no shortage of money: calls under way hold it

    async def settle(self, settlement: Settlement, deadline: float) -> None:
        """Settle an attempt and wait until that is written, not beyond `deadline`, nor for a database that is away.

        It is written in any case, sooner or later, whatever becomes of the caller.
        """
        tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        alarm = tried.get_loop().call_at(deadline, _tell, tried)
        self._start(settlement, tried)
        try:
            await tried
        finally:
            alarm.cancel()

    def settle_later(self, settlement: Settlement) -> None:
        """Settle an attempt without waiting for it."""
        self._start(settlement, None)

    async def close(self, timeout_s: float = 30.0) -> int:
        """Wait until everything is settled, and say how much is not: those rows stay open, until they are lost."""
        until = _now() + timeout_s
        while self._pending and _now() < until:
            self._money_back.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._money_back.wait()
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
        """Take note of what became of a settlement. What was not written is handed in again, sooner or later."""
        if answer.cancelled():
            self._write_at_once()
        elif (error := answer.exception()) is None:
            self._is_back()
            self._forget(settlement)
        elif isinstance(error, LedgerUnavailable):  # it was logged; another try with this row would give the same
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
        _tell(tried)

    async def _start_later(self, settlement: Settlement) -> None:
        try:
            await self._next_try(math.inf)
        except asyncio.CancelledError:
            self._write_at_once()
            raise
        self._start(settlement, None)

    def _forget(self, settlement: Settlement) -> None:
        self._pending.pop(settlement.call.call_key, None)
        self._money_back.set()

    def _write_at_once(self) -> None:
        """The loop is being closed: write what waits, without it."""
        settlements, self._pending = tuple(self._pending.values()), {}
        if settlements:
            try:
                self._exchange(settlements)
            except DatabaseUnreachable as error:
                log.error("%d model calls could not be settled: their rows stay open (%s)", len(settlements), error)

    def _exchange(self, items: Sequence[Reservation | Settlement]) -> list[Admission | Exception]:
        """One exchange with the ledger; called in a thread. Raises `DatabaseUnreachable`."""
        settlements = [one for one in items if isinstance(one, Settlement)]
        reservations = [one for one in items if isinstance(one, Reservation)]
        try:
            admissions = iter(self._ledger.exchange(settlements, reservations))
        except DatabaseUnreachable:
            raise
        except Exception as error:
            if len(items) == 1:  # a row that the ledger does not take must not keep others out of it
                log.exception("the ledger does not take call %s", items[0].call.call_key)
                return [LedgerUnavailable(f"{type(error).__name__} for call {items[0].call.call_key}")]
            return [answer for one in items for answer in self._exchange_alone(one)]
        return [next(admissions) if isinstance(one, Reservation) else ADMITTED for one in items]

    def _exchange_alone(self, item: Reservation | Settlement) -> Sequence[Admission | Exception]:
        try:
            return self._exchange([item])
        except DatabaseUnreachable as error:  # those before it are written all the same
            return [error]

    def _give_back(self, item: Reservation | Settlement, admission: Admission) -> None:
        """Settle a reservation that was made for somebody who has gone: nothing was sent."""
        if isinstance(item, Reservation) and admission.is_admitted:
            self.settle_later(released(item))

    # --- while the database is away

    def _is_away(self, error: BaseException) -> None:
        now = _now()
        if self._outage is None:
            self._outage = _Outage(since=now, try_again_at=now + FIRST_PAUSE_S)
        outage = self._outage
        if now >= outage.try_again_at:
            outage.pause_s = min(outage.pause_s * 2, LAST_PAUSE_S)
            outage.try_again_at = now + outage.pause_s
        if now - outage.complained_at >= COMPLAIN_EVERY_S:
            outage.complained_at = now
            log.error("the ledger cannot be written; %d calls wait to be settled (%s)", len(self._pending), error)

    def _is_back(self) -> None:
        outage, self._outage = self._outage, None
        if outage is not None:
            log.warning("the ledger is written again, after %.1f s", _now() - outage.since)

    async def _next_try(self, last: float) -> bool:
        """Wait until the database is to be tried again; False at once where that is later than `last`."""
        try_again_at = self._outage.try_again_at if self._outage is not None else 0.0
        if try_again_at > last:
            return False
        await asyncio.sleep(max(0.0, try_again_at - _now()))
        return True

    async def _money_within(self, deadline: float) -> bool:
        """Wait until a call of this process has been settled, or others may have been; False at the deadline."""
        left_s = deadline - _now()
        if left_s <= 0:
            return False
        try:
            async with asyncio.timeout(min(self._poll_s, left_s)):
                await self._money_back.wait()
        except TimeoutError:
            return _now() < deadline
        return True


def released(reservation: Reservation) -> Settlement:
    """The settlement of an attempt that was never sent."""
    call = reservation.call.model_copy(update={"outcome": CANCELLED})
    return Settlement(reservation.run_id, call, reservation.max_usd)


def _lost(settlement: Settlement) -> Settlement:
    """What stands for a settlement that the ledger does not take: all that was reserved may have been spent."""
    known = settlement.call.model_dump(include=_IDENTITY)
    call = ModelCall(**known, outcome=LOST, unconfirmed_usd=settlement.max_usd)
    return Settlement(settlement.run_id, call, settlement.max_usd)


def _tell(tried: "asyncio.Future[None] | None") -> None:
    if tried is not None and not tried.done():
        tried.set_result(None)


def _now() -> float:
    """The loop's time, which is that of `time.monotonic()`."""
    return asyncio.get_running_loop().time()
