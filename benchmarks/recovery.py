"""Runs that are killed, stopped, or lose their database, against an undisturbed run over the same documents.

kills: `kill -9` to all processes of a run at random moments, and the same command again, `--times` times, or for
`--minutes`.
restarts: PostgreSQL is stopped at once, as by a crash, and started again every 5 to 20 s under one run.
stops: a run is stopped past its lease, another does its work, the first goes on; all of it as often as asked.

Each says whether the rows of results, review and failures are those of the undisturbed run (digest_rows.py), how many
documents are quarantined, how many runs have no end, and for how long runs waited for claims of others.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digest_rows import Stored, compare, digest, read
from sqlalchemy import create_engine, text

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from tests.doubles.crashing_postgres import CrashingPostgres  # noqa: E402 - the path comes first

WINNOW = str(ROOT / ".venv" / "bin" / "winnow")
DATA = ROOT.parent / "shared" / "data"
SETS = (("einvoices/pdf", "*.pdf"), ("sroie_text/text", "*.txt"), ("tickets/txt", "*.txt"))
LEASE_S = 5.0
PATIENT = {"WINNOW_DOCUMENT_TIMEOUT_S": "600", "WINNOW_LEASE_S": str(LEASE_S)}
MAX_WORK_S = 8.0
"""A run is killed at most so long after it began to work."""
WAITS = re.compile(r"documents wait for run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=sorted(MEASURED))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--times", type=int, default=20, help="how many kills or stops")
    parser.add_argument("--minutes", type=float, default=600.0, help="no kill or stop begins after so many")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    random.seed(options.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    with tempfile.TemporaryDirectory(prefix="winnow-rec-") as scratch, CrashingPostgres() as server:
        home = Path(scratch)
        folder = laid_out(options.data, home / "documents", options.documents)
        try:
            is_postgres = options.database == "postgresql"
            urls = [server.new_database() if is_postgres else f"sqlite:///{home / name}.db" for name in ("a", "b")]
            undisturbed, disturbed = (Place(home, folder, url) for url in urls)
            seconds = undisturbed.run_to_its_end()
            figures = {"documents": options.documents, "database": options.database, "undisturbed_s": round(seconds, 1)}
            figures |= MEASURED[options.what](disturbed, server, Amount(options.times, options.minutes))
            figures |= verdict(undisturbed, disturbed)
        finally:
            subprocess.run([WINNOW, "server", "stop"], env=undisturbed.environment, check=False, capture_output=True)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def laid_out(data: Path, folder: Path, number: int) -> Path:
    """`number` documents: invoices, receipts and tickets of the data or of the samples, then variants of the texts."""
    folder.mkdir()
    paths = [path for place, pattern in SETS for path in sorted((data / place).glob(pattern))]
    texts = [path for path in paths if path.suffix == ".txt"]
    texts = texts or sorted((ROOT / "data" / "samples").rglob("*.txt"))
    for path in paths[:number]:
        shutil.copy(path, folder / path.name)
    for index in range(number - len(paths)):
        content = texts[index % len(texts)].read_text(encoding="utf-8", errors="replace")
        (folder / f"variant_{index:05}.txt").write_text(f"{content}\nREF {index:06}\n", encoding="utf-8")
    return folder


class Amount:
    """So many times, unless the minutes are over before."""

    def __init__(self, times: int, minutes: float) -> None:
        self._times, self._until = times, time.monotonic() + 60.0 * minutes

    def has_more(self, done: int) -> bool:
        return done < self._times and time.monotonic() < self._until


@dataclass(frozen=True)
class Place:
    """A database, and the command over the documents with it."""

    home: Path
    folder: Path
    url: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINNOW_", "PREFECT_"))}
        own = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state"), "WINNOW_DATABASE_URL": self.url}
        return {**kept, **own, **PATIENT, **self.variables}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [WINNOW, "run", str(self.folder), "--json", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run_to_its_end(self) -> float:
        started = time.monotonic()
        process = self.start()
        out, err = process.communicate()
        if process.returncode:
            raise SystemExit(f"the run failed: {out}{err}")
        return time.monotonic() - started

    def one(self, query: str) -> Any:
        """The value of a query; None while there is no database."""
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                return connection.execute(text(query)).scalar()
        except Exception:  # noqa: BLE001 - the first run has not made it yet
            return None
        finally:
            engine.dispose()


def verdict(undisturbed: Place, disturbed: Place) -> dict[str, object]:
    """What became of the disturbed run, beside the undisturbed one."""
    expected, found = (read(place.url, place.home, 0) for place in (undisturbed, disturbed))
    without_attempts = frozenset({"failures.attempts"})  # a document that fails counts its attempts, as it should
    return {
        "rows that differ": compare("undisturbed and disturbed", expected, found, without_attempts),
        "digest": f"{digest(expected.rows)[:16]} {digest(found.rows)[:16]}",
        "documents with an outcome": outcomes(found),
        "quarantined": disturbed.one("SELECT COUNT(*) FROM failures WHERE kind = 'quarantined'"),
        "runs": disturbed.one("SELECT COUNT(*) FROM runs"),
        "runs without an end": disturbed.one("SELECT COUNT(*) FROM runs WHERE state IS NULL"),
        "runs closed as dead": disturbed.one("SELECT COUNT(*) FROM runs WHERE state = 'Crashed'"),
        "workers left": disturbed.one("SELECT COUNT(*) FROM workers"),
    }


def outcomes(stored: Stored) -> int:
    return len({row["document_id"] for rows in stored.rows.values() for row in rows})


def kills(place: Place, _server: CrashingPostgres, amount: Amount) -> dict[str, object]:
    """Kill a run so many times after it has begun to work, then let it end."""
    killed, ended_before, runs_before = 0, 0, 0
    while amount.has_more(killed):
        process = place.start("--rerun", "all") if ended_before else place.start()
        while (runs := place.one("SELECT COUNT(*) FROM runs") or 0) <= runs_before and process.poll() is None:
            time.sleep(0.05)
        runs_before = runs
        time.sleep(random.uniform(0.0, MAX_WORK_S))
        if process.poll() is not None:
            ended_before += 1
        else:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
    started = time.monotonic()
    process = place.start("--rerun", "all") if ended_before else place.start()
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"the last run failed: {errors}")
    return {
        "kills": killed,
        "runs that ended before": ended_before,
        "last_run_s": round(time.monotonic() - started, 1),
        "waits for claims": len(WAITS.findall(errors)),
    }


def restarts(place: Place, server: CrashingPostgres, _amount: Amount) -> dict[str, object]:
    """Crash the server every 5 to 20 s under a single run."""
    away: list[float] = []
    ended = threading.Event()

    def crash() -> None:
        while not ended.wait(random.uniform(5, 20)):
            away.append(server.crash_and_start())

    process, started = place.start(), time.monotonic()
    while not place.one("SELECT COUNT(*) FROM runs") and process.poll() is None:
        time.sleep(0.05)
    thread = threading.Thread(target=crash)
    thread.start()
    out, errors = process.communicate()
    ended.set()
    thread.join()
    if process.returncode:
        raise SystemExit(f"the run failed: {out}{errors}")
    return {
        "restarts": len(away),
        "away_s": round(sum(away), 1),
        "disturbed_s": round(time.monotonic() - started, 1),
    }


def stops(place: Place, _server: CrashingPostgres, amount: Amount) -> dict[str, object]:
    """Stop a run past its lease, let another do all the work, let the first go on. Each time everything is computed."""
    took: list[float] = []
    waited: list[float] = []
    ends: list[int] = []
    while amount.has_more(len(ends)):
        runs_before = place.one("SELECT COUNT(*) FROM runs") or 0
        stopped = place.start("--rerun", "all")
        while (place.one("SELECT COUNT(*) FROM runs") or 0) <= runs_before and stopped.poll() is None:
            time.sleep(0.05)
        time.sleep(random.uniform(0.2, 2.0))
        with all_stopped(stopped.pid):
            started = time.monotonic()
            rescue = place.start("--rerun", "all")
            waited.append(longest_wait(rescue))
            took.append(time.monotonic() - started)
            if rescue.returncode:
                raise SystemExit("the rescue failed")
        stopped.communicate()
        ends.append(stopped.returncode)
    return {
        "stops": len(ends),
        "rescue_s, longest": round(max(took), 1),
        "wait for claims_s, longest": round(max(waited), 1),
        "lease_s": LEASE_S,
        "ends of the stopped": {code: ends.count(code) for code in sorted(set(ends))},
    }


@contextmanager
def all_stopped(group: int) -> Iterator[None]:
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def longest_wait(process: "subprocess.Popen[str]") -> float:
    """Seconds from the first line about claims of others to the end; 0 without such a line. Ends with the process."""
    assert process.stderr is not None
    first: float | None = None
    for line in process.stderr:
        if first is None and WAITS.search(line):
            first = time.monotonic()
    process.communicate()
    return 0.0 if first is None else time.monotonic() - first


MEASURED: dict[str, Callable[[Place, CrashingPostgres, Amount], dict[str, object]]] = {
    "kills": kills,
    "restarts": restarts,
    "stops": stops,
}

if __name__ == "__main__":
    main()
