"""How long a scrape takes: the first of an exporter, and those that follow, of a database with many documents.

python benchmarks/metrics.py [--documents 100000] [--database URL of an empty database]

Each document has a result, an open item and two calls of models; each hundredth has failed. A run has 1,000 of them.
"""

import argparse
import statistics
import tempfile
import time
from datetime import timedelta
from decimal import Decimal

from review_queue import fill
from sqlalchemy import insert, text

from blocks.database.engine import Database, now, open_database
from blocks.database.tables import failures, model_calls, runs
from deployments.monitoring.exporter import Exporter

ROUNDS = 10
OUTCOMES = ("ok", "ok", "ok", "cache_hit", "timed_out")


def main() -> None:
    """Fill the database, then print seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--database", default=f"sqlite:///{tempfile.mkdtemp()}/metrics.db")
    options = parser.parse_args()
    database = open_database(options.database)
    fill(database, options.documents)
    fill_calls(database, options.documents)
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
    exporter = Exporter(database, kept_for_s=0)
    times = [seconds(exporter) for _ in range(1 + ROUNDS)]
    print(f"first scrape: {times[0]:.3f} s; the next {ROUNDS}: median {statistics.median(times[1:]):.3f} s,")
    print(f"slowest {max(times[1:]):.3f} s; {len(exporter.text()):,} bytes")


def seconds(exporter: Exporter) -> float:
    """One scrape."""
    started = time.perf_counter()
    exporter.text()
    return time.perf_counter() - started


def fill_calls(database: Database, number_of_documents: int) -> None:
    """Runs, failures and calls, 10,000 documents in a transaction."""
    at = now() - timedelta(days=1)
    run = {"name": "r", "source": "/in", "settings": {}, "document_types": {"a": "x" * 2_000}, "state": "Completed"}
    failure = {"stage": "extract", "kind": "corrupt", "message": "m", "attempts": 1, "retry": "never", "run_id": "r"}
    call = {"run_id": "r", "model_version": "v", "attempt": 1, "request_digest": "d", "input_characters": 2_000}
    call |= {"output_characters": 300, "input_tokens": 700, "output_tokens": 90, "cost_usd": Decimal("0.00123")}
    for first in range(0, number_of_documents, 10_000):
        numbers = range(first, min(first + 10_000, number_of_documents))
        with database.write() as connection:
            started = [{"run_id": f"{n:x}", "started_at": at, "finished_at": at} | run for n in numbers[::1_000]]
            connection.execute(insert(runs), started)
            failed = [{"document_id": f"{n:064x}", "first_at": at, "last_at": at} | failure for n in numbers[::100]]
            connection.execute(insert(failures), failed)
            of_document = [
                {
                    "document_id": f"{n:064x}",
                    "model": f"model-{n % 4}",
                    "step": step,
                    "latency_ms": n * 7 % 30_000,
                    "outcome": OUTCOMES[n % len(OUTCOMES)],
                    "called_at": at,
                    "call_key": f"{n:x}-{step}",
                }
                for n in numbers
                for step in (0, 1)
            ]
            connection.execute(insert(model_calls), [call | row for row in of_document])


if __name__ == "__main__":
    main()
