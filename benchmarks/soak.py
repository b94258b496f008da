"""An hour of faults: runs over the same documents, each disturbed at random, each with the same rows at its end.

A round takes a new database, starts `winnow run`, disturbs it, and runs the command again until it ends well, as an
operator or the next schedule would. The faults, drawn at random:

kill: `kill -9` to all processes of the run, up to three times.
stop: the run is stopped past its lease, another one does the work, the first goes on.
database: PostgreSQL is stopped at once, as by a crash, and started again; up to three times.
prefect: the Prefect server is killed.
all: a kill, then a crash of the database and the death of the Prefect server under the run that goes on.
disk: the run's SQLite database is on a file system of few MB, which fills up and is freed after the run has stopped.
clock: the clock of the run and of its Prefect server jumps by an hour, ahead and back, up to three times; on SQLite,
where the leases go by that clock. Needs gcc.

Each round says whether the rows of results, review and failures are those of an undisturbed run.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from digest_rows import Rows, digest, read
from recovery import DATA, LEASE_S, WINNOW, Place, all_stopped, laid_out

from tests.doubles.crashing_postgres import CrashingPostgres  # recovery.py puts the project on the path

MAX_RUNS = 8
"""A round that needs more runs than this has failed."""
DISK_MB = 24
LEFT_BYTES = 900_000
"""How much of the small disk is left when the run begins: less than the tables and the log of the first writes take."""
JUMPING_CLOCK = Path(__file__).parent / "jumping_clock.c"
ENDS_RUNS = frozenset({"kill", "disk"})
"""Faults under which no run ends well: a round of them with a run that did was not disturbed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--faults", nargs="+", choices=sorted(FAULTS), default=sorted(FAULTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    if "clock" in options.faults and not shutil.which("gcc"):
        parser.error("the fault clock needs gcc: install it, or name the other faults by --faults")
    random.seed(options.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    rounds: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="winnow-soak-") as scratch, CrashingPostgres() as server:
        home = Path(scratch)
        folder = laid_out(options.data, home / "documents", options.documents)
        place = Place(home, folder, server.new_database())
        try:
            print(f"undisturbed: {place.run_to_its_end():.1f} s", flush=True)
            expected = rows_of(place)
            ends_at = time.monotonic() + options.minutes * 60
            while time.monotonic() < ends_at:
                fault = options.faults[len(rounds) % len(options.faults)]
                rounds.append(round_of(fault, home, folder, server, expected))
                print(json.dumps(rounds[-1]), flush=True)
        finally:
            subprocess.run([WINNOW, "server", "stop"], env=place.environment, check=False, capture_output=True)
    figures = summary(rounds, digest(expected))
    for name, value in figures.items():
        print(f"{name:28} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures | {"each": rounds}, indent=2) + "\n", encoding="utf-8")
    if figures["rounds with other rows"] or figures["rounds without an end"] or figures["runs without an end"]:
        sys.exit(1)


def round_of(fault: str, home: Path, folder: Path, server: CrashingPostgres, expected: Rows) -> dict[str, object]:
    """One disturbed run, and the runs after it until one ends well."""
    started = time.monotonic()
    with PLACES.get(fault, database_of)(home, server) as url:
        place = Place(home, folder, url)
        disturbed = FAULTS[fault](place, server)
        runs = 0
        while runs < MAX_RUNS:
            runs += 1
            process = place.start()
            process.communicate()
            if process.returncode == 0:
                break
        found = rows_of(place)
        return {
            "fault": fault,
            "disturbed runs ended with": disturbed,
            "s": round(time.monotonic() - started, 1),
            "runs until the end": runs,
            "has ended": process.returncode == 0,
            "rows are equal": found == expected,
            "runs without an end": place.one("SELECT COUNT(*) FROM runs WHERE state IS NULL"),
            "quarantined": place.one("SELECT COUNT(*) FROM failures WHERE kind = 'quarantined'"),
        }


def rows_of(place: Place) -> Rows:
    """The rows that people see, without how often a failing document was tried."""
    rows = read(place.url, place.home, 0).rows
    for row in rows["failures"]:
        row.pop("attempts", None)
    return rows


@contextmanager
def database_of(_home: Path, server: CrashingPostgres) -> Iterator[str]:
    """The address of a new database of the server."""
    yield server.new_database()


@contextmanager
def database_file(home: Path, _server: CrashingPostgres) -> Iterator[str]:
    """The address of a new SQLite database."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        yield f"sqlite:///{folder}/winnow.db"


@contextmanager
def small_disk(home: Path, _server: CrashingPostgres) -> Iterator[str]:
    """The address of a database on a file system of a few MB of which little is left. Needs the right to mount one."""
    disk = home / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)], check=True)
    try:
        yield f"sqlite:///{disk}/winnow.db"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()


def begun(place: Place) -> "subprocess.Popen[str]":
    """A run that has begun to work a moment ago."""
    known = place.one("SELECT COUNT(*) FROM runs") or 0
    process = place.start()
    while (place.one("SELECT COUNT(*) FROM runs") or 0) <= known and process.poll() is None:
        time.sleep(0.05)
    time.sleep(random.uniform(0.0, 6.0))
    return process


def end_of(process: "subprocess.Popen[str]") -> int:
    process.communicate()
    return process.returncode


def killed(place: Place, _server: CrashingPostgres) -> list[int]:
    codes = []
    for _ in range(random.randint(1, 3)):
        process = begun(place)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        codes.append(end_of(process))
    return codes


def stopped(place: Place, _server: CrashingPostgres) -> list[int]:
    process = begun(place)
    with all_stopped(process.pid):
        time.sleep(random.uniform(0.0, 2 * LEASE_S))
        rescue = end_of(place.start())
    return [end_of(process), rescue]


def database_away(place: Place, server: CrashingPostgres) -> list[int]:
    process = begun(place)
    for _ in range(random.randint(1, 3)):
        server.crash_and_start(random.uniform(0.0, 5.0))
        time.sleep(random.uniform(1.0, 5.0))
    return [end_of(process)]


def prefect_away(place: Place, _server: CrashingPostgres) -> list[int]:
    process = begun(place)
    kill_prefect(place)
    return [end_of(process)]


def everything(place: Place, server: CrashingPostgres) -> list[int]:
    codes = killed(place, server)
    process = begun(place)
    server.crash_and_start(random.uniform(0.0, 5.0))
    kill_prefect(place)
    return [*codes, end_of(process)]


def disk_full(place: Place, _server: CrashingPostgres) -> list[int]:
    filler = place.home / "disk" / "filler"
    filler.write_bytes(b"\0" * (shutil.disk_usage(filler.parent).free - LEFT_BYTES))
    code = end_of(place.start())
    filler.unlink()
    return [code]


def clock_jumps(place: Place, _server: CrashingPostgres) -> list[int]:
    library, clock = place.home / "clock.so", place.home / "clock"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(JUMPING_CLOCK), "-ldl"], check=True)
    jump_to(clock, 0)
    kill_prefect(place)  # the run starts another one, by the same clock
    process = begun(replace(place, variables={"LD_PRELOAD": str(library), "JUMPING_CLOCK": str(clock)}))
    for _ in range(random.randint(1, 3)):
        jump_to(clock, random.choice((3600, -3600)))
        time.sleep(random.uniform(1.0, 5.0))
    code = end_of(process)
    kill_prefect(place)
    return [code]


def jump_to(clock: Path, seconds: int) -> None:
    """Let the clock be off by so many seconds. Processes have mapped the file: its length stays."""
    with clock.open("r+b" if clock.exists() else "w+b") as file:
        file.write(b"%-15d\0" % seconds)


def kill_prefect(place: Place) -> None:
    """Kill the Prefect server of this home."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            own = f"HOME={place.home}\0".encode() in (path / "environ").read_bytes()
            if own and "prefect" in command and "server" in command:
                os.kill(int(path.name), signal.SIGKILL)
        except OSError:  # it has ended
            continue


def summary(rounds: list[dict[str, object]], expected: str) -> dict[str, object]:
    faults = [str(each["fault"]) for each in rounds]
    return {
        "rounds": len(rounds),
        "by fault": {fault: faults.count(fault) for fault in sorted(set(faults))},
        "rounds with other rows": sum(not each["rows are equal"] for each in rounds),
        "rounds left undisturbed": sum(
            each["fault"] in ENDS_RUNS and set(cast("list[int]", each["disturbed runs ended with"])) == {0}
            for each in rounds
        ),
        "rounds without an end": sum(not each["has ended"] for each in rounds),
        "runs without an end": sum(int(str(each["runs without an end"])) for each in rounds),
        "quarantined": sum(int(str(each["quarantined"])) for each in rounds),
        "digest": expected[:16],
    }


FAULTS: dict[str, Callable[[Place, CrashingPostgres], list[int]]] = {
    "kill": killed,
    "stop": stopped,
    "database": database_away,
    "prefect": prefect_away,
    "all": everything,
    "disk": disk_full,
    "clock": clock_jumps,
}
PLACES = {"disk": small_disk, "clock": database_file}

if __name__ == "__main__":
    main()
