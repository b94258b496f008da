"""Results beside the current ones: nobody meets them until they are promoted, and then nothing is computed again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select

from blocks.backfill.comparison import ResultPair, compare
from blocks.backfill.errors import WrongState
from blocks.database import tables
from blocks.database.beside import drop_beside, open_beside
from blocks.database.engine import Database
from blocks.database.pipeline import backfills
from blocks.database.pipeline.backfills import Backfill, BackfillState
from blocks.records import Stage, Status, Validation
from tasks.backfill.beside import bring_outputs, compare_dry_run, compute_sample, end_dry_run
from tasks.backfill.plan import plan_with_documents
from tasks.backfill.shards import begin_backfill, in_its_place
from tasks.runs.chunk import Chunk, RunContext
from tasks.runs.prepare import handed_over
from tasks.runs.run import PipelineStage, Run
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.tasks.backfill.test_plan import NO_MODELS, Bench, bench
from tests.tasks.backfill.test_shards import begin, work

__all__ = ["bench"]  # a fixture

DOUBTFUL = Validation(
    document_type="receipt",
    status=Status.IN_REVIEW,
    confidence=0.4,
    fields={"total": "7.00"},
    confidences={"total": 0.4},
)


def edited(bench: Bench) -> None:
    """From now on, validate gives `a` and `b` another total, and sends them to review."""
    bench.versions[Stage.VALIDATE] = "2"
    bench.answers[Stage.VALIDATE] = {"a": DOUBTFUL, "b": DOUBTFUL}


class Fn:
    """A Prefect task by its function, as `without_prefect` takes it."""

    def __init__(self, part: PipelineStage) -> None:
        self._part = part

    def fn(self, run: Run, chunk: Chunk) -> "Fn":
        self.data = self._part.task(run, chunk, return_state=True).result(raise_on_failure=False)
        return self


def with_functions(pieces: dict[Stage, PipelineStage]) -> dict[Stage, PipelineStage]:
    return {name: replace(part, task=Fn(part)) for name, part in pieces.items()}  # type: ignore[arg-type]


@contextmanager
def in_place(bench: Bench, dry_run: Backfill) -> Iterator[None]:
    """As a shard's flow begins, with the bench's types."""
    main = bench.database
    with handed_over(bench.prepared), in_its_place(dry_run):
        bench.database = open_beside(main, dry_run.backfill_id)
        bench.ledger = main
        try:
            yield
        finally:
            bench.database, bench.ledger = main, None


def rows(database: Database) -> list[list[tuple[object, ...]]]:
    """All rows that people and runs read."""
    read = (tables.documents, tables.stage_outputs, tables.results, tables.failures, tables.run_documents)
    with database.read() as connection:
        return [sorted(map(tuple, connection.execute(select(table))), key=str) for table in read]


def totals(database: Database) -> dict[str, str]:
    result = tables.results.c
    with database.read() as connection:
        found = connection.execute(select(result.document_id, result.fields).where(result.is_current))
        return {id_: fields["total"] for id_, fields in found}


def test_a_sample_compares_and_leaves_nothing(bench: Bench) -> None:
    edited(bench)
    before = rows(bench.database)
    pieces, stages = bench.pipeline()
    run = Run(bench.prepared, RunContext(run_id="plan"), pieces)
    plan, ids = plan_with_documents(run, NO_MODELS, bench.plan().selection, bench.plan().terms)
    found, spent_usd = compute_sample(bench.prepared, with_functions(pieces), plan, ids, 4, Decimal(0))
    assert (found.documents, spent_usd) == (4, Decimal(0))
    assert len(stages[Stage.VALIDATE].worked) == 4
    assert stages[Stage.SCORE].worked == []
    doubtful = sum(name in "ab" for name in stages[Stage.VALIDATE].worked)
    assert found.flipped("accepted", "in_review") == doubtful == 4 - found.same
    assert {(value.field, value.before, value.after) for value in found.values} == {("total", "9.00", "7.00")}
    assert rows(bench.database) == before


def test_a_dry_run_is_promoted_without_computing_again(bench: Bench) -> None:
    edited(bench)
    plan, before = bench.plan(), rows(bench.database)
    run = Run(bench.prepared, RunContext(run_id="plan"), bench.pipeline()[0])
    dry_run = begin_backfill(run, NO_MODELS, plan, shard_size=9, is_dry_run=True)
    with in_place(bench, dry_run):
        assert work(bench, dry_run, 1) == {Stage.VALIDATE: 5}
    assert rows(bench.database) == before
    with pytest.raises(WrongState, match="only a dry run that was computed"):
        compare_dry_run(bench.database, dry_run)
    backfills.set_state(bench.database, dry_run.backfill_id, BackfillState.COMPUTED)
    dry_run = backfills.find_backfill(bench.database, dry_run.backfill_id)
    assert compare_dry_run(bench.database, dry_run).flipped("accepted", "in_review") == 2

    backfill = begin(bench, plan, shard_size=9)
    bring_outputs(bench.database, dry_run)
    assert work(bench, backfill, 1) == {}, "every output is found"
    assert [totals(bench.database)[id_of(name)] for name in "abc"] == ["7.00", "7.00", "9.00"]
    end_dry_run(bench.database, dry_run, BackfillState.PROMOTED)
    promoted = backfills.find_backfill(bench.database, dry_run.backfill_id)
    with pytest.raises(WrongState, match="is promoted"):
        end_dry_run(bench.database, promoted, BackfillState.DISCARDED)


def test_a_database_beside_is_empty_again_after_it_was_dropped(database: Database) -> None:
    add_documents(database, "a")
    beside = open_beside(database, "x" * 32)
    add_documents(beside, "b", "c")
    drop_beside(database, "x" * 32)
    again = open_beside(database, "x" * 32)
    with again.read() as connection, database.read() as main:
        ids = select(tables.documents.c.document_id)
        assert (connection.execute(ids).all(), main.execute(ids).scalars().all()) == ([], [id_of("a")])
    drop_beside(database, "x" * 32)


def test_a_comparison_counts_types_missing_results_and_flips_both_ways() -> None:
    def result(status: str, type_: str = "receipt", **fields: str) -> dict[str, object]:
        return {"status": status, "document_type": type_, "fields": fields}

    pairs = [
        ResultPair("1", "u1", result("accepted", total="1"), result("accepted", total="1")),
        ResultPair("2", "u2", result("accepted", total="1"), result("in_review", total="2")),
        ResultPair("3", "u3", result("in_review", total="1"), result("accepted", total="1")),
        ResultPair("4", "u4", result("accepted"), result("accepted", "invoice")),
        ResultPair("5", "u5", None, result("accepted", total="5")),
        ResultPair("6", "u6", result("accepted", total="6"), None),
    ]
    found = compare(pairs)
    assert (found.documents, found.same) == (6, 1)
    assert (found.flipped("accepted", "in_review"), found.flipped("in_review", "accepted")) == (1, 1)
    assert (found.flipped("no result", "accepted"), found.flipped("accepted", "no result")) == (1, 1)
    changed = {(value.uri, value.field): (value.before, value.after) for value in found.values}
    assert changed["u2", "total"] == ("1", "2")
    assert changed["u4", "document type"] == ("receipt", "invoice")
    assert changed["u6", "total"] == ("6", None)
