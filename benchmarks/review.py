"""A scripted person clears documents on the review page in a real Chromium, by the keyboard alone.

python benchmarks/review.py [--documents 100] [--pace 0.1]

Receipts and invoices with known values go through `winnow run`. The person logs in, takes the next item, walks the
doubtful fields, types the true value where another one is shown, and accepts. Of fields whose truth the set does not
state, what is shown is taken. Embedded e-invoice XML is removed first, as a page is what a person reviews.

Keys are counted one by one: a chord is two, a run of capitals costs one more. A person's seconds are a model: fixed
times per key, glance and search (--key-s and so on), plus the measured waiting for the machine. 0.28 s per key is the
average typist of the keystroke-level model (Card, Moran and Newell, CACM 23(7), 1980); its mental operator is 1.35 s,
and the glances here are longer, because a person also reads. With --pace, that share of the times really passes, so
that what the page does ahead has some of the time it would have.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from accuracy_fields import is_same
from playwright.sync_api import Browser, Error, sync_playwright
from review_person import Cleared, Pace, Reviewer
from review_truth import Paper, papers

from blocks.database.engine import open_database
from blocks.database.results.results import list_results
from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
WINNOW = str(ROOT / ".venv" / "bin" / "winnow")
PASSWORD = "a long enough password"
PLANNED_S = {"document": 30, "flagged field": 14, "page": 20}
"""Planning figures of the AWS intelligent document processing accelerator, for a person's time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--work", type=Path, help="keep documents and database here; by default they are deleted")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--json", type=Path, help="write every document's figures here as well")
    for each in fields(Pace):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=float, default=each.default)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not there")
        return
    pace = Pace(*(getattr(options, each.name) for each in fields(Pace)))
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        measure(options, pace, work)


def measure(options: argparse.Namespace, pace: Pace, work: Path) -> None:
    known = papers(options.data, work / "documents")
    types = load_document_types(Settings().document_types_dir)
    url = f"sqlite:///{work / 'review.db'}"
    environment = os.environ | {
        "HOME": str(work),
        "XDG_CACHE_HOME": str(work),
        "PREFECT_HOME": str(work / "prefect"),
        "WINNOW_DATABASE_URL": url,
    }
    try:
        subprocess.run([WINNOW, "run", str(work / "documents")], env=environment, check=True)
    finally:
        subprocess.run([WINNOW, "server", "stop"], env=environment, check=False)
    command = [WINNOW, "review", "user", "add", "ann", "--password-stdin"]
    subprocess.run(command, env=environment, check=True, input=PASSWORD, text=True)
    with serving(environment) as address, browser(options.chromium) as chromium:
        reviewer = Reviewer(chromium, address, known, types, pace)
        reviewer.log_in("ann", PASSWORD)
        started = time.monotonic()
        cleared = reviewer.clear(options.documents)
        print(f"cleared {len(cleared)} documents in {time.monotonic() - started:.0f} s")
    report(cleared, pace)
    before, after, count = rightness(cleared, known, types, url)
    print(f"values with a known truth: {count}; right before {before / count:.1%}, after {after / count:.1%}")
    if options.json:
        rows = [each.row(pace) for each in cleared]
        options.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[str]:
    """The page, served by the command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([WINNOW, "review", "serve", "--port", str(port)], env=dict(environment))
    try:
        for _ in range(600):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                sys.exit("the page does not start")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def report(cleared: Sequence[Cleared], pace: Pace) -> None:
    with_typed = [each for each in cleared if each.typed]
    print(f"documents with a typed value {len(with_typed)}, values typed {sum(each.typed for each in cleared)}")
    print(f"values taken by 1 or 2: {sum(each.taken for each in cleared)}")
    print(f"doubtful fields {sum(each.doubtful for each in cleared)}")
    print(f"given another type {sum(each.is_reclassified for each in cleared)}")
    show("keystrokes per document", [each.keys for each in cleared], "")
    show("  of those without a typed value", [each.keys for each in cleared if not each.typed], "")
    show("the machine's waiting per document", [each.waited_ms for each in cleared], " ms")
    steps = [each.step_ms for each in cleared if each.step_ms is not None]
    show("step to the next item, ready for keys", steps, " ms")
    print(f"  within 100 ms: {sum(step <= 100 for step in steps)} of {len(steps)}")
    show("  the same, page drawn", [each.drawn_ms for each in cleared if each.drawn_ms is not None], " ms")
    lost = [each for each in cleared if each.needed_mouse]
    print(f"documents that needed the mouse: {len(lost)} {[each.name for each in lost]}")
    person = [each.person_s(pace) for each in cleared]
    show("a person's seconds per document", person, " s")
    flagged = sum(each.doubtful for each in cleared)
    print(f"  mean {statistics.mean(person):.1f} s; planned elsewhere: {PLANNED_S['document']} s per document, "
          f"{PLANNED_S['flagged field'] * flagged / len(cleared):.1f} s by flagged fields")  # fmt: skip


def show(name: str, numbers: Sequence[float], unit: str) -> None:
    if not numbers:
        return
    ranked = sorted(numbers)
    p90 = ranked[min(len(ranked) - 1, int(len(ranked) * 0.9))]
    print(f"{name}: median {statistics.median(ranked):.1f}{unit}, p90 {p90:.1f}{unit}, most {ranked[-1]:.1f}{unit}")


def rightness(
    cleared: Sequence[Cleared], known: Mapping[str, Paper], types: Mapping[str, DocumentType], url: str
) -> tuple[int, int, int]:
    """How many values were right when they were shown, and when they were stored; of accepted documents."""
    stored = {Path(row["uri"]).name: row for row in list_results(open_database(url))}
    before = after = count = 0
    for each in cleared:
        row, paper = stored[each.name], known[each.name]
        if row["status"] != "accepted":
            continue
        for name, truth in paper.truth.items():
            kind = types[paper.document_type].fields[name].type
            count += 1
            before += is_right(kind, each.shown.get(name), truth)
            after += is_right(kind, row["fields"].get(name), truth)
    return before, after, count


def is_right(kind: Any, value: object, truth: str) -> bool:
    return bool(value) and is_same(kind, str(value), truth)


if __name__ == "__main__":
    try:
        main()
    except (subprocess.CalledProcessError, Error) as error:
        sys.exit(str(error))
