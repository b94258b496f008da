"""A worker is stopped at a random moment, another takes over what it had claimed, then the first goes on.

No Prefect and no parsing: the stage frame over scripted stages, on PostgreSQL, with leases of a second. Measured, for
each of the rounds: how long the other worker needed until it had every claim, in leases; and how many rows of stage
outputs, results and failures the first worker changed after the other had ended.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from blocks.database.engine import Database, open_database  # noqa: E402 - the path comes first
from blocks.database.errors import LeaseLost  # noqa: E402
from blocks.database.pipeline import documents, runs  # noqa: E402
from blocks.database.pipeline.claims import Worker  # noqa: E402
from blocks.database.pipeline.dead_runs import close_dead_runs  # noqa: E402
from blocks.database.pipeline.leases import hold_lease  # noqa: E402
from blocks.database.tables import failures, results, stage_outputs  # noqa: E402
from blocks.records import OUTPUT_STAGES, Rerun  # noqa: E402
from tasks.runs.chunk import RunContext, run_stage  # noqa: E402
from tasks.store.store import store_chunk  # noqa: E402
from tests.doubles.crashing_postgres import CrashingPostgres  # noqa: E402
from tests.doubles.scripted_stages import ScriptedStage, found  # noqa: E402

LEASE_S = 1.0
NAMES = [f"document {number}" for number in range(20)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        database = open_database(options.work, lease_s=LEASE_S)
        with suppress(LeaseLost):  # it is stopped past its lease
            work(database, options.run, each_s=0.02, begun=lambda: print("working", flush=True))
        return
    random.seed(options.seed)
    with CrashingPostgres() as server:
        url = server.new_database()
        database = open_database(url, lease_s=LEASE_S)
        rounds = [measure(database, url, number) for number in range(options.rounds)]
    leases = [taken_s / LEASE_S for taken_s, *_ in rounds]
    print(f"| rounds | {len(rounds)} |")
    print(f"| stopped while it had claims | {sum(had_claims for _, had_claims, *_ in rounds)} |")
    print(f"| taken over within two leases | {sum(taken <= 2 for taken in leases)} |")
    median, longest = sorted(leases)[len(leases) // 2], max(leases)
    print(f"| leases until all was taken over: median, longest | {median:.2f}, {longest:.2f} |")
    print(f"| rows that the stopped worker changed afterwards | {sum(changed for *_, changed in rounds)} |")


def measure(database: Database, url: str, number: int) -> tuple[float, bool, int]:
    """Seconds until all claims were taken over, whether there were any, and rows changed by the stopped worker."""
    command = [sys.executable, __file__, "--work", url, "--run", f"stopped {number}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        time.sleep(random.uniform(0.0, 1.5))
        os.kill(process.pid, signal.SIGSTOP)
        with database.read() as connection:
            claimed = connection.execute(select(stage_outputs.c.document_id).where(stage_outputs.c.state == "started"))
            had_claims = claimed.first() is not None
        started = time.monotonic()
        taken_s = work(database, f"rescue {number}", each_s=0.0) - started
        time.sleep(max(0.0, started + 1.5 * LEASE_S - time.monotonic()))  # without claims nobody waited for its lease
        close_dead_runs(database)
        before = written(database)
        os.kill(process.pid, signal.SIGCONT)
        process.communicate(timeout=120)
    return taken_s, had_claims, len(before.symmetric_difference(written(database)))


def written(database: Database) -> set[tuple[Any, ...]]:
    """All rows that workers write."""
    with database.read() as connection:
        return {
            (table.name, *map(str, row))
            for table in (stage_outputs, results, failures)
            for row in connection.execute(select(table))
        }


def work(database: Database, run_id: str, each_s: float, begun: Callable[[], None] = lambda: None) -> float:
    """Compute all documents, each after `each_s`. Gives the time at which nothing was claimed by others any more.

    Raises `LeaseLost`.
    """
    runs.start_run(database, run_id, run_id, settings={}, types={}, source="{}")
    with hold_lease(database, run_id) as lease:
        context = RunContext(run_id=run_id, rerun=Rerun.ALL, worker_id=lease.worker_id)
        batch = [found(name) for name in NAMES]
        documents.record_batch(
            database, run_id, batch, given_type=None, rerun=Rerun.ALL, pipeline_digest="p", chunk_size=100
        )
        left = documents.chunk_document_ids(database, run_id, 1)
        begun()
        is_contested = False
        while left:
            left = through_stages(database, context, left, each_s, is_contested)
            is_contested = True
            time.sleep(0.02)
    return time.monotonic()


def through_stages(
    database: Database, context: RunContext, ids: tuple[str, ...], each_s: float, is_contested: bool
) -> tuple[str, ...]:
    claimed: list[str] = []
    for stage in OUTPUT_STAGES:
        part = replace(ScriptedStage(stage, NAMES), before=lambda _: time.sleep(each_s))
        counts = run_stage(database, context, part, ids, is_contested=is_contested)
        claimed += counts.claimed
        ids = tuple(id_ for id_ in ids if id_ not in counts.claimed)
    worker = Worker(context.run_id, context.worker_id)
    return (*claimed, *store_chunk(database, worker, ids, "p", {}).claimed)


if __name__ == "__main__":
    main()
