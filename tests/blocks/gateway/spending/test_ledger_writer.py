"""The ledger writer against a ledger that is a script, in virtual time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from blocks.errors import DatabaseUnreachable
from blocks.gateway.errors import BudgetExhausted, BudgetHeld, LedgerUnavailable
from blocks.gateway.spending.group_commit import Rounds
from blocks.gateway.spending.ledger_writer import LedgerWriter
from blocks.ledger import ADMITTED, Admission, Caps, ModelCall, Reservation, Settlement
from tests.doubles.virtual_time import START_S, now, run_virtually

USD = Decimal
T = TypeVar("T")
FULL = Admission(False, "run", USD(1), USD(1))
HELD = Admission(False, "day", USD(1), USD("0.2"), may_fit_later=True)


class ScriptedLedger:
    """Answers each exchange by `answer`, which is told its number from 1; keeps what was settled, and when."""

    def __init__(self, answer: Callable[[int], Admission | Exception] = lambda _number: ADMITTED) -> None:
        self.answer = answer
        self.exchanges = 0
        self.at: list[float] = []
        self.settled: list[Settlement] = []
        self.during: Callable[[], object] | None = None

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        self.exchanges += 1
        self.at.append(now() - START_S)
        if self.during is not None:
            self.during()
        answer = self.answer(self.exchanges)
        if isinstance(answer, Exception):
            raise answer
        self.settled += settlements
        return tuple(answer for _ in reservations)

    def recover(self) -> int:
        return 0

    def close(self) -> None: ...


def away() -> DatabaseUnreachable:
    return DatabaseUnreachable("a database", "it is being restarted")


def reservation(key: str = "k", max_usd: str = "0.10") -> Reservation:
    call = ModelCall(document_id="d", model="m", model_version="1", call_key=key, outcome="open")
    return Reservation("r", call, USD(max_usd), Caps(run_usd=USD(1)))


def settlement(key: str = "k", outcome: str = "ok") -> Settlement:
    call = ModelCall(document_id="d", model="m", model_version="1", call_key=key, outcome=outcome, cost_usd=USD("0.01"))
    return Settlement("r", call, USD("0.10"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Coroutine[object, object, T]], T]:
    """Runs in virtual time; the ledger then works on the loop, since threads take real time."""

    async def inline(work: Callable[..., T], *given: Any) -> T:
        await asyncio.sleep(0)
        return work(*given)

    monkeypatch.setattr(asyncio, "to_thread", inline)
    return run_virtually


Run = Callable[[Coroutine[object, object, Any]], Any]


@pytest.mark.parametrize("deadline_s", [3_600.0, 2.0])
def test_a_reservation_waits_for_the_database_no_longer_than_its_limit_or_deadline(run: Run, deadline_s: float) -> None:
    ledger = ScriptedLedger(lambda _number: away())

    async def scene() -> float:
        writer = LedgerWriter(ledger, Rounds(), outage_wait_limit_s=5.0)
        with pytest.raises(LedgerUnavailable, match="being restarted"):
            await writer.reserve(reservation(), now() + deadline_s)
        return now() - START_S

    limit_s = min(5.0, deadline_s)
    assert limit_s - 2.0 < run(scene()) <= limit_s  # the next try would come after it
    assert ledger.exchanges >= 3


def test_each_outage_has_the_time_of_its_own(run: Run) -> None:
    """Money is waited for between two outages of three seconds each."""

    def answer(_number: int) -> Admission | Exception:
        at = now() - START_S
        if at < 3.0 or 4.0 < at < 7.0:
            return away()
        return HELD if at < 4.0 else ADMITTED

    ledger = ScriptedLedger(answer)

    async def scene() -> None:
        await LedgerWriter(ledger, Rounds(), outage_wait_limit_s=5.0).reserve(reservation(), now() + 3_600)

    run(scene())
    assert ledger.at[-1] > 6.0


def test_tries_come_ever_more_rarely_and_the_log_says_both_ends(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    ledger = ScriptedLedger(lambda number: away() if number <= 10 else ADMITTED)

    async def scene() -> int:
        writer = LedgerWriter(ledger, Rounds())
        writer.settle_later(settlement())
        await asyncio.sleep(60)
        return writer.pending

    with caplog.at_level(logging.WARNING):
        assert run(scene()) == 0
    gaps = [round(later - earlier, 2) for earlier, later in zip(ledger.at, ledger.at[1:], strict=False)]
    assert gaps[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert set(gaps[5:]) == {2.0}
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2, "an outage of 13 s is logged once, and its end"
    assert texts[0].startswith("the ledger cannot be written; 1 calls wait to be settled")
    assert texts[1].startswith("the ledger is written again, after 13.")


def test_a_reservation_whose_caller_was_cancelled_is_released(run: Run) -> None:
    ledger = ScriptedLedger()

    async def scene() -> None:
        writer = LedgerWriter(ledger, Rounds())
        caller = asyncio.create_task(writer.reserve(reservation(), now() + 60))
        ledger.during = caller.cancel  # while the ledger admits it
        with pytest.raises(asyncio.CancelledError):
            await caller
        ledger.during = None
        assert await writer.close() == 0

    run(scene())
    (given,) = ledger.settled
    assert (given.run_id, given.call.call_key, given.call.outcome) == ("r", "k", "cancelled")
    assert (given.max_usd, given.call.cost_usd, given.call.unconfirmed_usd) == (USD("0.10"), USD(0), USD(0))


def test_a_reservation_that_is_admitted_after_the_deadline_is_released(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(work: Callable[..., T], *given: Any) -> T:
        result = work(*given)
        await asyncio.sleep(10)
        return result

    monkeypatch.setattr(asyncio, "to_thread", slowly)
    ledger = ScriptedLedger()

    async def scene() -> float:
        writer = LedgerWriter(ledger, Rounds())
        with pytest.raises(LedgerUnavailable, match="did not answer in time"):
            await writer.reserve(reservation(), now() + 5)
        failed_at = now() - START_S
        await asyncio.sleep(30)
        assert writer.pending == 0
        return failed_at

    assert run(scene()) == 5.0
    assert [(given.call.call_key, given.call.outcome) for given in ledger.settled] == [("k", "cancelled")]


def test_a_refused_reservation_of_a_caller_who_has_gone_releases_nothing(run: Run) -> None:
    ledger = ScriptedLedger(lambda _number: FULL)

    async def scene() -> None:
        writer = LedgerWriter(ledger, Rounds())
        caller = asyncio.create_task(writer.reserve(reservation(), now() + 60))
        ledger.during = caller.cancel
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert await writer.close() == 0

    run(scene())
    assert ledger.settled == []


def test_a_budget_that_is_used_up_is_not_waited_for(run: Run) -> None:
    ledger = ScriptedLedger(lambda _number: FULL)

    async def scene() -> None:
        with pytest.raises(BudgetExhausted):
            await LedgerWriter(ledger, Rounds()).reserve(reservation(), now() + 60)

    run(scene())
    assert ledger.exchanges == 1


def test_money_that_is_held_is_asked_for_each_second_and_when_a_call_is_settled(run: Run) -> None:
    ledger = ScriptedLedger(lambda _number: HELD)

    async def scene() -> float:
        writer = LedgerWriter(ledger, Rounds(0.0), poll_s=1.0)
        asyncio.get_running_loop().call_later(2.5, writer.settle_later, settlement("other"))
        with pytest.raises(BudgetHeld, match="calls under way hold the rest of the day budget; run again, or raise it"):
            await writer.reserve(reservation(), now() + 4.0)
        return now() - START_S

    assert run(scene()) == 4.0
    assert [round(at, 1) for at in ledger.at] == [0.0, 1.0, 2.0, 2.5, 2.5, 3.5]


def test_money_that_is_held_is_the_reason_where_the_deadline_passes_while_it_is_asked_for_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(work: Callable[..., T], *given: Any) -> T:
        await asyncio.sleep(3)
        return work(*given)

    monkeypatch.setattr(asyncio, "to_thread", slowly)

    async def scene() -> float:
        writer = LedgerWriter(ScriptedLedger(lambda _number: HELD), Rounds(0.0), poll_s=1.0)
        with pytest.raises(BudgetHeld, match="rest of the day budget"):
            await writer.reserve(reservation(), now() + 5.0)
        return now() - START_S

    assert run(scene()) == 5.0


def test_too_many_pending_settlements_stop_reservations_until_they_are_written(run: Run) -> None:
    ledger = ScriptedLedger(lambda number: away() if number == 1 else ADMITTED)

    async def scene() -> None:
        writer = LedgerWriter(ledger, Rounds(), max_pending=2)
        for key in "ab":
            writer.check()
            writer.settle_later(settlement(key))
        with pytest.raises(LedgerUnavailable, match="2 calls wait to be settled"):
            await writer.reserve(reservation(), now() + 60)
        assert await writer.close() == 0
        await writer.reserve(reservation(), now() + 60)

    run(scene())
    assert sorted(given.call.call_key for given in ledger.settled) == ["a", "b"]


def test_settling_waits_for_one_try_and_not_for_the_end_of_an_outage(run: Run) -> None:
    ledger = ScriptedLedger(lambda number: away() if number < 5 else ADMITTED)

    async def scene() -> float:
        writer = LedgerWriter(ledger, Rounds())
        await writer.settle(settlement(), now() + 60)
        settled_at = now() - START_S
        assert writer.pending == 1
        assert await writer.close() == 0
        return settled_at

    assert run(scene()) < 0.1
    assert [given.call.call_key for given in ledger.settled] == ["k"]


def test_what_is_not_settled_when_the_time_to_close_is_over_is_counted(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ScriptedLedger(lambda _number: away())

    async def scene() -> tuple[int, float]:
        writer = LedgerWriter(ledger, Rounds())
        writer.settle_later(settlement())
        return await writer.close(timeout_s=7.0), now() - START_S

    assert run(scene()) == (1, 7.0)
    assert "1 model calls could not be settled: their rows stay open" in caplog.text


def test_a_row_that_the_ledger_refuses_twice_is_dropped_and_keeps_nothing_open(run: Run) -> None:
    ledger = ScriptedLedger(lambda _number: TypeError("no such column"))

    async def scene() -> int:
        writer = LedgerWriter(ledger, Rounds())
        await writer.settle(settlement(), now() + 60)
        return writer.pending

    assert run(scene()) == 0
    assert ledger.exchanges == 2, "once as it was, once as lost"
