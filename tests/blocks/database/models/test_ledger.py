import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from blocks.database.engine import Database, now
from blocks.database.models import ledger as ledger_module
from blocks.database.models.budgets import day_of
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.models.ledger_rows import row_of as row_of_call
from blocks.database.pipeline.runs import run_costs
from blocks.database.tables import budgets, model_call_texts, model_calls, model_versions
from blocks.errors import DatabaseUnreachable
from blocks.gateway.errors import BudgetExhausted
from blocks.gateway.spending.group_commit import Rounds
from blocks.gateway.spending.ledger_writer import Ledger, LedgerWriter
from blocks.ledger import Admission, CallText, Caps, ModelCall, Reservation, Settlement
from tests.database_fixtures import budget_of

USD = Decimal
ROOT = Path(__file__).parents[4]


def ledger_of(database: Database, worker_id: str | None = None) -> DatabaseLedger:
    return DatabaseLedger(database, worker_id)


def call(key: str, document_id: str = "d", **values: Any) -> ModelCall:
    return ModelCall(document_id=document_id, model="m", model_version="1", call_key=key, **values)


def asking(
    key: str, max_usd: str = "0.10", *, caps: Caps | None = None, document_id: str = "d", run: str = "r"
) -> Reservation:
    return Reservation(run, call(key, document_id, outcome="open"), USD(max_usd), caps or Caps())


def settling(key: str, cost: str = "0.03", *, run: str = "r", **values: Any) -> Settlement:
    return Settlement(run, call(key, cost_usd=USD(cost), **values), USD("0.10"))


def row_of(database: Database, key: str) -> dict[str, Any]:
    with database.read() as connection:
        return dict(connection.execute(select(model_calls).where(model_calls.c.call_key == key)).mappings().one())


def run_budget(database: Database, run: str = "r") -> tuple[Decimal | int, Decimal | int]:
    return budget_of(database, "run", run)


def reserved_at_rest(database: Database) -> Decimal | int:
    with database.read() as connection:
        rows = [*connection.execute(select(budgets.c.reserved_usd)).scalars()]
        rows += connection.execute(select(model_calls.c.reserved_usd)).scalars().all()
    return sum(rows, Decimal(0))


def test_it_is_the_ledger_that_the_gateway_asks_for(database: Database) -> None:
    ledger: Ledger = ledger_of(database)
    assert ledger.exchange((), ()) == ()


def test_a_call_is_open_until_it_is_settled_by_what_it_cost(database: Database) -> None:
    ledger = ledger_of(database)
    assert ledger.exchange((), [asking("a")]) == (Admission(is_admitted=True),)
    row = row_of(database, "a")
    assert (row["outcome"], row["reserved_usd"], row["worker_id"]) == ("open", USD("0.10"), ledger.worker_id)
    assert run_budget(database) == (0, USD("0.10"))
    assert run_costs(database, "r").model_calls == 0

    ledger.exchange([settling("a", "0.0312345678901234", input_tokens=9, lane="test")], ())
    row = row_of(database, "a")
    assert (row["outcome"], row["cost_usd"], row["reserved_usd"]) == ("ok", USD("0.0312345678901234"), 0)
    assert (row["input_tokens"], row["lane"]) == (9, "test")
    assert run_budget(database) == budget_of(database, "day", day_of(now())) == (USD("0.0312345678901234"), 0)
    assert run_costs(database, "r").model_calls == 1
    ledger.close()


@pytest.mark.parametrize("scope", ["run", "day", "document"])
def test_what_fits_no_cap_is_refused_by_its_name(database: Database, scope: str) -> None:
    ledger = ledger_of(database)
    caps = Caps(**{f"{scope}_usd": USD("0.25")})
    admissions = ledger.exchange((), [asking(key, caps=caps) for key in "abcd"])
    refusal = Admission(False, scope, USD("0.25"), USD(0), may_fit_later=True)
    assert admissions == (Admission(True), Admission(True), refusal, refusal)

    spent = [settling("a", "0.10"), settling("b", "0.10")]
    assert ledger.exchange(spent, [asking("e", caps=caps), asking("f", "0.05", caps=caps)]) == (
        Admission(False, scope, USD("0.25"), USD("0.20"), may_fit_later=False),
        Admission(True),
    )
    ledger.close()


def test_budgets_of_other_runs_documents_and_days_are_their_own(database: Database) -> None:
    ledger = ledger_of(database)
    caps = Caps(run_usd=USD("0.10"), document_usd=USD("0.10"))
    assert ledger.exchange((), [asking("a", caps=caps)])[0].is_admitted
    assert not ledger.exchange((), [asking("b", caps=caps)])[0].is_admitted
    assert ledger.exchange((), [asking("c", caps=caps, run="other")])[0].is_admitted
    assert ledger.exchange((), [asking("d", caps=Caps(document_usd=USD("0.10")), document_id="e")])[0].is_admitted
    ledger.close()


def test_a_call_counts_for_the_day_on_which_it_began(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = ledger_of(database)
    ledger.exchange((), [asking("a")])
    tomorrow = now() + timedelta(days=1)
    monkeypatch.setattr(ledger_module, "now", lambda: tomorrow)
    ledger.exchange([settling("a")], [asking("b", caps=Caps(day_usd=USD("0.10")))])
    assert budget_of(database, "day", day_of(now())) == (USD("0.03"), 0)
    assert budget_of(database, "day", day_of(tomorrow)) == (0, USD("0.10"))
    ledger.close()


def test_what_may_have_been_spent_counts_for_budgets_and_is_no_cost(database: Database) -> None:
    ledger = ledger_of(database)
    ledger.exchange((), [asking("a")])
    ledger.exchange([settling("a", "0", unconfirmed_usd=USD("0.10"), outcome="deadline_passed")], ())
    assert run_budget(database) == (USD("0.10"), 0)
    costs = run_costs(database, "r")
    assert (costs.model_calls, costs.cost_usd, costs.unconfirmed_usd) == (1, USD(0), USD("0.10"))
    caps = Caps(document_usd=USD("0.15"))
    assert not ledger.exchange((), [asking("b", caps=caps)])[0].is_admitted
    ledger.close()


def test_free_calls_and_hits_need_no_reservation_and_touch_no_budget(database: Database) -> None:
    ledger = ledger_of(database)
    ledger.exchange([settling("a", "0"), settling("b", "0", outcome="cache_hit")], ())
    costs = run_costs(database, "r")
    assert (costs.model_calls, costs.cache_hits, costs.cost_usd) == (1, 1, USD(0))
    with database.read() as connection:
        assert connection.execute(select(budgets)).all() == []


def test_settling_twice_changes_nothing(database: Database) -> None:
    """The first time may have been written although the database could not say so."""
    ledger = ledger_of(database)
    ledger.exchange((), [asking("a")])
    for _ in range(2):
        ledger.exchange([settling("a"), settling("free", "0"), settling("unasked", "0.01")], ())
    assert run_budget(database) == (USD("0.04"), 0)
    assert run_costs(database, "r").model_calls == 3
    ledger.close()


class Forgetful(DatabaseLedger):
    """Says that the database is away although it has written."""

    is_forgetting = False

    def _exchange(self, settled: Any, asked: Any) -> tuple[Admission, ...]:
        admissions = super()._exchange(settled, asked)
        if self.is_forgetting:
            raise DatabaseUnreachable("a database", "the connection broke at COMMIT")
        return admissions


def test_a_reservation_whose_answer_was_lost_is_released(database: Database) -> None:
    ledger = Forgetful(database)
    ledger.is_forgetting = True
    with pytest.raises(DatabaseUnreachable):
        ledger.exchange((), [asking("a"), asking("b")])
    assert run_budget(database) == (0, USD("0.20"))
    ledger.is_forgetting = False
    caps = Caps(run_usd=USD("0.10"))
    assert ledger.exchange((), [asking("a", caps=caps)])[0].is_admitted, "asked again, it is the same reservation"
    assert run_budget(database) == (0, USD("0.10"))
    assert (row_of(database, "a")["outcome"], row_of(database, "b")["outcome"]) == ("open", "cancelled")
    ledger.exchange([settling("a")], ())
    assert reserved_at_rest(database) == 0
    ledger.close()


def test_a_reservation_that_was_released_unanswered_is_made_anew_when_it_is_asked_again(database: Database) -> None:
    ledger = Forgetful(database)
    ledger.is_forgetting = True
    with pytest.raises(DatabaseUnreachable):
        ledger.exchange((), [asking("a")])
    ledger.is_forgetting = False
    ledger.exchange((), [asking("b")])  # which comes between
    assert row_of(database, "a")["outcome"] == "cancelled"
    ledger.is_forgetting = True
    with pytest.raises(DatabaseUnreachable):
        ledger.exchange((), [asking("a")])
    ledger.is_forgetting = False
    assert ledger.exchange((), [asking("a")])[0].is_admitted
    assert (row_of(database, "a")["outcome"], run_budget(database)) == ("open", (0, USD("0.20")))
    ledger.exchange([settling("a"), settling("b")], ())
    assert (reserved_at_rest(database), run_budget(database)) == (0, (USD("0.06"), 0))
    ledger.close()


def test_what_was_never_sent_is_no_call_of_a_run(database: Database) -> None:
    ledger = ledger_of(database)
    ledger.exchange(
        [
            settling("a", "0", outcome="cancelled"),
            settling("b", "0", outcome="limits_reached", error_kind="limits_reached"),
            settling("c", "0", outcome="models_paused", error_kind="models_paused"),
            settling("d", "0", outcome="cancelled", unconfirmed_usd=USD("0.10")),
            settling("e", "0.02"),
        ],
        (),
    )
    assert run_costs(database, "r").model_calls == 2
    ledger.close()


def test_texts_are_kept_where_they_are_handed_over(database: Database) -> None:
    ledger = ledger_of(database)
    text = CallText(call_key="a", prompt="Read\x00 this", reply="{}")
    ledger.exchange([Settlement("r", call("a"), text=text), settling("b", "0")], ())
    with database.read() as connection:
        rows = connection.execute(select(model_call_texts.c.call_key, model_call_texts.c.prompt)).all()
    assert [tuple(row) for row in rows] == [("a", "Read\\x00 this")]


def test_counts_beyond_a_column_are_cut_and_impossible_amounts_are_refused(database: Database) -> None:
    ledger = ledger_of(database)
    ledger.exchange([settling("a", "0.01", input_tokens=10**30, output_tokens=-4)], ())
    row = row_of(database, "a")
    assert (row["input_tokens"], row["output_tokens"], row["cost_usd"]) == (2**31 - 1, 0, USD("0.01"))
    for amount in ("NaN", "-1", "Infinity"):
        odd = replace(call("b"), cost_usd=USD(amount))
        with pytest.raises(ValueError, match="impossible cost"):
            ledger.exchange([Settlement("r", odd)], ())


def test_what_a_provider_says_of_itself_is_kept_whatever_its_letters(database: Database) -> None:
    ledger = ledger_of(database)
    odd = replace(call("a"), model_version="v\x00\ud800é")
    ledger.exchange((), [Reservation("r", odd, USD("0.1"), Caps())])
    ledger.exchange([Settlement("r", odd)], ())
    assert row_of(database, "a")["model_version"] == "v\\x00\\ud800é"
    ledger.close()


def test_every_version_that_answered_is_noted_once(database: Database) -> None:
    ledger = ledger_of(database)
    ledger.exchange([settling("a", "0"), settling("b", "0")], ())
    ledger_of(database).exchange([settling("c", "0.5"), settling("d", "0.5")], ())
    with database.read() as connection:
        assert [tuple(row)[:2] for row in connection.execute(select(model_versions))] == [("m", "1")]
    assert run_budget(database) == (USD("1.0"), 0)


def test_a_budget_that_somebody_deleted_begins_anew(database: Database) -> None:
    ledger = ledger_of(database)
    ledger.exchange([settling("a", "0.02")], ())
    with database.write() as connection:
        connection.execute(text("DELETE FROM budgets"))
    ledger.exchange([settling("b", "0.01")], ())
    assert run_budget(database) == (USD("0.01"), 0)


# --- workers that die, and such as were only thought to


def test_calls_of_a_living_worker_are_left_to_it(database: Database) -> None:
    alive, other = ledger_of(database), ledger_of(database)
    alive.exchange((), [asking("a")])
    assert other.recover() == 0
    assert row_of(database, "a")["outcome"] == "open"
    alive.close()
    row = row_of(database, "a")
    assert (row["outcome"], row["unconfirmed_usd"]) == ("lost", USD("0.10")), "closed with a call under way"
    assert (run_budget(database), reserved_at_rest(database)) == ((USD("0.10"), 0), 0)


def test_a_worker_that_was_believed_dead_settles_after_all(database: Database) -> None:
    worker, other = ledger_of(database, "zombie"), ledger_of(database)
    with database.write() as connection:  # as if its lease had been missed
        connection.execute(
            insert(budgets), [{"scope": "run", "key": "r", "spent_usd": USD(0), "reserved_usd": USD("0.1")}]
        )
        row = row_of_call(call("a", outcome="open"))
        row |= {"run_id": "r", "called_at": now(), "worker_id": "zombie", "reserved_usd": USD("0.10")}
        connection.execute(insert(model_calls), [row])
    assert other.recover() == 1
    assert run_budget(database) == (USD("0.10"), 0)
    worker.exchange([settling("a")], ())
    row = row_of(database, "a")
    assert (row["outcome"], row["cost_usd"], row["unconfirmed_usd"]) == ("ok", USD("0.03"), 0)
    assert run_budget(database) == (USD("0.03"), 0)
    assert other.recover() == 0


WORKER = """
import sys, time
from decimal import Decimal
from blocks.database.engine import open_database
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.models.ledger_rows import row_of as row_of_call
from blocks.ledger import Admission, Caps, ModelCall, Reservation
ledger = DatabaseLedger(open_database(sys.argv[1]))
calls = [ModelCall(document_id=str(n), model="m", model_version="1", call_key=f"{sys.argv[2]}{n}") for n in range(7)]
ledger.exchange((), [Reservation("r", call, Decimal("0.10"), Caps()) for call in calls])
print("sent", flush=True)
time.sleep(60)
"""


def test_what_a_killed_worker_had_under_way_is_ledgered_as_lost(database: Database) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, database.url.get_secret_value(), name],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for name in ("x", "y")
    ]
    ledger = ledger_of(database)
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "sent\n"
        assert ledger.recover() == 0
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
    until = now() + timedelta(seconds=10)
    recovered = 0
    while recovered < 14 and now() < until:
        recovered += ledger.recover()
    assert (recovered, ledger.recover()) == (14, 0)
    with database.read() as connection:
        rows = connection.execute(select(model_calls.c.outcome, model_calls.c.unconfirmed_usd)).all()
    assert {tuple(row) for row in rows} == {("lost", USD("0.10"))}
    assert (run_budget(database), reserved_at_rest(database)) == ((USD("1.40"), 0), 0)


# --- promise 11


def rush(database: Database, run: str, callers: int, caps: Caps) -> int:
    """So many callers at once, each with a ledger's transaction of its own; returns how many were admitted."""
    ledger = ledger_of(database)
    gate = threading.Barrier(4)

    def ask(keys: Sequence[str]) -> list[str]:
        gate.wait()
        answers = [ledger.exchange((), [asking(f"{run}-{key}", caps=caps, run=run)])[0] for key in keys]
        return [key for key, answer in zip(keys, answers, strict=True) if answer.is_admitted]

    keys = [str(number) for number in range(callers)]
    with ThreadPoolExecutor(4) as pool:
        admitted = [key for found in pool.map(ask, [keys[at::4] for at in range(4)]) for key in found]
    ledger.exchange([settling(f"{run}-{key}", "0.10", run=run) for key in admitted], ())
    ledger.close()
    return len(admitted)


@pytest.mark.parametrize("scope", ["run", "document"])
def test_room_for_ten_admits_ten_of_64_at_once(database: Database, scope: str) -> None:
    caps = Caps(**{f"{scope}_usd": USD("1.05")})
    assert rush(database, "r", 64, caps) == 10
    assert run_budget(database) == (USD("1.00"), 0)
    assert reserved_at_rest(database) == 0


def test_a_budget_is_never_overshot_in_groups(database: Database) -> None:
    ledger = ledger_of(database)
    caps = Caps(run_usd=USD("1.0"))
    for number in range(25):
        run = f"r{number}"
        keys = [f"{run}-{at}" for at in range(64)]
        admissions = ledger.exchange((), [asking(key, caps=caps, run=run) for key in keys])
        admitted = [key for key, answer in zip(keys, admissions, strict=True) if answer.is_admitted]
        assert len(admitted) == 10
        ledger.exchange([settling(key, "0.0999999999", run=run) for key in admitted], ())
    assert reserved_at_rest(database) == 0
    assert budget_of(database, "day", day_of(now())) == (USD("0.0999999999") * 250, 0)
    ledger.close()


@pytest.mark.parametrize("rounds", [25, pytest.param(1_000, marks=pytest.mark.long)])
def test_64_callers_of_two_workers_never_overshoot_a_budget_with_room_for_ten(database: Database, rounds: int) -> None:
    """Promise 11: 64 callers at once, room for 10, 1,000 rounds: each reserves for itself, sends, and settles."""
    ledgers = [ledger_of(database) for _ in range(2)]
    caps = Caps(run_usd=USD("1.0"))

    async def ask(ledger_writer: LedgerWriter, run: str, at: int) -> str:
        deadline = time.monotonic() + 60
        try:
            await ledger_writer.reserve(asking(f"{run}-{at}", caps=caps, run=run), deadline)
        except BudgetExhausted as error:
            return error.kind
        await asyncio.sleep(0)  # the call
        await ledger_writer.settle(settling(f"{run}-{at}", "0.0999999999", run=run), deadline)
        return "ok"

    async def scene() -> None:
        ledger_writers = [LedgerWriter(ledger, Rounds(0.002), poll_s=0.02) for ledger in ledgers]
        for number in range(rounds):
            callers = (ask(ledger_writers[at % 2], f"r{number}", at) for at in range(64))
            assert Counter(await asyncio.gather(*callers)) == {"ok": 10, "budget_exhausted": 54}, number
        for ledger_writer in ledger_writers:
            assert await ledger_writer.close() == 0

    asyncio.run(scene())
    assert reserved_at_rest(database) == 0
    assert budget_of(database, "day", day_of(now())) == (USD("0.0999999999") * 10 * rounds, 0)
    for ledger in ledgers:
        ledger.close()


RIVAL = """
import sys
from dataclasses import replace
from decimal import Decimal
from blocks.database.engine import open_database
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.models.ledger_rows import row_of as row_of_call
from blocks.ledger import Admission, Caps, ModelCall, Reservation, Settlement
ledger = DatabaseLedger(open_database(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    run, count, admitted = line.strip(), 0, []
    caps = Caps(run_usd=Decimal("1.0"), day_usd=Decimal("1000000"), document_usd=Decimal("1.0"))
    for start in range(0, 16, 4):
        calls = [
            ModelCall(document_id="d", model="m", model_version="1", call_key=f"{run}-{sys.argv[2]}-{n}")
            for n in range(start, start + 4)
        ]
        answers = ledger.exchange((), [Reservation(run, call, Decimal("0.10"), caps) for call in calls])
        admitted += [call for call, answer in zip(calls, answers) if answer.is_admitted]
    paid = [replace(call, cost_usd=Decimal("0.10")) for call in admitted]
    ledger.exchange([Settlement(run, call, Decimal("0.10")) for call in paid], ())
    print(len(admitted), flush=True)
ledger.close()
"""


def test_several_processes_never_overshoot_a_budget(database: Database) -> None:
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, database.url.get_secret_value(), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(4)
    ]
    try:
        for rival in rivals:
            assert rival.stdout is not None
            assert rival.stdout.readline() == "ready\n"
        for number in range(20):
            for rival in rivals:
                assert rival.stdin is not None
                rival.stdin.write(f"r{number}\n")
                rival.stdin.flush()
            admitted = [int(rival.stdout.readline()) for rival in rivals if rival.stdout is not None]
            assert sum(admitted) == 10
            assert run_budget(database, f"r{number}") == (USD("1.00"), 0)
    finally:
        for rival in rivals:
            rival.communicate()
    assert [rival.returncode for rival in rivals] == [0] * 4
    assert reserved_at_rest(database) == 0


def test_the_open_rows_are_found_without_reading_the_ledger(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {ledger_module.OPEN_WORKERS}")).all()
    assert "ix_model_calls_open" in str(plan)
