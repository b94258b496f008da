"""Stages that processes compute: the same outcomes as in this process, whatever is killed meanwhile."""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.database.engine import Database
from blocks.database.tables import stage_outputs
from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.errors import ProcessUnavailable, RunInterrupted
from blocks.files import media_types
from blocks.records import Document, Extraction, Outcome, Page, Stage
from blocks.settings import Settings
from tasks.classify.stage import ClassifyStage
from tasks.runs import stage_processes as module
from tasks.runs.chunk import StageWork
from tasks.runs.pipeline import process_chunks
from tasks.runs.run import PipelineStage
from tasks.runs.stage_processes import Computable, InProcesses, StageProcesses, batched
from tasks.score.stage import ScoreStage
from tests.doubles.no_models import NoModels
from tests.doubles.process_trees import children_of, is_alive
from tests.doubles.scripted_stages import ScriptedStage, id_of
from tests.tasks.runs.test_pipeline import NAMES, opened, scripted, unfinished
from tests.winnow_command import wait_until

SETTINGS = Settings(processes=2)
DOUBLE = "tests.doubles.mortal_stages"


class Scored(ScriptedStage):
    """A stage that processes may compute; `worked` lists what this process computed."""

    is_computable = True

    def computable(self, documents: Sequence[Document]) -> Sequence[Document]:
        return documents


def document(name: str, uri: str = "") -> Document:
    return Document(id_of(name), uri, "text/plain", 5, inputs={Stage.EXTRACT: b"{}"})


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[StageProcesses]:
    monkeypatch.setattr(module, "MODULE", DOUBLE)
    with closing(StageProcesses(SETTINGS, {})) as made:
        yield made


def kinds(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """What became of each document, which must have a single outcome."""
    assert len({outcome.document_id for outcome in outcomes}) == len(outcomes)
    return {outcome.document_id: outcome.failure.kind if outcome.failure else "done" for outcome in outcomes}


def server_of(processes: StageProcesses) -> int:
    pid = processes._pool.server_pid
    assert pid is not None
    return pid


def test_a_document_that_kills_its_process_fails_alone(processes: StageProcesses) -> None:
    stage = Scored(Stage.SCORE, NAMES)
    chunk = [document(name, "kill" if name == "d" else "") for name in NAMES]
    outcomes = list(InProcesses(stage, processes).work(chunk))
    assert kinds(outcomes) == {id_of(name): "crashed" if name == "d" else "done" for name in NAMES}
    assert processes.is_usable
    assert not stage.worked


@pytest.mark.parametrize("victim", ["process", "fork server"])
def test_what_somebody_kills_loses_no_document_and_doubles_none(
    processes: StageProcesses, victim: str, tmp_path: Path
) -> None:
    processes._start()
    go_on = tmp_path / "go on"
    chunk = [document(name, f"wait {go_on}" if name == "h" else "") for name in NAMES]

    def kill() -> None:
        server = server_of(processes)
        wait_until(lambda: bool(children_of(server)))
        os.kill(server if victim == "fork server" else children_of(server)[0], signal.SIGKILL)
        go_on.touch()

    killer = threading.Timer(0.5, kill)
    killer.start()
    outcomes = list(InProcesses(Scored(Stage.SCORE, NAMES), processes).work(chunk))
    killer.join()
    assert kinds(outcomes) == dict.fromkeys(map(id_of, NAMES), "done")


def test_a_run_whose_processes_are_killed_again_and_again_ends_with_every_document_once(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MODULE", DOUBLE)
    monkeypatch.setattr(module, "MIN_DOCUMENTS", len(NAMES))
    stage, killed, servers = Scored(Stage.SCORE, NAMES), list[int](), list[int]()
    compute = StageProcesses.outcomes

    def outcomes(self: StageProcesses, work: Computable, documents: Sequence[Document]) -> Iterator[Outcome]:
        self._start()
        servers.append(server_of(self))
        for pid in children_of(servers[-1]):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        return compute(self, work, documents)

    monkeypatch.setattr(StageProcesses, "outcomes", outcomes)
    stages = scripted() | {Stage.SCORE: PipelineStage(scripted()[Stage.SCORE].task, lambda _run: stage)}
    with opened(sqlite_database, stages) as run:
        run.settings = run.settings.model_copy(update={"processes": 2})
        process_chunks(run)
        assert run.works[Stage.SCORE] is stage, "the processes have ended with the run's chunks"
    assert len(killed) > 1
    assert not stage.worked, "no document was computed here"
    assert unfinished(sqlite_database) == 0
    row = stage_outputs.c
    with sqlite_database.read() as connection:
        found = connection.execute(
            select(row.document_id, row.state, row.attempts).where(row.stage == Stage.SCORE.value)
        ).all()
    assert sorted(map(tuple, found)) == sorted((id_of(name), "done", 1) for name in NAMES)
    assert not Path(f"/proc/{servers[0]}").exists()


def test_processes_that_could_not_be_started_are_tried_again(
    processes: StageProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(processes._pool, "acquire", lambda: (_ for _ in ()).throw(ProcessUnavailable("killed")))
        processes._start()
    stage = Scored(Stage.SCORE, NAMES)
    outcomes = list(InProcesses(stage, processes).work([document(name) for name in NAMES]))
    assert kinds(outcomes) == dict.fromkeys(map(id_of, NAMES), "done")
    assert not stage.worked


def test_a_run_that_is_stopped_waits_for_no_batch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "MODULE", DOUBLE)
    monkeypatch.setattr(module, "CHECK_EVERY_S", 0.02)
    is_stopped = threading.Event()

    def raise_if_stopped() -> None:
        if is_stopped.is_set():
            raise RunInterrupted

    processes = StageProcesses(SETTINGS, {}, raise_if_stopped)
    processes._start()
    threading.Timer(0.5, is_stopped.set).start()
    hangs = [document("a", f"wait {tmp_path / 'never'}")]
    with pytest.raises(RunInterrupted):
        list(InProcesses(Scored(Stage.SCORE, NAMES), processes).work(hangs))
    [process], server = children_of(server_of(processes)), server_of(processes)
    processes.close()
    wait_until(lambda: not is_alive(process) and not is_alive(server))
    wait_until(lambda: not any(thread.name.startswith("stage-process") for thread in threading.enumerate()))


def test_few_documents_and_a_single_core_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StageProcesses, "start", lambda _self: pytest.fail("processes are started"))
    stage: Computable = Scored(Stage.SCORE, NAMES)
    for documents, cores in ((module.MIN_DOCUMENTS - 1, 8), (module.MIN_DOCUMENTS, 1)):
        works: dict[Stage, StageWork] = {Stage.SCORE: stage}
        settings = SETTINGS.model_copy(update={"processes": cores})
        with module.computed_in_processes(works, documents, settings, {}, lambda: None):
            assert works == {Stage.SCORE: stage}


def test_a_stage_that_no_other_process_can_compute_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StageProcesses, "start", lambda _self: pytest.fail("processes are started"))
    stage = Scored(Stage.CLASSIFY, NAMES)
    stage.is_computable = False
    works: dict[Stage, StageWork] = {Stage.CLASSIFY: stage}
    with module.computed_in_processes(works, module.MIN_DOCUMENTS, SETTINGS, {}, lambda: None):
        assert works == {Stage.CLASSIFY: stage}


def test_batches_are_bounded_by_documents_and_by_bytes() -> None:
    small = [document(str(number)) for number in range(module.BATCH_DOCUMENTS + 1)]
    large = replace(document("large"), inputs={Stage.EXTRACT: b"x" * (module.BATCH_BYTES + 1)})
    sizes = [len(batch) for batch in batched([*small, large, *small[:2]])]
    assert sizes == [module.BATCH_DOCUMENTS, 1, 1, 2]


def extracted(name: str, text: str, given_type: str | None = None) -> Document:
    page = Page(number=1, method="parsed", text=text)
    extraction = Extraction(media_type=media_types.TEXT, pages=(page,), engine="double 1", language="eng")
    inputs = {Stage.EXTRACT: extraction.model_dump_json().encode()}
    return Document(id_of(name), "", media_types.TEXT, 5, given_type=given_type, inputs=inputs)


def samples() -> list[Document]:
    root = Path(__file__).parents[3] / "data" / "samples"
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(root.rglob("*.txt"))]
    found = [extracted(str(number), text) for number, text in enumerate(texts)]
    return [*found, extracted("given", texts[0], "receipt"), extracted("unknown", texts[0], "no such type")]


def test_processes_compute_what_this_process_computes(types: dict[str, DocumentType]) -> None:
    chunk = samples()
    classify, score = ClassifyStage(types), ScoreStage(types, NoModels(), "run")
    with closing(StageProcesses(SETTINGS, types)) as processes:
        here = {outcome.document_id: outcome for outcome in classify.work(chunk)}
        there = {outcome.document_id: outcome for outcome in InProcesses(classify, processes).work(chunk)}
        assert contents(there) == contents(here)
        for name in (*types, None):
            typed = [replace(known, document_type=name) for known in chunk]
            assert contents(InProcesses(score, processes).work(typed)) == contents(score.work(typed))
        assert processes.is_usable


def contents(outcomes: "dict[str, Outcome] | Iterator[Outcome]") -> dict[str, tuple[object, ...]]:
    values = outcomes.values() if isinstance(outcomes, dict) else outcomes
    return {outcome.document_id: (outcome.payload, outcome.failure) for outcome in values}


@pytest.fixture(scope="module")
def types() -> dict[str, DocumentType]:
    return load_document_types(SETTINGS.document_types_dir)


def test_types_that_have_changed_since_the_run_began_are_computed_here(
    types: dict[str, DocumentType], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GIVE_UP_AFTER", 1)
    renamed = types["receipt"].model_copy(update={"title": "another title"})
    stage = Scored(Stage.SCORE, NAMES)
    with closing(StageProcesses(SETTINGS, types | {"receipt": renamed})) as processes, caplog.at_level(logging.WARNING):
        work = InProcesses(stage, processes)
        assert not work.can_kill_worker
        outcomes = list(work.work([document(name) for name in NAMES]))
        assert kinds(outcomes) == dict.fromkeys(map(id_of, NAMES), "done")
        assert sorted(stage.worked) == sorted(NAMES)
        assert work.can_kill_worker, "from now on a document can kill this process"
    assert "the document types have changed since the run began" in caplog.text
