"""A plan says what a run then does, stage by stage, and what it stands on."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import update

from blocks.backfill.plan import NOTHING, Plan, Terms
from blocks.backfill.selection import Selection
from blocks.database import tables
from blocks.database.engine import Database
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.selected import record_selected
from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.gateway.registry.registry import RegistryState
from blocks.records import OUTPUT_STAGES, Batch, Rerun, Retry, Stage
from blocks.settings import load_settings
from tasks.backfill.plan import make_plan
from tasks.runs.chunk import Chunk, RunContext, StageCounts, StageWork, run_stage
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import PipelineStage, Run, open_run
from tasks.store.store import store_chunk
from tests.doubles.scripted_stages import Answer, ScriptedStage, failing, found, id_of
from tests.tasks.runs.test_pipeline import task

NAMES = "abcde"
NO_MODELS = RegistryState(())


def write_type(folder: Path, more: str = "") -> Mapping[str, DocumentType]:
    """The types of a folder, after its only type was written."""
    (folder / "receipt").mkdir(parents=True, exist_ok=True)
    text = f"# what shops print\ntitle: Receipt\nfields:\n  total: {{type: money, required: true}}\n{more}"
    (folder / "receipt" / "type.yaml").write_text(text)
    return load_document_types(folder)


@dataclass
class Bench:
    """A database, a type, and stages whose versions and answers a test changes."""

    database: Database
    types: Mapping[str, DocumentType]
    versions: dict[Stage, str] = field(default_factory=dict)
    answers: dict[Stage, dict[str, Answer]] = field(default_factory=dict)
    runs: int = 0
    ledger: Database | None = None

    def stage(self, name: Stage) -> ScriptedStage:
        version = self.versions.get(name, "1") + self.types["receipt"].validate_digest * (name is Stage.VALIDATE)
        return ScriptedStage(name, NAMES, self.answers.get(name, {}), version=version)

    def pipeline(self) -> tuple[dict[Stage, PipelineStage], dict[Stage, ScriptedStage]]:
        stages: dict[Stage, ScriptedStage] = {name: self.stage(name) for name in OUTPUT_STAGES}

        def piece(name: Stage) -> PipelineStage:
            def work(run: Run, chunk: Chunk) -> StageCounts:
                return run_stage(run.database, run.context, run.works[name], chunk.document_ids)

            def opened(_run: Run) -> StageWork:
                return stages[name]

            return PipelineStage(task(work), opened)

        def store(run: Run, chunk: Chunk) -> StageCounts:
            return store_chunk(run.database, run.context.worker, chunk.document_ids, run.pipeline_digest, run.types)

        pieces: dict[Stage, PipelineStage] = {name: piece(name) for name in OUTPUT_STAGES}
        return pieces | {Stage.STORE: PipelineStage(task(store), version="1")}, stages

    @property
    def prepared(self) -> PreparedRun:
        return PreparedRun(load_settings(), self.types, self.database, NO_MODELS, (), self.ledger)

    @contextmanager
    def opened(self, rerun: Rerun) -> Iterator[tuple[Run, dict[Stage, ScriptedStage]]]:
        self.runs += 1
        pieces, stages = self.pipeline()
        context = RunContext(run_id=f"run-{self.runs}", rerun=rerun)
        with handed_over(self.prepared), open_run(context, Batch(sources=("in",)), pieces) as run:
            yield run, stages

    def read(self) -> None:
        """Read all documents for the first time."""
        with self.opened(Rerun.STALE) as (run, _):
            terms = {"given_type": None, "rerun": Rerun.STALE, "pipeline_digest": run.pipeline_digest}
            record_batch(self.database, run.run_id, [found(name) for name in NAMES], chunk_size=9, **terms)  # type: ignore[arg-type]
            process_chunks(run)

    def again(self, rerun: Rerun = Rerun.STALE) -> dict[Stage, int]:
        """Run a backfill of all documents; how many each stage worked."""
        with self.opened(rerun) as (run, stages):
            digest = run.pipeline_digest
            record_selected(self.database, run.run_id, Selection(), rerun=rerun, pipeline_digest=digest, chunk_size=9)
            process_chunks(run)
        return {name: len(stage.worked) for name, stage in stages.items() if stage.worked}

    def plan(self, selection: Selection | None = None, rerun: Rerun = Rerun.STALE, *, reopen: bool = False) -> Plan:
        run = Run(self.prepared, RunContext(run_id="plan", rerun=rerun, reopen=reopen), self.pipeline()[0])
        return make_plan(run, NO_MODELS, selection or Selection(), Terms(rerun=rerun, reopen=reopen))

    def decide(self, name: str) -> None:
        """A person decides on a document."""
        with self.database.write() as connection:
            of_document = update(tables.results).where(tables.results.c.document_id == id_of(name))
            connection.execute(of_document.values(decided_by="ann"))


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Bench:
    bench = Bench(database, write_type(tmp_path / "types"))
    bench.read()
    return bench


def certain(plan: Plan) -> dict[Stage, int]:
    return {work.stage: work.certain for work in plan.stages if work.certain}


def at_most(plan: Plan) -> dict[Stage, int]:
    return {work.stage: work.at_most for work in plan.stages if work.at_most}


def test_nothing_has_changed(bench: Bench) -> None:
    plan = bench.plan()
    assert (plan.selected, plan.documents, plan.changes, at_most(plan)) == (5, 0, (), {})
    assert plan.calls == plan.seconds == NOTHING
    assert gc.isenabled(), "a plan does without the garbage collector, and gives it back"


@pytest.mark.parametrize("changed", OUTPUT_STAGES)
def test_the_plan_counts_what_the_run_works(bench: Bench, changed: Stage) -> None:
    """The scripted stages give the same outputs again, so that only what is certain runs."""
    bench.versions[changed] = "2"
    plan = bench.plan()
    assert plan.documents == 5
    assert at_most(plan) == dict.fromkeys(OUTPUT_STAGES[OUTPUT_STAGES.index(changed) :], 5)
    assert certain(plan) == bench.again() == {changed: 5}
    bench.versions.clear()
    assert certain(bench.plan()) == bench.again() == {}, "an older output is used again"


@pytest.mark.parametrize(
    ("rerun", "expected"),
    [
        (Rerun.STALE, {Stage.SCORE: 1}),
        (Rerun.FAILED, {Stage.EXTRACT: 1, Stage.SCORE: 1}),
        (Rerun.ALL, {Stage.EXTRACT: 5, Stage.CLASSIFY: 4, Stage.SCORE: 4, Stage.VALIDATE: 3}),
    ],
)
def test_failures_are_planned_as_the_run_tries_them(
    database: Database, tmp_path: Path, rerun: Rerun, expected: dict[Stage, int]
) -> None:
    answers: dict[Stage, dict[str, Answer]] = {
        Stage.EXTRACT: {"a": failing(Stage.EXTRACT, Retry.NEVER)},
        Stage.SCORE: {"b": failing(Stage.SCORE, Retry.NEXT_RUN)},
    }
    bench = Bench(database, write_type(tmp_path / "types"), answers=answers)
    bench.read()
    plan = bench.plan(rerun=rerun)
    worked = bench.again(rerun)
    assert worked == expected
    for work in plan.stages:
        assert work.certain <= worked.get(work.stage, 0) <= work.at_most
    assert certain(plan).get(Stage.SCORE) == worked[Stage.SCORE]


def test_a_decision_stays_unless_the_plan_reopens(bench: Bench) -> None:
    bench.decide("a")
    bench.versions[Stage.VALIDATE] = "2"
    plan = bench.plan()
    assert (plan.selected, plan.documents, plan.decided) == (5, 4, 1)
    assert bench.plan(reopen=True).documents == 5


def test_the_diff_of_a_types_files(bench: Bench, tmp_path: Path) -> None:
    before = bench.types["receipt"].version
    bench.types = write_type(tmp_path / "types", "review: {accept_at: 0.5}\n")
    plan = bench.plan(Selection(document_type="receipt"))
    [change] = plan.changes
    assert (change.version, change.documents, change.has_texts) == (before, 5, True)
    assert change.stages == (Stage.VALIDATE,)
    assert change.diff.splitlines()[-1] == "+review: {accept_at: 0.5}"
    assert certain(plan) == at_most(plan) == {Stage.VALIDATE: 5}

    with bench.database.write() as connection:  # as runs of an older Winnow left it
        connection.execute(update(tables.document_type_versions).values(files=None))
    [change] = bench.plan().changes
    assert not change.has_texts
    assert '-    "accept_at": 0.8,\n+    "accept_at": 0.5,' in change.diff


def test_the_ground_names_what_has_moved(bench: Bench, tmp_path: Path) -> None:
    bench.versions[Stage.VALIDATE] = "2"
    planned = bench.plan().ground
    assert planned.moved(bench.plan().ground) == ()
    bench.versions[Stage.EXTRACT] = "2"
    assert planned.moved(bench.plan().ground) == ("settings or version of extract",)
    del bench.versions[Stage.EXTRACT]
    bench.decide("a")
    assert planned.moved(bench.plan().ground) == ("rows of the selected documents",)
    assert planned.moved(bench.plan().ground, with_rows=False) == ()
    before = bench.types["receipt"].version[:8]
    bench.types = write_type(tmp_path / "types", "review: {accept_at: 0.5}\n")
    versions = f"(planned {before}, here {bench.types['receipt'].version[:8]})"
    assert planned.moved(bench.plan().ground, with_rows=False) == (f"type receipt {versions}",)
