"""Runs whose models, workers or switches fail or change in their midst, by the real command."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from blocks.database.engine import close_database, open_database
from tasks.runs.models import open_registry
from tests.doubles.model_provider.handle import ModelProviderDouble
from tests.model_runs import PRICES, TRUTHFUL, Notes, asked_notes, wait_for_requests
from tests.winnow_command import wait_until

pytestmark = pytest.mark.prefect

CALLS_IN_FLIGHT = 4
SCRIPT: dict[str, Any] = {"hook": TRUTHFUL, "prices": PRICES, "keep_bodies": True}
ROUTE = "route:\n  - {tier: cheap}\n  - {model: local}\n"
LOCAL_FIRST = "route:\n  - {model: local, accept: {confidence: 0.8}}\n  - {tier: cheap}\n"


@pytest.mark.parametrize(("kills", "documents"), [(1, 60), pytest.param(4, 120, marks=pytest.mark.long)])
def test_a_killed_run_pays_for_its_calls_in_flight_and_for_replies_not_kept_yet(
    notes: Notes, kills: int, documents: int
) -> None:
    """Promise 3, by the provider's log, with twice its figure, killed at any moment.

    A reply is kept some 0.1 s after it came: it is settled with others, within 0.05 s, and then put into the cache of
    replies with others, within 0.05 s and a write. Its place is free as soon as it came, and the next call under way.
    So what a kill costs is the calls in flight, and the replies of the last 0.1 s: at this latency one per place.
    """
    chance = random.Random(kills)
    latency_s = 0.3
    notes.type(ROUTE)
    notes.provider.script(**SCRIPT, latency_s=latency_s)
    notes.add("first", tier="cheap", in_flight=CALLS_IN_FLIGHT)
    source = notes.write(documents)
    for _ in range(kills):
        with notes.workplace.started("run", *notes.arguments(source, "--chunk-size", "30")) as process:
            wait_for_requests(notes.provider, notes.provider.state()["requests"] + chance.randint(12, 24))
            time.sleep(chance.random() * latency_s)
            os.killpg(process.pid, signal.SIGKILL)
        wait_until(lambda: notes.provider.state()["in_flight"] == 0)
    summary = notes.run(source, "--chunk-size", "30")
    log = notes.provider.log()
    assert (summary["documents"], notes.states()) == (documents, Counter(accepted=documents))
    assert len(log) - documents <= kills * CALLS_IN_FLIGHT * 2
    assert notes.attempts() >= asked_notes(log)
    assert notes.reserved_usd() == 0
    assert notes.outcomes()["lost"] >= 1
    assert set(notes.outcomes()) == {"ok", "lost"}
    # What was lost on the way may have been billed: the bill is the ledger's sum, and of lost calls at most their most.
    assert notes.ledger_usd() <= notes.provider.total_usd() <= notes.ledger_usd() + notes.unconfirmed_usd()
    assert sum(1 for entry in log if entry["cost_usd"]) <= sum(notes.outcomes().values())


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ModelProviderDouble]:
    """A provider of this test's own, that it may kill; its journal outlives it."""
    with ModelProviderDouble(tmp_path / "journal.jsonl") as double:
        yield double


@pytest.mark.parametrize("number", [20, pytest.param(60, marks=pytest.mark.long)])
def test_a_provider_killed_amid_requests_costs_the_next_run_what_it_kept_back(
    notes: Notes, other: ModelProviderDouble, tmp_path: Path, number: int
) -> None:
    notes.type(ROUTE)
    other.script(**SCRIPT, latency_s=0.2)
    notes.add("first", other, tier="cheap", in_flight=CALLS_IN_FLIGHT, timeout_s=10)
    source = notes.write(number)
    with notes.workplace.started("run", *notes.arguments(source)) as process:
        wait_for_requests(other, number // 4)
        other.kill()
        time.sleep(0.5)
        other.restart()
        _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert sum(notes.states().values()) == number
    assert notes.reserved_usd() == 0
    kept_back = notes.provisional()
    assert notes.reasons() == Counter({"model_unavailable": len(kept_back)} if kept_back else {})
    assert notes.query("select count(*) from model_calls where outcome = 'connection_failed'") > [(0,)]
    assert notes.query("select count(*) from model_calls where outcome in ('open', 'lost')") == [(0,)]
    journal = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert notes.attempts() >= asked_notes(journal)
    assert sum((Decimal(one["cost_usd"] or 0) for one in journal), Decimal(0)) == notes.ledger_usd()
    notes.workplace.command("models", "enable", "first")  # which closes its circuit
    other.script(**SCRIPT, latency_s=0.02)
    notes.run(source)
    assert set(asked_notes(other.log())) == kept_back
    assert notes.states() == Counter(accepted=number)


def test_while_all_models_are_down_the_last_results_stand_and_the_next_run_takes_up_the_rest(
    notes: Notes, other: ModelProviderDouble
) -> None:
    prompts = notes.type(LOCAL_FIRST) / "prompts"
    prompts.mkdir()
    other.script(**SCRIPT, latency_s=0.02)
    notes.add("first", other, tier="cheap", timeout_s=5)
    notes.add("second", other, tier="cheap", position=1, timeout_s=5)
    sure, unsure, new = {"REF-0000"}, {"REF-0001", "REF-0003"}, {"REF-0005"}
    source = notes.write(4, kinds=("note", "riddle"))
    notes.run(source)
    before = notes.results()
    assert set(asked_notes(other.log())) == unsure
    assert {before[one][0] for one in unsure} == {"accepted"}

    other.kill()
    (prompts / "default.md").write_text("Read it anew.\n\n{{ document }}\n")  # what is known is stale
    more = notes.write(2, "more.jsonl", ("note", "riddle"), start=4)
    notes.run(source, more)
    during = notes.results()
    assert {one: result for one, result in during.items() if not result[1]}.keys() >= sure
    assert notes.provisional() == unsure | new
    for one in unsure | new:
        assert "model_unavailable" in during[one][3], during[one]
    for one in unsure:
        assert during[one][2] == before[one][2], "the last reading by a model is not there any more"
    assert sum(notes.states().values()) == 6

    other.restart()
    notes.workplace.command("models", "enable", "first")  # which closes its circuit
    summary = notes.run(source, more)
    assert set(asked_notes(other.log())) == unsure | new
    assert summary["skipped"] == 3
    assert notes.states() == Counter(accepted=6)


@pytest.mark.long
def test_a_stalling_model_falls_to_the_next_one_and_is_soon_left_alone(
    notes: Notes, other: ModelProviderDouble
) -> None:
    notes.provider.script(**SCRIPT, latency_s=0.05)
    other.script(**SCRIPT, latency_s=30)
    notes.add("slow", other, timeout_s=3, in_flight=8)
    notes.add("second", position=1)
    notes.run(notes.write(100), "--model", "slow,second")
    assert notes.states() == Counter(accepted=100)
    assert len(notes.provider.log()) == 100
    assert len(other.log()) <= 50
    assert notes.ledger_usd() == notes.provider.total_usd()


def test_a_pause_elsewhere_stops_spending_within_seconds(notes: Notes) -> None:
    notes.type(ROUTE)
    notes.provider.script(**SCRIPT, latency_s=0.3)
    notes.add("first", tier="cheap", in_flight=2)
    source = notes.write(80)
    with notes.workplace.started("run", *notes.arguments(source)) as process:
        wait_for_requests(notes.provider, 4)
        notes.workplace.command("models", "pause")
        paused_at = time.monotonic()
        _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    log = notes.provider.log()
    kept_back = notes.provisional()
    assert kept_back, "at this latency the run was paused long before its end"
    assert max(entry["received_at"] for entry in log) <= paused_at + 10.0
    assert notes.reasons() == Counter({"models_paused": len(kept_back)})
    assert notes.states() == Counter({"accepted": len(log), "in_review, provisional": 80 - len(log)})
    notes.workplace.command("models", "resume")
    notes.provider.script(**SCRIPT, latency_s=0.02)
    notes.run(source)
    assert set(asked_notes(notes.provider.log())) == kept_back
    assert notes.states() == Counter(accepted=80)


def test_a_changed_row_changes_the_next_call_of_a_running_process(notes: Notes) -> None:
    notes.type(ROUTE)
    notes.provider.script(**SCRIPT, latency_s=0.1)
    notes.add("first", tier="cheap", in_flight=2)

    def change(**values: object) -> None:
        database = open_database(f"sqlite:///{notes.path}")
        open_registry(database).set_values("first", values)
        close_database(database)

    def requests_within(seconds: float) -> int:
        before = notes.provider.state()["requests"]
        time.sleep(seconds)
        return notes.provider.state()["requests"] - before

    # A process looks at the registry once a second.
    with notes.workplace.started("run", *notes.arguments(notes.write(400))) as process:
        wait_for_requests(notes.provider, 4)
        change(endpoint=f"{notes.provider.url}/moved/v1")
        wait_until(lambda: "/moved/" in notes.provider.log()[-1]["path"], timeout_s=60)
        change(rpm=30)
        wait_until(lambda: requests_within(0.5) <= 1, timeout_s=60)
        slow = requests_within(3)
        change(rpm=None)
        wait_until(lambda: requests_within(1) > 3, timeout_s=60)
        change(is_enabled=False)
        wait_until(lambda: requests_within(0.5) == 0, timeout_s=60)
        off = requests_within(1)
        _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert slow <= 3
    assert off == 0
    # What could not be asked any more is for the next run.
    assert sum(notes.states().values()) == 400
    assert notes.reasons() == Counter({"model_unavailable": len(notes.provisional())})
