"""CPU seconds of the commands that people wait for, from an empty home on.

User and system time of each command and of the processes that it started and waited for, so a busy machine changes
them less than wall time. The local Prefect server outlives the commands: its part is measured apart. `--checkout` takes
a second tree of Winnow, set up as this one, and measures both in turns, because a shared machine's speed drifts.

A known document is run again with nothing to do. The runs over new documents find the classifiers as `make setup` and
an earlier run have left them; the row `no cache` finds none. All samples are
run once per tree, with the start of the server.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "data" / "samples"
TEXT, PDF = SAMPLES / "receipt" / "bakery.txt", SAMPLES / "invoice" / "azure_en.pdf"
SET_UP = Path("deployments") / "setup" / "classifiers.py"
SAMPLES_ROW, SAMPLES_GOAL_S = "all samples, with the server's start: wall s", 25.0


@dataclass(frozen=True)
class Row:
    """A command, as a function of the round, with its goal in CPU seconds and the exit codes that it may have."""

    name: str
    goal_s: float | None
    arguments: Callable[["Tree", int], Sequence[str]]
    codes: tuple[int, ...] = (0,)
    has_cache: bool = True


ROWS = (
    Row("--help", 0.3, lambda _tree, _round: ["--help"]),
    Row("wrong usage: winnow rnu", 0.3, lambda _tree, _round: ["rnu"], codes=(2,)),
    Row("run, without a source", 0.3, lambda _tree, _round: ["run"], codes=(2,)),
    Row("results", 0.7, lambda _tree, _round: ["results"]),
    Row("review list", 0.7, lambda _tree, _round: ["review", "list"]),
    Row("failures", 0.7, lambda _tree, _round: ["failures"]),
    Row("doctor", 2.0, lambda _tree, _round: ["doctor"]),
    Row("run, a known text", 2.0, lambda tree, _round: ["run", str(tree.known)]),
    Row("run, a new text", 3.0, lambda tree, number: ["run", str(tree.new(TEXT, number))]),
    Row("run, a new PDF", 3.0, lambda tree, number: ["run", str(tree.new(PDF, number))]),
    Row("run, a new text, no cache", None, lambda tree, number: ["run", str(tree.new(TEXT, number))], has_cache=False),
)


@dataclass
class Tree:
    """A checkout with a home of its own, and the CPU seconds of its commands, round by round."""

    name: str
    checkout: Path
    home: Path
    cpu_s: dict[str, list[float]] = field(default_factory=dict)
    server_s: dict[str, list[float]] = field(default_factory=dict)
    samples_s: float = 0.0

    @property
    def known(self) -> Path:
        return self.home / "known.txt"

    def new(self, sample: Path, number: int) -> Path:
        """The sample as another document: both formats allow bytes after their end."""
        copy = self.home / f"{time.monotonic_ns()}-{number}{sample.suffix}"
        copy.write_bytes(sample.read_bytes() + f"\n% {copy.name}\n".encode())
        return copy

    def environment(self, cache: str = "cache", state: str = "state") -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WINNOW_", "PREFECT_"))}
        folders = {"XDG_CACHE_HOME": cache, "XDG_STATE_HOME": state}
        return kept | {name: str(self.home / folder) for name, folder in ({"HOME": "."} | folders).items()}

    def call(self, arguments: Sequence[str], environment: Mapping[str, str], codes: Sequence[int]) -> float:
        """The CPU seconds of one command."""
        log = self.home / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.checkout / ".venv" / "bin" / "winnow", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd=self.home,
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            sys.exit(f"{self.name}: winnow {' '.join(arguments)} ended with {process.returncode}:\n{log.read_text()}")
        return usage.ru_utime + usage.ru_stime

    def server_cpu_s(self) -> float:
        """What the local Prefect server has taken since its start."""
        import psutil

        state = json.loads((self.home / "state" / "winnow" / "prefect" / "server.json").read_text())
        times = psutil.Process(state["pid"]).cpu_times()
        return times.user + times.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, help="another tree of Winnow, set up, to measure side by side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    checkouts = {"before": options.checkout.resolve(), "after": ROOT} if options.checkout else {"CPU s": ROOT}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="winnow-startup-") as scratch:
        trees = [Tree(name, checkout, Path(scratch) / str(n)) for n, (name, checkout) in enumerate(checkouts.items())]
        for tree in trees:
            run_samples(tree)
        try:
            for number in range(options.rounds):
                for row in ROWS:
                    for tree in trees if number % 2 else reversed(trees):
                        measure(tree, row, number)
        finally:
            for tree in trees:
                tree.call(["server", "stop"], tree.environment(), (0, 1))
    report(trees, options.rounds, load, options.json)


def run_samples(tree: Tree) -> None:
    """Set the home up as `make setup` does, run all samples with the server's start, and make a document known."""
    tree.home.mkdir()
    if (tree.checkout / SET_UP).exists():
        module = ".".join(SET_UP.with_suffix("").parts)
        python = tree.checkout / ".venv" / "bin" / "python"
        subprocess.run([python, "-m", module], cwd=tree.checkout, env=tree.environment(), check=True)
    started = time.monotonic()
    tree.call(["run", str(tree.checkout / "data" / "samples")], tree.environment(), (0, 1))
    tree.samples_s = time.monotonic() - started
    shutil.copy(TEXT, tree.known)
    tree.call(["run", str(tree.known)], tree.environment(), (0,))


def measure(tree: Tree, row: Row, number: int) -> None:
    environment = tree.environment() if row.has_cache else tree.environment(cache=f"cache-{row.name}-{number}")
    arguments = row.arguments(tree, number)
    before_s = tree.server_cpu_s()
    tree.cpu_s.setdefault(row.name, []).append(tree.call(arguments, environment, row.codes))
    tree.server_s.setdefault(row.name, []).append(tree.server_cpu_s() - before_s)


def report(trees: Sequence[Tree], rounds: int, load: float, target: Path | None) -> None:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} at the start"
    print(f"\nCPU seconds, median of {rounds} rounds (in brackets: the server's part beside it); {machine}")
    print(f"{'':46}" + "".join(f"{tree.name:>16}" for tree in trees) + f"{'goal':>8}")
    medians = {
        tree.name: {row.name: round(statistics.median(tree.cpu_s[row.name]), 2) for row in ROWS} for tree in trees
    }
    servers = {
        tree.name: {row.name: round(statistics.median(tree.server_s[row.name]), 2) for row in ROWS} for tree in trees
    }
    for row in ROWS:
        cells = [f"{medians[tree.name][row.name]:.2f} ({servers[tree.name][row.name]:.2f})" for tree in trees]
        print(f"{row.name:46}" + "".join(f"{cell:>16}" for cell in cells) + f"{row.goal_s or '':>8}")
    print(f"{SAMPLES_ROW:46}" + "".join(f"{tree.samples_s:>16.1f}" for tree in trees) + f"{SAMPLES_GOAL_S:>8}")
    if target:
        figures = {
            "machine": machine,
            "rounds": rounds,
            "goals_cpu_s": {row.name: row.goal_s for row in ROWS},
            "cpu_s": medians,
            "server_cpu_s": servers,
            "samples_wall_s": {tree.name: round(tree.samples_s, 1) for tree in trees},
        }
        target.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
