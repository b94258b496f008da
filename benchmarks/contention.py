"""Many writers on one SQLite database: how long a transaction takes, its wait for the others included, and whether any
is refused because the file is locked.

So many processes record documents and take them through the frame of the stages, which do nothing, as fast as they can.
Every transaction that writes is timed, from before it asks for the file to its commit.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from statistics import quantiles
from typing import Any

from scale_cost import ROOT, nothing

GOAL_P99_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--write", nargs=2, metavar=("URL", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        url, name = options.write
        write(url, name, options.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/winnow.db"
        own = [sys.executable, __file__, "--seconds", str(options.seconds), "--write", url]
        writers = [
            subprocess.Popen([*own, str(name)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
            for name in range(options.writers)
        ]
        answers = [json.loads(writer.communicate()[0]) for writer in writers]
    took = [each for answer in answers for each in answer["took_s"]]
    percentiles = quantiles(took, n=100)
    figures = {
        "writers": options.writers,
        "seconds": options.seconds,
        "transactions": len(took),
        "documents": sum(answer["documents"] for answer in answers),
        "p50_s": round(percentiles[49], 4),
        f"p99_s (goal {GOAL_P99_S:g})": round(percentiles[98], 3),
        "longest_s": round(max(took), 3),
        "refused": [message for answer in answers for message in answer["refused"]],
    }
    print(json.dumps(figures, indent=1))


def write(url: str, name: str, seconds: float) -> None:
    """Write until the time is up; print how long each transaction took, and what was refused."""
    sys.path.insert(0, str(ROOT))
    from sqlalchemy import Connection

    from blocks.database.engine import Database, open_database
    from blocks.database.pipeline import documents, runs
    from blocks.database.pipeline.leases import hold_lease
    from blocks.records import OUTPUT_STAGES, Rerun
    from tasks.runs.chunk import RunContext, run_stage
    from tasks.store.store import store_chunk

    took_s: list[float] = []
    refused: list[str] = []
    plain = Database.write

    @contextmanager
    def timed(database: Database) -> Iterator[Connection]:
        started = time.monotonic()
        with plain(database) as connection:
            yield connection
        took_s.append(time.monotonic() - started)

    Database.write = timed  # type: ignore[method-assign,assignment] # every transaction passes here
    database = open_database(url)
    works = [nothing(stage) for stage in OUTPUT_STAGES]
    terms: Any = {"given_type": None, "rerun": Rerun.STALE, "pipeline_digest": "p", "chunk_size": 100}
    ends_at, done = time.monotonic() + seconds, 0
    found = _documents(name)
    with hold_lease(database, name) as lease:
        runs.start_run(database, name, name, settings={}, types={}, source="{}")
        context = RunContext(run_id=name, worker_id=lease.worker_id)
        while time.monotonic() < ends_at:
            group = list(islice(found, 100))
            ids = [each.document_id for each in group]
            try:
                documents.record_batch(database, name, group, **terms)
                for work in works:
                    run_stage(database, context, work, ids)
                store_chunk(database, context.worker, ids, "p", {})
            except Exception as error:  # noqa: BLE001 - it is what is counted
                refused.append(str(error).splitlines()[0])
            done += len(ids)
    print(json.dumps({"took_s": took_s, "documents": done, "refused": refused}))


def _documents(name: str) -> Iterator[Any]:
    from blocks.records import DiscoveredDocument

    for number in count():
        id_ = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
        yield DiscoveredDocument(id_, f"file:///in/{name}/{number}.txt", "text/plain", 300)


if __name__ == "__main__":
    main()
