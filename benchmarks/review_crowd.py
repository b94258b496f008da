"""Eight people decide on the same items at once: on the page, by SQL and by the command's functions.

The page is a process of its own, which people use over HTTP with sessions and CSRF tokens; each person is a thread.
Measured: how long they take. Checked afterwards, or it fails: every item was decided once, every decision that was
answered is in the audit trail under its person's name, none is there without an answer, the trail is whole.

python benchmarks/review_crowd.py [--items 10000] [--database URL of an empty database]
"""

import argparse
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import Row, func, insert, select

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from blocks.database.engine import Database, now, open_database  # noqa: E402 - the path comes first
from blocks.database.results.results import NewResult, write_results  # noqa: E402
from blocks.database.review import claims, users  # noqa: E402
from blocks.database.review.decide import decide  # noqa: E402
from blocks.database.review.inbox import APPLIED, NEW, apply_decisions  # noqa: E402
from blocks.database.review.items import ReviewNeed, sync_review  # noqa: E402
from blocks.database.review.queue import count_items  # noqa: E402
from blocks.database.review.tables import review, review_decisions, review_events  # noqa: E402
from blocks.database.review.verify import Tampered, verify_trail  # noqa: E402
from blocks.database.tables import documents, results, sources  # noqa: E402
from blocks.document_types.loader import load_document_types  # noqa: E402
from blocks.document_types.schema import DocumentType  # noqa: E402
from blocks.records import Status, Validation  # noqa: E402
from blocks.review.errors import ReviewError  # noqa: E402
from blocks.review.records import Action, Decision, Door, Event, ItemStatus, Person, Role  # noqa: E402
from blocks.settings import load_settings  # noqa: E402
from deployments.review_app.passwords import hashed  # noqa: E402

PASSWORD = "correct horse battery"
ON_PAGE, BY_SQL, BY_COMMAND = ("ann", "ben", "cleo", "dan"), ("eve", "fay"), ("gus", "hal")
SQL_AT_ONCE = 20
_TOKEN = re.compile(r'name="csrf" value="(\w+)"')
_ADDRESS = re.compile(r"/items/(\d+)")


def main() -> None:
    """Fill the database, let people decide on everything, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--database", default=f"sqlite:///{tempfile.mkdtemp()}/crowd.db")
    options = parser.parse_args()
    database = open_database(options.database)
    fill(database, options.items)
    counts = crowd(database)
    for name in ("decided_on_page", "decided_by_sql", "decided_by_command", "refused"):
        print(f"| {name.replace('_', ' ')} | {getattr(counts, name):,} |")
    print(f"| seconds | {counts.took_s:.0f} |\n| decisions a second | {options.items / counts.took_s:.0f} |")
    print(f"| seconds of the checks, verify included | {counts.verified_s:.1f} |")


@dataclass
class Counts:
    """What was decided at each door, and how long all of it, and checking it, took."""

    decided_on_page: int = 0
    decided_by_sql: int = 0
    decided_by_command: int = 0
    refused: int = 0
    took_s: float = 0.0
    verified_s: float = 0.0


@dataclass
class Reviewer:
    """A person at the page: a session, and what the page has answered."""

    address: str
    name: str
    decided: list[int] = field(default_factory=list)
    refused: int = 0
    client: httpx.Client = field(init=False)
    token: str = ""

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.address, timeout=120, follow_redirects=True, trust_env=False)

    def log_in(self) -> None:
        """Open a session, and take its CSRF token."""
        form = {"csrf": _token(self.client.get("/login")), "name": self.name, "password": PASSWORD, "next": "/"}
        self.token = _token(self.client.post("/login", data=form).raise_for_status())

    def work(self) -> None:
        """Take items and accept them until the page has none."""
        review_id = self.next_item()
        while review_id is not None:
            review_id = self.decide(review_id)

    def decide_one(self) -> None:
        """Take an item and accept it."""
        review_id = self.next_item()
        assert review_id is not None
        self.decide(review_id)

    def next_item(self) -> int | None:
        """Claim the next item; None where there is none for the person."""
        return _item_at(self.post("/next", {}).raise_for_status().json()["to"])

    def decide(self, review_id: int) -> int | None:
        """Accept an item; returns the item that the page opens then."""
        answer = self.post(f"/items/{review_id}/decide", {"version": 1, "action": "accept"})
        if answer.status_code == 409:
            self.refused += 1
            return self.next_item()
        self.decided.append(review_id)
        return _item_at(answer.raise_for_status().json()["to"])

    def post(self, path: str, body: object) -> httpx.Response:
        """The page's answer; it is asked again where the person has asked too often."""
        while True:
            answer = self.client.post(path, json=body, headers={"X-CSRF-Token": self.token})
            if answer.status_code != 429:
                return answer
            time.sleep(0.2)


def _token(page: httpx.Response) -> str:
    found = _TOKEN.search(page.text)
    assert found is not None, page.text
    return found[1]


def _item_at(address: str) -> int | None:
    found = _ADDRESS.match(address)
    return None if found is None else int(found[1])


@contextmanager
def page_of(database: Database, port: int | None = None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process of the page, which answers, and its address."""
    port = port or free_port()
    url = database.url.get_secret_value()
    command = [str(Path(sys.executable).parent / "winnow"), "review", "serve", "--port", str(port), "--database", url]
    process, address = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL), f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while not _answers(address):
            assert process.poll() is None, "the page's process ended"
            assert time.monotonic() < until, "the page does not answer"
            time.sleep(0.05)
        yield process, address
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A port that nobody listens on, and that the system gives to nobody who asks for any: those lie above."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as listening, suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/login", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def fill(database: Database, items: int) -> None:
    """Receipts that wait for a person, as runs write them, and a user for each person."""
    for first in range(0, items, 1_000):
        ids = [f"{number:064x}" for number in range(first, min(first + 1_000, items))]
        verdict = Validation(
            document_type="receipt",
            status=Status.IN_REVIEW,
            confidence=0.5,
            reasons=("low_confidence:total",),
            fields={"company": "Café", "total": "9.00"},
            confidences={"company": 0.9, "total": 0.5},
        )
        at = now()
        seen = {"media_type": "text/plain", "size_bytes": 9, "first_seen_at": at}
        with database.write() as connection:
            connection.execute(insert(documents), [seen | {"document_id": id_} for id_ in ids])
            connection.execute(insert(sources), [{"document_id": i, "uri": f"/in/{i}", "seen_at": at} for i in ids])
            new = [NewResult(id_, "f", verdict, provisional=False) for id_ in ids]
            write_results(database, connection, "run-1", new, at)
            sync_review(database, connection, "run-1", [ReviewNeed(id_, "f", verdict) for id_ in ids], [], at)
    password = hashed(PASSWORD)
    for name in (*ON_PAGE, *BY_SQL, *BY_COMMAND):
        users.add_user(database, name, Role.REVIEWER, password)


def crowd(database: Database) -> Counts:
    """Eight people decide on every open item; returns what they did. Fails where a promise is broken."""
    types = load_document_types(load_settings().document_types_dir)
    items = count_items(database)
    with page_of(database) as (_, address), ThreadPoolExecutor(8) as pool:
        reviewers = [Reviewer(address, name) for name in ON_PAGE]
        for reviewer in reviewers:  # a password takes long to check, by design, and so does the page's first decision
            reviewer.log_in()
            reviewer.decide_one()
        started = time.monotonic()
        on_page = [pool.submit(reviewer.work) for reviewer in reviewers]
        by_sql = [pool.submit(decide_by_sql, database, name, types) for name in BY_SQL]
        by_command = {name: pool.submit(decide_by_command, database, name, types) for name in BY_COMMAND}
        for future in (*on_page, *by_sql):
            future.result()
        answers = {reviewer.name: reviewer.decided for reviewer in reviewers}
        answers |= {name: future.result()[0] for name, future in by_command.items()}
        took_s = time.monotonic() - started
    refused = sum(r.refused for r in reviewers) + sum(future.result()[1] for future in by_command.values())
    answered = _answered_by_sql(database)
    for name in BY_SQL:  # the same row inserted twice is applied once, and answered twice
        answers[name] = sorted({row.review_id for row in answered if (row.decided_by, row.status) == (name, APPLIED)})
    started = time.monotonic()
    check(database, items, answers)
    return Counts(
        decided_on_page=sum(len(answers[name]) for name in ON_PAGE),
        decided_by_sql=sum(len(answers[name]) for name in BY_SQL),
        decided_by_command=sum(len(answers[name]) for name in BY_COMMAND),
        refused=refused + sum(row.status != APPLIED for row in answered),
        took_s=took_s,
        verified_s=time.monotonic() - started,
    )


def decide_by_sql(database: Database, name: str, types: dict[str, DocumentType]) -> None:
    """Insert decisions on any open items, and apply them, while there are open items."""
    draw = random.Random(name)
    while True:
        with database.write() as connection:
            query = select(review.c.review_id).where(review.c.status == ItemStatus.OPEN).limit(40 * SQL_AT_ONCE)
            waiting = list(connection.execute(query).scalars())
            if not waiting:
                break
            chosen = draw.sample(waiting, min(SQL_AT_ONCE, len(waiting)))
            rows = [{"review_id": review_id, "decision": "accept", "decided_by": name} for review_id in chosen]
            connection.execute(insert(review_decisions), rows)
        apply_decisions(database, types)
    while apply_decisions(database, types).applied or _is_waiting(database):
        time.sleep(0.1)


def decide_by_command(database: Database, name: str, types: dict[str, DocumentType]) -> tuple[list[int], int]:
    """Take and accept items as the command does; returns the items, and how many decisions were refused."""
    person, done, refused = Person(name=name, role=Role.REVIEWER), [], 0
    while (item := claims.claim_next(database, person)) is not None:
        decision = {"review_id": item.review_id, "version": item.version, "by": name, "door": Door.COMMAND}
        try:
            decide(database, Decision.model_validate(decision | {"action": Action.ACCEPT}), person, types)
            done.append(item.review_id)
        except ReviewError:
            refused += 1
    return done, refused


def _is_waiting(database: Database) -> bool:
    with database.read() as connection:
        query = select(func.count()).select_from(review_decisions).where(review_decisions.c.status == NEW)
        return int(connection.execute(query).scalar_one()) > 0


def _answered_by_sql(database: Database) -> Sequence[Row[tuple[int, str, str]]]:
    with database.read() as connection:
        query = select(review_decisions.c.review_id, review_decisions.c.decided_by, review_decisions.c.status)
        return connection.execute(query).all()


def check(database: Database, items: int, answers: dict[str, list[int]]) -> None:
    """Every item was decided once, everybody's decisions are in the trail and no others, and the trail is whole."""
    with database.read() as connection:
        event = review_events.c
        query = select(event.actor, event.review_id).where(event.event == Event.DECIDED)
        in_trail = Counter((row.actor, row.review_id) for row in connection.execute(query))
        current = (
            select(func.count()).select_from(results).where(results.c.is_current, results.c.decided_by.is_not(None))
        )
        decided = int(connection.execute(current).scalar_one())
    wanted = Counter((name, item) for name, own in answers.items() for item in own)
    assert in_trail == wanted, f"lost: {wanted - in_trail}; without an answer: {in_trail - wanted}"
    assert len({review_id for _, review_id in in_trail}) == len(in_trail) == decided == items, "not each item once"
    assert count_items(database) == 0, "items are left open"
    found = verify_trail(database)
    assert not isinstance(found, Tampered), found


if __name__ == "__main__":
    main()
