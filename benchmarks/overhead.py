"""What Winnow's flow costs over the bare stage functions, and over no stages at all.

Every figure comes from a fresh process, so that peak memory and start-up are its own. Fixed start-up (imports,
processes, connections) is measured on one document and reported apart. The bare side calls the same stages, parsing in
the same isolated processes, chunk by chunk with no database and no Prefect; once in a loop and once in as many threads
as the flow uses, and the faster of the two counts. The no-op flow discovers, runs four stages that do nothing, and
really stores; its figure for the stages leaves discovery out.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TASKS_PER_STAGE_DOCUMENTS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--one", choices=sorted(MEASURED), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure_one(arguments.one, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(Path(scratch), arguments.documents)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure_one(kind: str, folder: Path) -> dict[str, float]:
    """Seconds in all, seconds from the moment that the batch was recorded, and peak memory of this process."""
    from blocks import progress

    started = recorded = time.perf_counter()

    def listen(event: object) -> None:
        nonlocal recorded
        if isinstance(event, progress.Planned):
            recorded = time.perf_counter()

    progress.subscribe(listen)
    MEASURED[kind](folder)
    ended = time.perf_counter()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall_s": ended - started, "stages_s": ended - recorded, "peak_mb": peak_mb}


def measure(scratch: Path, sizes: Sequence[int]) -> dict[str, object]:
    """All figures, printed as they come."""
    os.environ["XDG_STATE_HOME"] = str(scratch / "state")
    from deployments.prefect_api import local_server as prefect_server

    os.environ["PREFECT_API_URL"] = prefect_server.ensure().url
    os.environ["PREFECT_HOME"] = str(prefect_server.home())
    figures: dict[str, object] = {"machine": f"{os.cpu_count()} cores, Python {platform.python_version()}"}
    try:
        single = write_documents(scratch / "one", 1)
        start = {kind: run(kind, single, scratch) for kind in ("flow", "bare-loop", "bare-threads", "no-op")}
        start_again = run("flow", single, scratch)
        for size in sizes:
            folder = write_documents(scratch / str(size), size)
            bare = min(
                run(kind, folder, scratch)["wall_s"] - start[kind]["wall_s"] for kind in ("bare-loop", "bare-threads")
            )
            first = run("flow", folder, scratch, database=f"{size}.db")
            again = run("flow", folder, scratch, database=f"{size}.db")
            noop = run("no-op", folder, scratch)
            flow_s = first["wall_s"] - start["flow"]["wall_s"]
            again_s = again["wall_s"] - start_again["wall_s"]
            row = {
                "start_up_s": round(start["flow"]["wall_s"], 2),
                "bare_ms_per_document": round(bare / size * 1000, 3),
                "flow_ms_per_document": round(flow_s / size * 1000, 3),
                "flow_over_bare": round(flow_s / bare, 3),
                "no_op_ms_per_document": round((noop["wall_s"] - start["no-op"]["wall_s"]) / size * 1000, 3),
                "no_op_stages_ms_per_document": round((noop["stages_s"] - start["no-op"]["stages_s"]) / size * 1000, 3),
                "re_run_ms_per_document": round(again_s / size * 1000, 3),
                "re_run_share_of_first": round(again_s / flow_s, 4),
                "peak_mb": round(first["peak_mb"]),
            }
            figures[str(size)] = row
            print(f"\n{size} documents")
            for name, value in row.items():
                print(f"  {name:26} {value}")
        tasks = run("task-per-document-and-stage", single, scratch)
        figures["task_per_document_and_stage_ms"] = round(tasks["wall_s"] / TASKS_PER_STAGE_DOCUMENTS * 1000, 2)
        each_ms = figures["task_per_document_and_stage_ms"]
        print(f"\none no-op Prefect task per document and stage: {each_ms} ms per document")
    finally:
        prefect_server.stop()
    return figures


def run(kind: str, folder: Path, scratch: Path, database: str | None = None) -> dict[str, float]:
    """One measurement in a process of its own, with a database of its own unless one is named."""
    name = database or f"{kind}-{folder.name}.db"
    environment = os.environ | {
        "WINNOW_DATABASE_URL": f"sqlite:///{scratch / name}",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
    }
    command = [sys.executable, __file__, "--one", kind, "--folder", str(folder)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind} on {folder.name} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def write_documents(folder: Path, number: int) -> Path:
    """`number` different text documents, made from the text receipts among the samples."""
    folder.mkdir()
    texts = [path.read_text() for path in sorted((ROOT / "data" / "samples").rglob("*.txt"))]
    for index in range(number):
        (folder / f"{index:06}.txt").write_text(f"{texts[index % len(texts)]}\nREF {index:06}\n")
    return folder


def _flow(folder: Path) -> None:
    from flows.process_documents import process_documents

    state = process_documents((str(folder),), return_state=True)
    assert state.is_completed(), state


def _no_op(folder: Path) -> None:
    from prefect import flow, runtime

    from blocks.records import OUTPUT_STAGES, Batch, Document, Outcome, Stage, Status, Validation
    from tasks.discover.task import discover
    from tasks.runs.chunk import Chunk, RunContext, StageCounts, run_stage
    from tasks.runs.pipeline import process_chunks
    from tasks.runs.run import PipelineStage, Run, open_run
    from tasks.runs.task import stage_task
    from tasks.store.task import store

    payload = Validation(document_type="unknown", status=Status.ACCEPTED, confidence=1.0).model_dump_json().encode()

    class Nothing:
        configuration = "nothing"
        reads = ()
        can_kill_worker = False

        def __init__(self, stage: Stage) -> None:
            self.stage = stage

        def basis(self, document_type: str) -> str:
            return document_type

        def fingerprint(self, document: Document) -> str:
            return f"{self.stage}-{document.document_id}"

        def work(self, documents: Sequence[Document]) -> Iterator[Outcome]:
            return (Outcome(d.document_id, payload=payload) for d in documents)

    def nothing(stage: Stage) -> PipelineStage:
        def body(run: Run, chunk: Chunk) -> StageCounts:
            return run_stage(run.database, run.context, run.works[stage], chunk.document_ids)

        body.__name__ = stage.value
        return PipelineStage(stage_task(body), lambda _run: Nothing(stage))

    stages = {stage: nothing(stage) for stage in OUTPUT_STAGES} | {Stage.STORE: PipelineStage(store)}

    @flow(persist_result=False)
    def no_op() -> None:
        batch = Batch(sources=(str(folder),))
        with open_run(RunContext(run_id=str(runtime.flow_run.id), name="no-op"), batch, stages) as run:
            discover(run, batch)
            process_chunks(run)

    no_op()


def _task_per_document_and_stage(_folder: Path) -> None:
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    @task(cache_policy=NO_CACHE, persist_result=False)
    def work_on(number: int) -> int:
        return number

    @flow(persist_result=False)
    def many() -> None:
        for number in range(TASKS_PER_STAGE_DOCUMENTS):
            for _stage in range(5):
                work_on(number)

    many()


def _bare(folder: Path, threads: int) -> None:
    sys.path.append(str(ROOT))
    from blocks.document_types.loader import load_document_types
    from blocks.records import Classification, Document, Outcome, Stage
    from blocks.settings import load_settings
    from tasks.classify.stage import ClassifyStage
    from tasks.discover.discover import discover
    from tasks.extract.stage import ExtractStage
    from tasks.score.stage import ScoreStage
    from tasks.validate.stage import ValidateStage
    from tests.doubles.no_models import NoModels

    settings = load_settings()
    types = load_document_types(settings.document_types_dir)
    stages = (
        ExtractStage(settings, fetch_part=lambda _document: b""),
        ClassifyStage(types),
        ScoreStage(types, NoModels(), "bare"),
        ValidateStage(types),
    )
    found = [
        Document(d.document_id, d.uri, d.media_type, d.size_bytes)
        for d in discover((str(folder),), settings, rows_column=None, limit=None)
    ]

    def work(chunk: list[Document]) -> int:
        for stage in stages:
            outcomes: dict[str, Outcome] = {o.document_id: o for o in stage.work(chunk)}
            chunk = [_with(d, stage.stage, outcomes[d.document_id]) for d in chunk]
        return len(chunk)

    def _with(document: Document, stage: Stage, outcome: Outcome) -> Document:
        payload, digest = outcome.payload or b"", outcome.digest or ""
        known = document.document_type
        if stage is Stage.CLASSIFY:
            known = Classification.model_validate_json(payload).document_type
        return replace(
            document,
            document_type=known,
            inputs={**document.inputs, stage: payload},
            digests={**document.digests, stage: digest},
        )

    chunks = [found[start : start + settings.chunk_size] for start in range(0, len(found), settings.chunk_size)]
    with ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(work, chunks)) == len(found)


MEASURED: dict[str, Callable[[Path], None]] = {
    "flow": _flow,
    "no-op": _no_op,
    "bare-loop": lambda folder: _bare(folder, threads=1),
    "bare-threads": lambda folder: _bare(folder, threads=3),
    "task-per-document-and-stage": _task_per_document_and_stage,
}

if __name__ == "__main__":
    main()
