"""A day in fifteen minutes on `winnow up`: what operators live through, and whether every document and cent is there.

All is real and in a process of its own: the Prefect server, the worker, the review page, a provider of models that
fails on command, a webhook that gets the alerts, and with `--profile postgres` a PostgreSQL server. Documents arrive
in an inbox. The scenes, each with what must be true after it:

arrivals: notes come in two waves; each is taken once and costs one call.
outage: the provider answers 503; what waits for it is computed when it is back.
bad edit: a type asks for a field that no note has, then has a misspelt key; alerts name both. A backfill rolls it back.
broken sender: empty files come.
killed worker: the worker and its run are killed (`kill -9`) while calls are under way.
reviewers: people decide on the page, by SQL and by command.
backfill: a type's question changes; a plan is sampled, saved and run in the pool.
erasure: all about a person goes.

At the end every document has exactly one state, the ledger agrees with the provider's own bill, and the alerts that
came are those that should have.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import day_accounts
from day_notes import MISSPELT, RENEWED, TYPE, WITH_VAT_ID, note, write_notes
from day_place import IN_FLIGHT, Place, place_of, wait
from review_crowd import PASSWORD, Reviewer

SUBJECT = "Maria Muster"
WAVE_S = 900
"""So long a wave may take from its arrival to its last row, on a machine that others use too."""
EXPECTED_ALERTS = {
    "winnow-circuit-open",
    "winnow-review-share",
    "winnow-failed-runs",
    "winnow-failure-share",
    "winnow-reviews-due",
}


@dataclass
class Day:
    """The scenes, and what was found in each."""

    place: Place
    checks: list[tuple[str, str, str, bool]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    scene: str = ""

    def check(self, what: str, expected: object, found: object, is_right: bool | None = None) -> None:
        """Write down what was found, and whether it is what was expected."""
        is_right = expected == found if is_right is None else is_right
        shown = f"{found}" if is_right else f"{found}, not {expected}"
        shown = shown if len(shown) < 400 else f"{shown[:400]} …"
        self.checks.append((self.scene, what, shown, is_right))
        print(f"  {'ok  ' if is_right else 'MISS'} {what}: {shown}", flush=True)

    def wait(self, what: str, condition: Callable[[], object], timeout_s: float = WAVE_S) -> None:
        """A condition that must come true in time."""
        began = time.monotonic()
        is_true = wait(condition, timeout_s)
        self.check(what, "in time", f"after {time.monotonic() - began:.0f} s", is_true)

    def arrive(self, first: int, count: int, **more: Any) -> list[str]:
        """Notes appear in the inbox; gives the ids of their documents."""
        before = set(self.place.inbox.iterdir())
        write_notes(self.place.inbox, first, count, **more)
        return self.put_in(sorted(set(self.place.inbox.iterdir()) - before))

    def put_in(self, files: list[Path]) -> list[str]:
        """Remember what was put in: by id of the document the name of its file."""
        found = {hashlib.sha256(file.read_bytes()).hexdigest(): file.name for file in files}
        self.files |= found
        return list(found)

    def states(self, ids: list[str]) -> dict[str, int]:
        """How many of these documents have each status now."""
        return day_accounts.states(self.place, ids)

    def is_done(self, ids: list[str], count: int | None = None) -> Callable[[], bool]:
        """Whether all of these have a state that no run will change, and no run works."""
        return lambda: day_accounts.settled(self.place, ids) >= (len(ids) if count is None else count)

    def calls(self, ids: list[str]) -> int:
        """How many calls about these documents the ledger has that were answered."""
        return sum(1 for id_, outcome in day_accounts.calls(self.place) if id_ in set(ids) and outcome == "ok")


def arrivals(day: Day) -> None:
    """Two waves, one file still being written, and one that comes twice."""
    place = day.place
    first = day.arrive(1, 30, smudged=4)
    growing, twice = place.inbox / "note_0900.txt", place.inbox / "again_0010.txt"
    shutil.copy(place.inbox / "note_0010.txt", twice)

    def is_done_while_a_file_grows() -> bool:
        with growing.open("a") as file:  # no poll may see it twice with the same size
            file.write("Order note, which is being written\n")
        return day.is_done(first)()

    day.wait("the first wave has a state", is_done_while_a_file_grows)
    day.check("documents of the file that was being written", 0, len(day_accounts.documents(place).keys() - set(first)))
    growing.write_text(note(900))
    second = [*day.put_in([growing]), *day.arrive(101, 19), *day.arrive(120, 3, buyer=SUBJECT)]
    day.wait("the second wave has a state", day.is_done(second))
    everything = [*first, *second]
    day.check("documents by status", {"accepted": 49, "in_review": 4}, day.states(everything))
    day.check("calls of the model, one for each document", len(everything), day.calls(everything))
    day.check("places of the file that came twice", 2, len(day_accounts.places(place, [first[9]])))


def outage(day: Day) -> None:
    """The provider is down while documents arrive."""
    place = day.place
    place.tell(rules=[{"name": "down", "do": {"status": 503}}])
    ids = day.arrive(201, 16)
    day.wait("what arrives waits for the model", lambda: day.states(ids) == {"in_review": 16})
    waiting = day_accounts.reasons(place, ids)
    day.check("reasons of the documents that wait", {"model_unavailable": 16}, waiting)
    day.wait("an alert says that the circuit is open", lambda: "winnow-circuit-open" in alerts(place))
    refused = sum(request["rule"] == "down" for request in place.requests())
    day.check("requests that the provider refused, at most one and a half a document", "<= 24", refused, refused <= 24)
    place.winnow("models", "list")
    place.winnow("runs")
    place.tell()
    place.start_deployment("backfill/hourly")
    day.wait("the next run computes them", lambda: day.states(ids) == {"accepted": 16})
    day.check("calls that were answered, one for each document", 16, day.calls(ids))


def bad_edit(day: Day) -> None:
    """A field that no note has, then a misspelt key; the old file comes back, and a backfill renews the rows."""
    place = day.place
    place.type_file.write_text(WITH_VAT_ID)
    flooded = day.arrive(301, 16)
    day.wait("a wave under the bad type goes to review", lambda: day.states(flooded) == {"in_review": 16})
    day.wait("an alert names the type and the reason", lambda: "missing:vat_id" in alert(place, "winnow-review-share"))
    place.type_file.write_text(MISSPELT)
    late = day.arrive(321, 4)
    day.wait("an alert has the run that failed", lambda: "requierd" in alert(place, "winnow-failed-runs"))
    says = place.winnow("types", "check", expect=1)
    day.check("lines that say what is wrong with the file", 1, sum("requierd" in line for line in says.splitlines()))
    place.type_file.write_text(TYPE)
    day.wait("the documents that could not be taken are taken", day.is_done(late))
    place.winnow("backfill", "plan", "--type", "note", "--stale", "--save", "roll_back.json")
    place.winnow("backfill", "run", "roll_back.json")
    day.wait("the rows are as before the edit", lambda: day.states([*flooded, *late]) == {"accepted": 20})


def broken_sender(day: Day) -> None:
    """Files without a byte."""
    place = day.place
    files = []
    for number in range(5):
        files.append(place.inbox / f"note_{400 + number:04}.txt")
        files[-1].write_text(" " * (number + 1))
    ids = day.put_in(files)
    day.wait("the empty files are failures", lambda: day.states(ids) == {"failed": 5})
    day.wait("an alert has the share and the kind", lambda: "empty" in alert(place, "winnow-failure-share"))
    place.winnow("failures")


def killed_worker(day: Day) -> None:
    """`kill -9` of the worker and its run, with calls under way."""
    place = day.place
    place.tell(latency_s=5.0)
    ids = day.arrive(501, 24)
    day.wait("calls are under way", lambda: place.provider.state()["in_flight"] >= IN_FLIGHT)
    lost_before = len(day_accounts.unconfirmed(place))
    unanswered_before = sum(not request["is_whole"] for request in place.requests())
    family = place.worker_processes()
    for process in family:
        process.send_signal(signal.SIGKILL)
    place.tell()
    [run] = [run for run in place.flow_runs("take-inbox") if run["state_type"] == "RUNNING"]
    day.wait("all documents have a state", day.is_done(ids))
    day.check("documents by status", {"accepted": 24}, day.states(ids))
    day.wait("the same run ended", lambda: place.ask(f"flow_runs/{run['id']}")["state_name"] == "Completed")
    messages = " | ".join(place.state_messages(run["id"]))
    taken_up = "taken up again by the automation winnow-dead-runs-taken-up"
    day.check("the run was closed as dead, and taken up once", 1, messages.count(taken_up))
    sent = sum(not request["is_whole"] for request in place.requests()) - unanswered_before
    day.check("requests that the kill cut off, at most those in flight", f"<= {IN_FLIGHT}", sent, sent <= IN_FLIGHT)
    lost = len(day_accounts.unconfirmed(place)) - lost_before
    day.check(
        "calls that the ledger has as lost: these, and those that waited for room", f">= {sent}", lost, lost >= sent
    )
    place.winnow("show", run["id"][:8])
    place.winnow("doctor")


def reviewers(day: Day) -> None:
    """Four items wait: two are decided on the page, one by SQL, one by command."""
    place = day.place
    for name in ("ann", "bob", "eve"):
        place.winnow("review", "user", "add", name, "--role", "senior", "--password-stdin", stdin=PASSWORD + "\n")
    items = json.loads(place.winnow("review", "list", "--format", "json"))
    items = [item for item in items if item["kind"] == "verdict"]
    place.winnow("review", "list")
    day.check("items that wait", 4, len(items))
    ids = [int(item["review_id"]) for item in items]
    values = "VALUES (:id, 'correct', 'amount', '18.50', 'bob')"
    place.execute(f"INSERT INTO review_decisions (review_id, decision, field, value, decided_by) {values}", id=ids[2])
    place.winnow("review", "correct", str(ids[3]), "amount=19.50", "--by", "eve")
    ann = Reviewer(f"http://127.0.0.1:{place.review_port}", "ann")
    ann.log_in()
    for item in items[:2]:
        decision = {"version": item["version"], "action": "correct", "corrections": {"amount": {"value": "17.50"}}}
        ann.post(f"/items/{item['review_id']}/decide", decision).raise_for_status()
    decided = "SELECT COUNT(*) FROM review WHERE status = 'decided' AND decided_by IN ('ann', 'bob', 'eve')"
    day.wait("all four are decided", lambda: place.one(decided) == 4)
    place.winnow("review", "stats")


def backfill(day: Day) -> None:
    """The question of a field changes: plan, sample, save, run in the pool."""
    place = day.place
    place.type_file.write_text(RENEWED)
    before, spent_before = day_accounts.decided(place), day_accounts.ledger_usd(place)
    place.winnow("backfill", "plan", "--type", "note", "--stale")
    sample = ("--sample", "5", "--sample-budget", "1", "--save", "renewed.json", "--json")
    plan = json.loads(place.winnow("backfill", "plan", "--type", "note", "--stale", *sample))
    place.winnow("backfill", "run", "renewed.json", "--shard-size", "40", "--side-by-side", "2")
    place.winnow("backfill", "status")
    spent = day_accounts.ledger_usd(place) - spent_before
    low, high = day_accounts.planned_usd(plan)
    day.check("USD of sample and run, in the plan's range", f"{low} to {high}", spent, low <= spent <= high)
    day.check("what people decided stays", before, day_accounts.decided(place))
    shards = place.one("SELECT COUNT(*) FROM backfill_shards")
    ended = [run for run in place.flow_runs("backfill-shard") if run["state_type"] == "COMPLETED"]
    day.check("shards of both backfills, each a run of the worker", shards, len(ended))


def erasure(day: Day) -> None:
    """A person wants all about them to go."""
    place = day.place
    place.winnow("erase", "--subject", SUBJECT)
    place.winnow("erase", "--subject", SUBJECT, "--yes")
    for file in place.inbox.iterdir():
        if SUBJECT in file.read_text():
            file.unlink()
    place.winnow("db", "vacuum")
    for where, hits in day_accounts.hits(place, SUBJECT).items():
        day.check(f"hits of the name in {where}", 0, hits)
    place.winnow("review", "verify")


SCENES: dict[str, Callable[[Day], None]] = {
    "arrivals": arrivals,
    "outage": outage,
    "bad edit": bad_edit,
    "broken sender": broken_sender,
    "killed worker": killed_worker,
    "reviewers": reviewers,
    "backfill": backfill,
    "erasure": erasure,
}


def alerts(place: Place) -> dict[str, list[str]]:
    """By automation the messages that the webhook got."""
    found: dict[str, list[str]] = {}
    for notice in place.notices():
        name = re.search(r"What to do: docs/operations.md, (winnow-[a-z-]+)", notice["body"])
        found.setdefault(name[1] if name else "no automation", []).append(f"{notice['subject']}\n{notice['body']}")
    return found


def alert(place: Place, name: str) -> str:
    """All messages of an automation."""
    return "\n".join(alerts(place).get(name, []))


def accounts(day: Day) -> None:
    """The end of the day: documents, cents, alerts, the log."""
    place, day.scene = day.place, "accounts"
    found = day_accounts.documents(place)
    strangers = {day.files.get(id_, id_) for id_ in day.files.keys() ^ found.keys()}
    day.check("documents that were put in", len(day.files), len(found))
    day.check("documents that are missing, or were not put in", set(), strangers)
    wrong = {day.files.get(id_, id_): states for id_, states in found.items() if len(states) != 1}
    day.check("documents with another number of states than one", {}, wrong)
    day.check("documents that still wait for a model", 0, day_accounts.waiting(place))
    bill, ledger = day_accounts.bill_usd(place), day_accounts.ledger_usd(place)
    lost = day_accounts.unledgered(place)
    day.check("USD of the ledger, beside the bill less the calls that the kill cut off", bill - lost, ledger)
    day.check(
        "USD that may have been billed beside that, at least the rest of the bill", f">= {lost}", *_rest(place, lost)
    )
    day.check("runs without an end", 0, place.one("SELECT COUNT(*) FROM runs WHERE state IS NULL"))
    came, late = alerts(place), place.late_runs()
    expected = EXPECTED_ALERTS | ({"winnow-late-runs"} if late else set())  # on a busy machine
    if "requierd" in alert(place, "winnow-failed-upkeep"):  # the bad edit lasted into a run of escalate-reviews
        expected |= {"winnow-failed-upkeep"}
    day.check(f"alerts that came, with {late} runs late", sorted(expected), sorted(came.keys() - {"no automation"}))
    day.check(
        "messages about late review items", ">= 1", len(came.get("no automation", [])), bool(came.get("no automation"))
    )
    traces = day_accounts.stack_traces(place)
    day.check("stack traces in up.log that are not Prefect's 'database is locked'", [], traces.others)
    day.check("times that Prefect's SQLite was locked", "few", traces.locked, is_right=True)


def _rest(place: Place, lost: Decimal) -> tuple[Decimal, bool]:
    unconfirmed = sum(day_accounts.unconfirmed(place), Decimal(0))
    return unconfirmed, unconfirmed >= lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("embedded", "postgres"), default="embedded")
    parser.add_argument("--folder", type=Path, help="the working folder, which is kept; by default one that goes")
    parser.add_argument("--scenes", nargs="+", choices=list(SCENES), default=list(SCENES))
    parser.add_argument("--pictures", type=Path, help="take pictures of Prefect's pages into this folder")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    folder = options.folder or Path(tempfile.mkdtemp(prefix="winnow-day-"))
    folder.mkdir(parents=True, exist_ok=True)
    began, took = time.monotonic(), {}
    with place_of(folder, options.profile) as place:
        day = Day(place)
        place.winnow("doctor")
        took["start"] = time.monotonic() - began
        for name in options.scenes:
            day.scene, started = name, time.monotonic()
            print(name, flush=True)
            SCENES[name](day)
            took[name] = time.monotonic() - started
        print("accounts")
        for command in (("runs",), ("report",), ("models", "calls"), ("doctor",)):
            place.winnow(*command)
        accounts(day)
        if options.pictures:
            import day_pictures

            day_pictures.take(place, options.pictures)
    figures = {"profile": options.profile, "took_s": {name: round(s) for name, s in took.items()}, "checks": day.checks}
    print(f"\n{options.profile}, {time.monotonic() - began:.0f} s on {os.cpu_count()} cores")
    for scene, what, found, is_right in day.checks:
        print(f"{scene:14} {'ok  ' if is_right else 'MISS'} {what}: {found}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2, default=str) + "\n")
    if options.folder is None:
        shutil.rmtree(folder)
    if not all(is_right for *_, is_right in day.checks):
        sys.exit(1)


if __name__ == "__main__":
    main()
