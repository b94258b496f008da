"""Times of the dashboard, and of the choice of fields, with many open items, decisions and answers.

python benchmarks/review_dashboard.py [--items 100000] [--database URL of an empty database, or of one that this filled]

As many items are open as were decided, each decision with three answers. The page is asked for by HTTP, without a
network: when no day was counted before, then with and without the figures that it keeps for a minute. CPU is that of
the page, and of PostgreSQL's processes: on a shared machine, the wall clock is more.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from review_queue import NAMES, fill, view
from sqlalchemy import delete, insert, select, text
from starlette.testclient import TestClient

from blocks.database.engine import Database, now, open_database
from blocks.database.review import users
from blocks.database.review.sessions import open_session
from blocks.database.review.tables import review, review_answers, review_days, review_events
from blocks.database.tables import documents
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.review.records import Role
from blocks.settings import load_settings
from deployments.review_app.app import create_app
from deployments.review_app.call import SESSION_COOKIE
from deployments.review_app.site import Site

REASONS = (
    "low_confidence:total",
    "missing:due_date",
    "contradiction:sum",
    "hidden_text",
    "low_ocr_confidence",
    "failed",
)
FIELDS = ("total", "due_date", "number")
OF_TYPE = {name: DocumentField(type=FieldType.TEXT) for name in (*FIELDS, "issued")}
TYPES = {name: DocumentType(name=name, title=name, fields=OF_TYPE) for name in NAMES}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
DAYS = 28


def main() -> None:
    """Fill the database, then print the median and the slowest time of the page, and its CPU, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--database", default=f"sqlite:///{tempfile.mkdtemp()}/dashboard.db")
    options = parser.parse_args()
    database = open_database(options.database)
    with database.read() as connection:
        is_filled = connection.execute(select(review.c.review_id).limit(1)).first() is not None
    if not is_filled:
        fill(database, options.items)
        fill_decided(database, options.items)
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
    site = Site.of(database, TYPES, load_settings(), pictures=Path(tempfile.mkdtemp()))
    if not is_filled:
        users.add_user(database, "ann", Role.REVIEWER, None)
    with TestClient(create_app(site), follow_redirects=False) as client:
        client.cookies.set(SESSION_COOKIE, open_session(database, "ann"))
        with database.write() as connection:
            connection.execute(delete(review_days))
        show(database, "dashboard, first count of all days", lambda: view(client, "/dashboard"), 1)
        show(database, "dashboard, figures kept", lambda: view(client, "/dashboard"), 20)
        site.figures.kept_s = 0.0
        show(database, "dashboard of 30 days", lambda: view(client, "/dashboard"), 5)
        show(database, "dashboard of a type", lambda: view(client, "/dashboard?type=invoice"), 5)
        show(database, "by field, the choice of fields", lambda: view(client, "/strip"), 5)


def show(database: Database, name: str, operation: Callable[[], object], rounds: int) -> None:
    """Time the operation so many times."""
    times, cpu = [], []
    for _ in range(rounds):
        started, used = time.perf_counter(), cpu_s(database)
        operation()
        times.append((time.perf_counter() - started) * 1000)
        cpu.append((cpu_s(database) - used) * 1000)
    middle, most, of_cpu = statistics.median(times), max(times), statistics.median(cpu)
    print(f"{name}: median {middle:.0f} ms, slowest {most:.0f} ms; CPU {of_cpu:.0f} ms")


def cpu_s(database: Database) -> float:
    """CPU time of this process, and of PostgreSQL's."""
    if database.is_sqlite:
        return time.process_time()
    with database.read() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    server = _stat(Path(f"/proc/{backend}"))[1]
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found = _stat(folder)
        except OSError:  # gone
            continue
        if server in {found[1], folder.name}:
            ticks += sum(map(int, found[11:15]))  # of the process, and of its children that have ended
    return time.process_time() + ticks * TICK_S


def _stat(folder: Path) -> list[str]:
    """The fields of a process's stat behind its name: state, parent, and so on."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def fill_decided(database: Database, items: int) -> None:
    """Decided items with their events and answers, and an event for each open item, 5,000 in a transaction."""
    draw, at = random.Random(7), now()
    for first in range(1, items + 1, 5_000):
        numbers = range(first, min(first + 5_000, items + 1))
        with database.write() as connection:
            connection.execute(insert(review_events), [_opened(number, draw, at) for number in numbers])
            rows = [_decided(number + items, draw, at) for number in numbers]
            seen = {"media_type": "text/plain", "size_bytes": 9, "first_seen_at": at}
            connection.execute(insert(documents), [seen | {"document_id": row["document_id"]} for row in rows])
            connection.execute(insert(review), rows)
            opened = [_opened(number + items, draw, at) for number in numbers]
            for event, row in zip(opened, rows, strict=True):
                event["happened_at"] = row["created_at"]
            connection.execute(insert(review_events), opened)
            events = [_event(row, draw, items) for row in rows]
            connection.execute(insert(review_events), events)
            connection.execute(insert(review_answers), [a for event in events for a in _answers(event, draw)])


def _opened(review_id: int, draw: random.Random, at: datetime) -> dict[str, object]:
    reasons = draw.choices(REASONS, (40, 20, 10, 3, 8, 2), k=draw.choice((1, 1, 2)))
    happened_at = at - timedelta(days=DAYS * draw.random())
    content = {"version": 1, "fingerprint": "f", "reasons": reasons}
    return {
        "event_id": review_id,
        "review_id": review_id,
        "event": "opened",
        "content": content,
        "happened_at": happened_at,
    }


def _decided(review_id: int, draw: random.Random, at: datetime) -> dict[str, object]:
    decided_at = at - timedelta(days=DAYS * draw.random() ** 1.4)
    is_audit = review_id % 50 == 0
    return {
        "review_id": review_id,
        "document_id": f"{review_id:064x}",
        "fingerprint": "f",
        "document_type": NAMES[review_id % len(NAMES)],
        "confidence": 0.5,
        "reasons": [],
        "run_id": "r",
        "status": "decided",
        "kind": "audit" if is_audit else "verdict",
        "drawn_with": 0.02 if is_audit else None,
        "priority": 3,
        "created_at": decided_at - timedelta(hours=40 * draw.random()),
        "decided_at": decided_at,
        "decided_by": "ann",
        "decision": {"action": "accept"},
    }


def _event(row: dict[str, object], draw: random.Random, items: int) -> dict[str, object]:
    review_id = row["review_id"]
    assert isinstance(review_id, int)
    return {
        "event_id": 2 * items + review_id,
        "review_id": review_id,
        "event": "decided",
        "content": {"action": "accept", "shown_ms": int(1_000 * draw.lognormvariate(2.4, 0.6))},
        "actor": "ann",
        "happened_at": row["decided_at"],
    }


def _answers(event: dict[str, object], draw: random.Random) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name in FIELDS:
        confidence = draw.betavariate(5, 1.3)
        decided = "1.00" if draw.random() < confidence**0.7 else "2.00"
        times = {"shown_ms": int(1_000 * draw.lognormvariate(1.2, 0.7)), "is_touched": True}
        own = {"event_id": event["event_id"], "review_id": event["review_id"], "field": name, "evidence": []}
        rows.append(own | times | {"confidence": confidence, "shown": "1.00", "decided": decided})
    return rows


if __name__ == "__main__":
    main()
