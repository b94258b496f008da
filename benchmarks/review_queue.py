"""Times of the review queue with many open items: the first page, taking the next item, a decision.

python benchmarks/review_queue.py [--items 100000] [--database URL of an empty database]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import insert, text

from blocks.database.engine import Database, now, open_database
from blocks.database.review import claims, queue
from blocks.database.review.decide import decide
from blocks.database.review.tables import review
from blocks.database.tables import documents, results, sources
from blocks.document_types.schema import DocumentType
from blocks.review.records import Action, Decision, Door, Person

ROUNDS = 30
ANN = Person(name="ann")
TYPES = {"receipt": DocumentType(name="receipt", title="Receipt", fields={})}


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
    show("first 50 of the list", lambda: queue.list_items(database, queue.QueueFilter(), 50, None))
    show("next item", lambda: claims.claim_next(database, ANN))
    show("next item and decision", lambda: take_and_decide(database))


def fill(database: Database, items: int) -> None:
    """Documents, results and open items, 10,000 in a transaction."""
    at = now()
    for first in range(0, items, 10_000):
        ids = [f"{number:064x}" for number in range(first, min(first + 10_000, items))]
        verdict = {"document_type": "receipt", "status": "in_review", "confidence": 0.5, "reasons": ["low_confidence"]}
        seen = {"media_type": "text/plain", "size_bytes": 9, "first_seen_at": at}
        values = {"fingerprint": "f", "run_id": "r", "created_at": at} | verdict
        empty: dict[str, object] = {name: {} for name in ("fields", "confidences", "evidence")}
        with database.write() as connection:
            connection.execute(insert(documents), [seen | {"document_id": id_} for id_ in ids])
            connection.execute(insert(sources), [{"document_id": i, "uri": f"/in/{i}", "seen_at": at} for i in ids])
            rows = [values | empty | {"document_id": id_, "is_current": True, "provisional": False} for id_ in ids]
            connection.execute(insert(results), rows)
            waiting = [
                values
                | {"document_id": id_, "status": "open", "priority": 1 + number % 5}
                | {"due_at": None if number % 7 == 0 else at + timedelta(minutes=number % 5_000)}
                for number, id_ in enumerate(ids, first)
            ]
            connection.execute(insert(review), waiting)


def take_and_decide(database: Database) -> None:
    """What a person does with one item."""
    item = claims.claim_next(database, ANN)
    assert item is not None
    accepted = Decision(review_id=item.review_id, version=1, action=Action.ACCEPT, by="ann", door=Door.COMMAND)
    decide(database, accepted, ANN, TYPES)


def show(name: str, operation: Callable[[], object]) -> None:
    """Time the operation `ROUNDS` times."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        operation()
        times.append((time.perf_counter() - started) * 1000)
    print(f"{name}: median {statistics.median(times):.1f} ms, slowest {max(times):.1f} ms")


if __name__ == "__main__":
    main()
