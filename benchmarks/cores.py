"""What a run over many tickets costs in time, CPU and memory, and how much of it one process has to do alone.

`--checkout` takes a second tree of Winnow, and both run in turns with this Python and a database each, because a shared
machine's speed drifts. Other work on the machine changes wall time; two figures hold nevertheless: the CPU seconds of
all processes of the run with the Prefect server's part, and those of the busiest process. No run over two cores is
faster than the larger of the busiest process and half of all; `bound` is that. The rows of results, review and failures
of all runs must be equal (digest_rows.py).

Memory is sampled: the sum over the run's processes of their proportional set sizes, in which a page that processes
share counts once. The Prefect server is left out of it. `--kills` adds a run of this tree, and kills
processes of it at random moments, any but its first.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from digest_rows import Stored, digest, read

ROOT = Path(__file__).resolve().parent.parent
TICKETS = ROOT.parent / "shared" / "data" / "tickets" / "labels.csv"
SAMPLE_EVERY_S = 1.0
KILL_EVERY_S = (2.0, 6.0)
MEGABYTE = 1024 * 1024
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from deployments.cli.main import main; main()"
GOAL, MEMORY_GOAL_MB = 1.8, 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kills", type=int, default=0, help="kill so many processes of a further run")
    parser.add_argument("--checkout", type=Path, help="another tree of Winnow, to compare with")
    parser.add_argument("--tickets", type=Path, default=TICKETS, help="a csv file with a column text")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    trees = {"before": options.checkout.resolve()} if options.checkout else {}
    trees |= {"now": ROOT, "killed": ROOT} if options.kills else {"now": ROOT}
    with tempfile.TemporaryDirectory(prefix="winnow-cores-") as scratch:
        home = Path(scratch)
        source = write_tickets(options.tickets, home / "tickets.csv", options.documents)
        first = write_tickets(options.tickets, home / "first.csv", 20)
        with prefect_server(home) as server:
            subprocess.run([sys.executable, "-m", "deployments.setup.classifiers"], cwd=ROOT, check=True)
            small: dict[str, list[Figures]] = {name: [] for name in trees}
            large: dict[str, list[Figures]] = {name: [] for name in trees}
            for _ in range(options.rounds):
                for name, checkout in trees.items():
                    small[name].append(run(checkout, first, home, server))
                    large[name].append(run(checkout, source, home, server, options.kills if name == "killed" else 0))
                    print(f"{name}: {large[name][-1]}", flush=True)
    rows = {figures.digest for runs in large.values() for figures in runs}
    report = {"documents": options.documents, "equal rows": len(rows) == 1}
    report |= {f"{name}, {what}": value for name, runs in large.items() for what, value in medians(runs).items()}
    report |= {f"{name}, 20 documents: cpu_s": medians(runs)["cpu_s"] for name, runs in small.items()}
    if options.checkout:
        for what in ("wall_s", "bound_s", "cpu_s"):
            ratio = medians(large["before"])[what] / medians(large["now"])[what]
            report[f"before over now: {what}"] = round(ratio, 2)
    for name, value in report.items():
        print(f"{name:36} {value}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if len(rows) != 1:
        sys.exit("the rows of the runs differ")


def write_tickets(tickets: Path, path: Path, number: int) -> Path:
    """A csv file with `number` different tickets in its column message."""
    if tickets.exists():
        with tickets.open(encoding="utf-8", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
    else:
        texts = [place.read_text() for place in sorted((ROOT / "data" / "samples" / "support_ticket").glob("*.txt"))]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["message"])
        writer.writerows([f"{texts[index % len(texts)]} Reference {index:06}."] for index in range(number))
    return path


@dataclass
class Figures:
    """What a run took."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    busiest_s: float = 0.0
    server_s: float = 0.0
    peak_mb: float = 0.0
    first_mb: float = 0.0
    kills: int = 0
    digest: str = field(default="", repr=False)

    @property
    def bound_s(self) -> float:
        """No run over two cores is faster."""
        return max(self.busiest_s, (self.cpu_s + self.server_s) / 2)


def medians(runs: list[Figures]) -> dict[str, float]:
    """Each figure's median over the rounds."""
    names = ("wall_s", "bound_s", "cpu_s", "busiest_s", "server_s", "peak_mb", "first_mb", "kills")
    return {name: round(statistics.median(getattr(run, name) for run in runs), 1) for name in names}


@contextmanager
def prefect_server(home: Path) -> Iterator[psutil.Process]:
    """A Prefect server of the benchmark's own, whose address is in the environment meanwhile."""
    os.environ |= {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
    sys.path.append(str(ROOT))
    from deployments.prefect_api import local_server

    server = local_server.ensure()
    os.environ["PREFECT_API_URL"] = server.url
    os.environ["PREFECT_HOME"] = str(local_server.home())
    try:
        yield psutil.Process(server.pid)
    finally:
        local_server.stop()


def run(checkout: Path, source: Path, home: Path, server: psutil.Process, kills: int = 0) -> Figures:
    """One run of `winnow run` over the source into a new database."""
    url = f"sqlite:///{home / 'winnow.db'}"
    for old in home.glob("winnow.db*"):
        old.unlink()
    command = [sys.executable, "-c", START, str(checkout), "run", str(source), "--rows", "message", "--json"]
    environment = os.environ | {"WINNOW_DATABASE_URL": url, "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    figures = Figures()
    before_s = cpu_of(server)
    started = time.monotonic()
    with (home / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        watched = threading.Thread(target=watch, args=(psutil.Process(process.pid), figures, kills))
        watched.start()
        _, status, usage = os.wait4(process.pid, 0)
        figures.wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watched.join()
        if process.returncode:
            log.seek(0)
            sys.exit(f"the run of {checkout} failed:\n{log.read()[-2000:]}")
    figures.cpu_s = usage.ru_utime + usage.ru_stime
    figures.server_s = cpu_of(server) - before_s
    figures.digest = digest_of(read(url, home, figures.wall_s))
    return figures


def watch(first: psutil.Process, figures: Figures, kills: int) -> None:
    """Sample memory and CPU of the run's processes until its first one ends, and kill others meanwhile."""
    kill_at = time.monotonic() + 15.0
    while True:
        try:
            others = first.children(recursive=True)
            figures.first_mb = max(figures.first_mb, memory_mb(first))
            figures.busiest_s = max([figures.busiest_s, *map(cpu_of, (first, *others))])
            figures.peak_mb = max(figures.peak_mb, memory_mb(first) + sum(map(memory_mb, others)))
        except psutil.Error:
            if not first.is_running() or first.status() == psutil.STATUS_ZOMBIE:
                return
            continue
        if others and figures.kills < kills and time.monotonic() > kill_at:
            random.choice(others).kill()
            figures.kills += 1
            kill_at = time.monotonic() + random.uniform(*KILL_EVERY_S)
        time.sleep(SAMPLE_EVERY_S)


def cpu_of(process: psutil.Process) -> float:
    """The CPU seconds of a process, without its children; 0 if it has ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def memory_mb(process: psutil.Process) -> float:
    """The proportional set size of a process; 0 if it has ended."""
    try:
        return float(process.memory_full_info().pss) / MEGABYTE
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0.0


def digest_of(stored: Stored) -> str:
    """The digest of all compared rows."""
    return digest(stored.rows)


if __name__ == "__main__":
    main()
