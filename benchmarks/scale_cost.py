"""What a document costs with stages that do nothing, as a run and its database grow: CPU time, and pages of SQLite.

No Prefect and no files: documents with random ids are recorded in groups of 500, as discovery does, and their chunks go
through the frame of the stages and are really stored, one chunk after the other. Each size has a database of its own.
For each tenth of the run: CPU time per document in the frame, and bytes that the process read and wrote by system calls
(`/proc/self/io`), in pages of 4,096 bytes. What SQLite writes to its log and later into its file both count.
`--checkout` measures another tree with the same script.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE_BYTES = 4_096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--database", help="an empty database; by default a new one of SQLite for each size")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the tree to measure (this one)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.database, arguments.one)
        return
    for number in arguments.documents:
        with tempfile.TemporaryDirectory() as scratch:
            url = arguments.database or f"sqlite:///{scratch}/winnow.db"
            command = [sys.executable, __file__, "--one", str(number), "--database", url]
            environment = os.environ | {"PYTHONPATH": str(arguments.checkout.resolve())}
            subprocess.run(command, env=environment, cwd=arguments.checkout, check=True)


def measure(url: str, number: int) -> None:
    """Print a line per tenth of the run, and one for all of it."""
    from blocks.database.engine import close_database, open_database
    from blocks.database.pipeline import documents, runs
    from blocks.database.pipeline.leases import hold_lease
    from blocks.records import OUTPUT_STAGES, Rerun
    from tasks.runs.chunk import RunContext, run_stage
    from tasks.store.store import store_chunk

    database = open_database(url)
    spent: defaultdict[str, float] = defaultdict(float)

    def timed(name: str, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        started, before = time.thread_time(), _io()
        result = work(*arguments, **options)
        after = _io()
        spent[name] += time.thread_time() - started
        spent["read"] += after["rchar"] - before["rchar"]
        spent["written"] += after["wchar"] - before["wchar"]
        return result

    def show(what: str, of: int) -> None:
        pages = {name: round(spent.pop(name) / PAGE_BYTES / of, 1) for name in ("read", "written")}
        cpu_ms = {name: round(seconds / of * 1_000, 3) for name, seconds in sorted(spent.items())}
        print(json.dumps({"after": what, "cpu_ms": round(sum(cpu_ms.values()), 3)} | cpu_ms | {"pages": pages}))
        spent.clear()

    with hold_lease(database, "run") as lease:
        runs.start_run(database, "run", "run", settings={}, types={}, source="{}")
        found = _found(number)
        options = {"given_type": None, "rerun": Rerun.STALE, "pipeline_digest": "p", "chunk_size": 100}
        while group := list(islice(found, 500)):
            timed("record", documents.record_batch, database, "run", group, **options)
        show("discovery", number)
        context = RunContext(run_id="run", worker_id=lease.worker_id)
        works = [nothing(stage) for stage in OUTPUT_STAGES]
        chunks, done, shown = documents.chunk_count(database, "run"), 0, 0
        for chunk in range(1, chunks + 1):
            ids = timed("members", documents.chunk_document_ids, database, "run", chunk)
            for work in works:
                timed(work.stage.value, run_stage, database, context, work, ids)
            timed("store", store_chunk, database, context.worker, ids, "p", {})
            done += len(ids)
            if done - shown >= number // 10 or done == number:
                show(f"{done} of {number}", done - shown)
                shown = done
    close_database(database)
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)


def _found(number: int) -> Iterator[Any]:
    from blocks.records import DiscoveredDocument

    for index in range(number):
        id_ = hashlib.sha256(str(index).encode()).hexdigest()
        yield DiscoveredDocument(id_, f"file:///data/documents/in/{index:07}.txt", "text/plain", 300)


def nothing(stage: Any) -> Any:
    """A stage that does nothing: every output is the same verdict."""
    from blocks.records import Document, Outcome, Status, Validation

    verdict = Validation(document_type="unknown", status=Status.ACCEPTED, confidence=1.0)
    payload = verdict.model_dump_json().encode()

    class Nothing:
        configuration = "nothing"
        reads = ()
        can_kill_worker = False

        def __init__(self) -> None:
            self.stage = stage

        def basis(self, document_type: str) -> str:
            return document_type

        def fingerprint(self, document: Document) -> str:
            return hashlib.sha256(f"{stage} {document.document_id}".encode()).hexdigest()

        def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
            return (Outcome(document.document_id, payload=payload) for document in documents)

    return Nothing()


def _io() -> dict[str, int]:
    lines = (line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {name: int(value) for name, value in lines}


if __name__ == "__main__":
    main()
