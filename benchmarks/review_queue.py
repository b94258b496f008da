"""Times of the review page with many open items: the queue with its filters, taking the next item, a decision.

python benchmarks/review_queue.py [--items 100000] [--database URL of an empty database]

The queue is asked for by HTTP, without a network: what is measured is its database and its HTML. Items have six
document types, and a common, a rare and an absent reason and file name.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, text
from starlette.testclient import TestClient

from blocks.database.engine import Database, now, open_database
from blocks.database.review import claims, users
from blocks.database.review.decide import decide
from blocks.database.review.sessions import open_session
from blocks.database.review.tables import review
from blocks.database.tables import documents, results, sources
from blocks.document_types.schema import DocumentType
from blocks.review.records import Action, Decision, Door, Person, Role
from blocks.settings import load_settings
from deployments.review_app.app import create_app
from deployments.review_app.call import SESSION_COOKIE
from deployments.review_app.rate_limit import RateLimit
from deployments.review_app.site import Site

ROUNDS = 30
ANN = Person(name="ann")
NAMES = ("receipt", "invoice", "ticket", "letter", "resume", "statement")
TYPES = {name: DocumentType(name=name, title=name, fields={}) for name in NAMES}
RARE_EACH = 5_000
PAGES = {
    "queue": "/",
    "by type": "/?type=invoice",
    "late": "/?late=1",
    "by a common reason": "/?reason=low_confidence",
    "by a rare reason": "/?reason=hidden_text",
    "by an absent reason": "/?reason=read_in_part",
    "by a common text": "/?text=scan",
    "by a rare text": "/?text=pickles",
    "by an absent text": "/?text=nowhere",
}


def main() -> None:
    """Fill the database, then print the median and the slowest of each operation in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--database", default=f"sqlite:///{tempfile.mkdtemp()}/queue.db")
    options = parser.parse_args()
    database = open_database(options.database)
    fill(database, options.items)
    with database.write() as connection:  # as the server does by itself some time after so many rows came in
        connection.execute(text("ANALYZE"))
    site = Site.of(database, TYPES, load_settings(), pictures=Path(tempfile.mkdtemp()))
    site = replace(site, requests=RateLimit(per_second=1e9, burst=1_000_000_000))
    users.add_user(database, "ann", Role.REVIEWER, None)
    with TestClient(create_app(site), follow_redirects=False) as client:
        client.cookies.set(SESSION_COOKIE, open_session(database, "ann"))
        for name, path in PAGES.items():
            show(name, lambda path=path: view(client, path))  # type: ignore[misc] # mypy and defaults of a lambda
    show("next item", lambda: claims.claim_next(database, ANN))
    show("next item and decision", lambda: take_and_decide(database))


def fill(database: Database, items: int) -> None:
    """Documents, results and open items, 10,000 in a transaction."""
    at = now()
    for first in range(0, items, 10_000):
        numbers = range(first, min(first + 10_000, items))
        rows = [_row(number, at) for number in numbers]
        ids = [f"{number:064x}" for number in numbers]
        seen = {"media_type": "text/plain", "size_bytes": 9, "first_seen_at": at}
        empty: dict[str, object] = {name: {} for name in ("fields", "confidences", "evidence")}
        stored = empty | {"is_current": True, "provisional": False, "status": "in_review"}
        with database.write() as connection:
            connection.execute(insert(documents), [seen | {"document_id": id_} for id_ in ids])
            connection.execute(insert(sources), [{"document_id": i, "uri": _uri(i), "seen_at": at} for i in ids])
            connection.execute(insert(results), [row | stored for row in rows])
            waiting = [
                row
                | {"status": "open", "priority": 1 + number % 5}
                | {"due_at": None if number % 7 == 0 else at + timedelta(minutes=number % 5_000 - 500)}
                for number, row in zip(numbers, rows, strict=True)
            ]
            connection.execute(insert(review), waiting)


def _row(number: int, at: datetime) -> dict[str, object]:
    """What a result and its item share."""
    reasons = ["low_confidence:total"] if number % 3 else ["missing:due_date", "low_confidence:issued"]
    return {
        "document_id": f"{number:064x}",
        "fingerprint": "f",
        "document_type": NAMES[number % len(NAMES)],
        "confidence": number % 97 / 100,
        "reasons": [*reasons, "hidden_text"] if number % RARE_EACH == 0 else reasons,
        "run_id": "r",
        "created_at": at - timedelta(minutes=number % 10_000),
    }


def _uri(document_id: str) -> str:
    number = int(document_id, 16)
    return f"/in/2026/{number % 12 + 1:02}/{'pickles' if number % RARE_EACH == 0 else 'scan'}-{number}.pdf"


def view(client: TestClient, path: str) -> None:
    """Load a page."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text


def take_and_decide(database: Database) -> None:
    """What a person does with one item."""
    item = claims.claim_next(database, ANN)
    assert item is not None
    accepted = Decision(review_id=item.review_id, version=1, action=Action.ACCEPT, by="ann", door=Door.COMMAND)
    decide(database, accepted, ANN, TYPES)


def show(name: str, operation: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Time the operation so many times."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        operation()
        times.append((time.perf_counter() - started) * 1000)
    print(f"{name}: median {statistics.median(times):.1f} ms, slowest {max(times):.1f} ms")


if __name__ == "__main__":
    main()
