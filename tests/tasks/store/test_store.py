import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from blocks.database.engine import Database
from blocks.database.metadata import metadata
from blocks.database.pipeline import documents, runs
from blocks.database.pipeline.documents import record_batch
from blocks.database.pipeline.failures import list_failures
from blocks.database.results.results import list_results
from blocks.database.review.queue import QueueFilter, list_items
from blocks.database.review.tables import review, review_events
from blocks.database.tables import results, run_documents, stage_outputs
from blocks.document_types.schema import DocumentType
from blocks.errors import ChunkIncomplete
from blocks.records import OUTPUT_STAGES, Evidence, Failure, Rerun, Retry, RunCounts, Stage, Status, Validation
from blocks.review.records import ItemStatus
from tasks.runs.chunk import RunContext, StageCounts, run_stage
from tasks.store.store import store_chunk
from tests.database_fixtures import dead_worker, lease_of, worker
from tests.doubles.scripted_stages import USUAL, Answer, ScriptedStage, failing, found, id_of

Script = Mapping[Stage, dict[str, Answer]]


def verdict(status: Status, *reasons: str, total: str | None = "9.00", confidence: float = 0.5) -> Validation:
    return Validation(
        document_type="receipt",
        status=status,
        confidence=confidence,
        reasons=reasons,
        score=42.0,
        fields={"total": total},
        confidences={"total": confidence},
        evidence={"total": (Evidence(page=1, quote="9.00"),)},
        priority=2,
        due_minutes=60,
    )


ACCEPTED = verdict(Status.ACCEPTED)
IN_REVIEW = verdict(Status.IN_REVIEW, "low_confidence:total")


def process(
    database: Database,
    run_id: str,
    names: str,
    script: Script | None = None,
    *,
    rerun: Rerun = Rerun.STALE,
    version: str = "1",
    store: bool = True,
    types: Mapping[str, DocumentType] | None = None,
    reopen: bool = False,
) -> StageCounts:
    """A run of one chunk over the documents named by single letters."""
    context = RunContext(run_id=run_id, rerun=rerun)
    dead_worker(database, run_id)
    batch = [found(name) for name in names]
    record_batch(
        database, run_id, batch, given_type=None, rerun=rerun, pipeline_digest=f"pipeline {version}", chunk_size=100
    )
    ids = documents.chunk_document_ids(database, run_id, 1)
    for stage in OUTPUT_STAGES:
        answers = (script or {}).get(stage, {})
        tried_again = sum(isinstance(one, Failure) and one.retry is Retry.NOW for one in answers.values())
        expected = pytest.raises(ChunkIncomplete, match=f" {tried_again} ") if tried_again else nullcontext()
        with expected:
            run_stage(database, context, ScriptedStage(stage, names, answers, version), ids)
    return stored(database, run_id, ids, f"pipeline {version}", types, reopen=reopen) if store else StageCounts()


def stored(
    database: Database,
    run_id: str,
    ids: Sequence[str],
    pipeline_digest: str,
    types: Mapping[str, DocumentType] | None = None,
    *,
    reopen: bool = False,
) -> StageCounts:
    with lease_of(database, run_id):
        return store_chunk(database, worker(run_id), ids, pipeline_digest, types or {}, reopen=reopen)


def rows(database: Database, run_id: str) -> dict[str, str | None]:
    query = select(run_documents.c.document_id, run_documents.c.outcome).where(run_documents.c.run_id == run_id)
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


def everything(database: Database) -> dict[str, list[Any]]:
    with database.read() as connection:
        return {
            table.name: sorted(connection.execute(select(table)).all(), key=str) for table in metadata.sorted_tables
        }


def test_each_document_ends_where_its_verdict_says(database: Database) -> None:
    script: Script = {
        Stage.EXTRACT: {"f": failing(Stage.EXTRACT, Retry.NEVER, "encrypted")},
        Stage.VALIDATE: {"a": ACCEPTED, "i": IN_REVIEW, "r": verdict(Status.REJECTED, "rejected:total")},
    }
    counts = process(database, "run", "airf", script)
    assert counts == StageCounts(done=3, failed=1)
    ended = RunCounts(documents=4, accepted=1, in_review=1, rejected=1, failed=1)
    assert runs.run_counts(database, "run") == (ended, 0)
    assert runs.counts_by_type(database, "run") == {
        "receipt": {"accepted": 1, "in_review": 1, "rejected": 1},
        "unknown": {"failed": 1},
    }
    assert runs.failure_kinds(database, "run") == {"encrypted": 1}
    assert runs.types_written(database, "run") == {"receipt"}

    listed = list_results(database, document_type="receipt", status="accepted", run_id="run")
    assert listed == [
        {
            "document_id": id_of("a"),
            "uri": "/in/a",
            "uris": ["/in/a"],
            "document_type": "receipt",
            "status": "accepted",
            "confidence": 0.5,
            "score": 42.0,
            "reasons": [],
            "fields": {"total": "9.00"},
        }
    ]
    item, failed = list_items(database)
    assert (item["uri"], item["reasons"], item["priority"]) == ("/in/i", ["low_confidence:total"], 2)
    assert (failed["uri"], failed["reasons"], failed["priority"]) == ("/in/f", ["failed:encrypted"], 4)
    assert item["fields"] == {"total": "9.00"}
    assert list(item) == [
        *("review_id", "version", "document_id", "uri", "document_type", "status", "kind", "role", "reasons"),
        *("confidence", "priority", "due_at", "claimed_by", "is_blind", "fields"),
    ]
    assert datetime.fromisoformat(item["due_at"]).utcoffset() == timedelta(0)
    assert list_failures(database, run_id="run") == [
        {
            "document_id": id_of("f"),
            "uri": "/in/f",
            "stage": "extract",
            "kind": "encrypted",
            "message": "encrypted on purpose",
            "attempts": 1,
            "retry": "never",
        }
    ]
    assert list_failures(database, run_id="another run") == []


def test_storing_twice_changes_nothing(database: Database) -> None:
    script: Script = {
        Stage.SCORE: {"f": failing(Stage.SCORE, Retry.NOW)},
        Stage.VALIDATE: {"a": ACCEPTED, "i": IN_REVIEW},
    }
    process(database, "run", "aif", script)
    before = everything(database)
    counts = stored(database, "run", [id_of(name) for name in "aif"], "pipeline 1")
    after = everything(database)
    times = {"failures"}  # the last time that it was seen
    assert {name: after[name] for name in after if name not in times} == {
        name: before[name] for name in before if name not in times
    }
    assert counts == StageCounts(done=2, failed=1)


def test_a_run_over_unchanged_documents_skips_them_and_keeps_failures_failed(database: Database) -> None:
    script: Script = {Stage.EXTRACT: {"f": failing(Stage.EXTRACT, Retry.NEVER)}}
    process(database, "first", "af", script)
    process(database, "second", "af", script)
    assert rows(database, "second") == {id_of("a"): "skipped", id_of("f"): "failed"}
    # The same when discovery cannot tell, because the pipeline's digest is another with the same fingerprints.
    with database.write() as connection:
        documents.settle(connection, "elsewhere", {id_of("a"): "accepted", id_of("f"): "failed"})
    assert process(database, "third", "af", script) == StageCounts(unchanged=1, failed=1)
    assert rows(database, "third") == {id_of("a"): "skipped", id_of("f"): "failed"}
    assert process(database, "fourth", "af", script) == StageCounts(), "and both are settled again"


def test_a_verdict_that_changes_closes_the_review_item(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    process(database, "second", "a", {Stage.VALIDATE: {"a": ACCEPTED}}, version="2")
    assert list_items(database) == []
    assert [item["status"] for item in list_items(database, QueueFilter(status=ItemStatus.SUPERSEDED))] == [
        "superseded"
    ]
    with database.read() as connection:
        events = connection.execute(select(review_events.c.event).order_by(review_events.c.event_id)).scalars().all()
        kept = connection.execute(select(func.count()).select_from(results)).scalar_one()
    assert events == ["opened", "superseded"]
    assert kept == 2, "results are appended"
    (result,) = list_results(database)
    assert result["status"] == "accepted"


def test_an_open_item_is_brought_up_to_date_and_its_due_time_not_put_off(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    (before,) = list_items(database)
    process(database, "second", "a", {Stage.VALIDATE: {"a": verdict(Status.IN_REVIEW, "missing:total")}}, version="2")
    (after,) = list_items(database)
    assert after["reasons"] == ["missing:total"]
    assert (after["review_id"], after["due_at"]) == (before["review_id"], before["due_at"])


def decide(database: Database, name: str) -> None:
    """What the reviewers' page does, in short."""
    with database.write() as connection:
        decided = update(results).where(results.c.document_id == id_of(name), results.c.is_current)
        connection.execute(decided.values(status="accepted", decided_by="ada", fields={"total": "10.00"}))
        item = update(review).where(review.c.document_id == id_of(name))
        connection.execute(item.values(status="decided", decided_by="ada"))


@pytest.mark.parametrize(("rerun", "version"), [(Rerun.STALE, "2"), (Rerun.ALL, "1"), (Rerun.ALL, "2")])
def test_no_run_replaces_what_a_person_decided(database: Database, rerun: Rerun, version: str) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": IN_REVIEW}})
    decide(database, "a")
    again = verdict(Status.IN_REVIEW, "missing:total", total=None)
    process(database, "second", "a", {Stage.VALIDATE: {"a": again}}, rerun=rerun, version=version)
    (result,) = list_results(database)
    assert (result["status"], result["fields"]) == ("accepted", {"total": "10.00"})
    assert list_items(database) == []
    assert rows(database, "second") == {id_of("a"): "accepted"}
    process(database, "third", "a", version=version)
    assert rows(database, "third") == {id_of("a"): "skipped"}


def test_a_provisional_output_goes_to_review_and_is_taken_up_by_the_next_run(database: Database) -> None:
    without_ocr = (USUAL[Stage.EXTRACT], failing(Stage.EXTRACT, Retry.NEXT_RUN, "ocr_unavailable"))
    process(database, "first", "a", {Stage.EXTRACT: {"a": without_ocr}})
    (item,) = list_items(database)
    assert item["reasons"] == ["ocr_unavailable"]
    assert list_failures(database) == []
    process(database, "second", "a", {Stage.EXTRACT: {"a": without_ocr}})
    assert rows(database, "second") == {id_of("a"): "skipped"}, "OCR is still not there"
    process(database, "third", "a")
    assert rows(database, "third") == {id_of("a"): "accepted"}
    assert list_items(database) == []
    process(database, "fourth", "a")
    assert rows(database, "fourth") == {id_of("a"): "skipped"}


def test_a_failure_is_resolved_once_its_document_passes(database: Database) -> None:
    process(database, "first", "a", {Stage.SCORE: {"a": failing(Stage.SCORE, Retry.NEXT_RUN, "no_model")}})
    assert [failure["kind"] for failure in list_failures(database)] == ["no_model"]
    process(database, "second", "a", {Stage.SCORE: {"a": failing(Stage.SCORE, Retry.NEVER, "refused")}})
    assert [failure["kind"] for failure in list_failures(database)] == ["refused"]
    process(database, "third", "a", rerun=Rerun.FAILED)
    assert list_failures(database) == []
    assert rows(database, "third") == {id_of("a"): "accepted"}


def test_a_document_whose_worker_died_is_a_failure_of_the_run_and_fresh_in_the_next(database: Database) -> None:
    record_batch(
        database,
        "first",
        [found("a")],
        given_type=None,
        rerun=Rerun.STALE,
        pipeline_digest="pipeline 1",
        chunk_size=100,
    )
    stored(database, "first", [id_of("a")], "pipeline 1")
    (failure,) = list_failures(database)
    assert (failure["stage"], failure["kind"], failure["retry"]) == ("extract", "unfinished", "next_run")
    assert process(database, "second", "a") == StageCounts(done=1)
    assert list_failures(database) == []


def test_a_run_that_died_between_validate_and_store_is_completed_by_the_next(database: Database) -> None:
    process(database, "first", "a", {Stage.VALIDATE: {"a": ACCEPTED}}, store=False)
    assert runs.run_counts(database, "first")[1] == 1
    assert process(database, "second", "a") == StageCounts(done=1)
    assert [result["status"] for result in list_results(database, run_id="second")] == ["accepted"]


@pytest.mark.parametrize(
    "defect", [{"payload": b"{broken"}, {"payload": b'{"status": "sold"}'}, {"state": "failed", "retry": "someday"}]
)
def test_a_defect_while_a_document_is_stored_costs_that_document_and_no_other(
    database: Database, caplog: pytest.LogCaptureFixture, defect: dict[str, Any]
) -> None:
    process(database, "first", "ab", store=False)
    broken = update(stage_outputs).where(
        stage_outputs.c.document_id == id_of("b"), stage_outputs.c.stage == Stage.VALIDATE.value
    )
    with database.write() as connection:
        connection.execute(broken.values(**defect))
    with caplog.at_level(logging.ERROR):
        counts = stored(database, "first", [id_of("a"), id_of("b")], "pipeline 1")
    assert counts == StageCounts(done=1, failed=1)
    assert rows(database, "first") == {id_of("a"): "accepted", id_of("b"): "failed"}
    (failure,) = list_failures(database)
    assert [failure[name] for name in ("document_id", "stage", "kind", "retry", "attempts")] == [
        *(id_of("b"), "store", "internal", "next_run", 1)
    ]
    (logged,) = caplog.records
    assert (logged.levelno, logged.exc_info is not None) == (logging.ERROR, True)
    assert id_of("b") in logged.getMessage()
    assert "store" in logged.getMessage()
    process(database, "second", "ab", rerun=Rerun.ALL)
    assert list_failures(database) == []
    assert rows(database, "second") == {id_of("a"): "accepted", id_of("b"): "accepted"}


def test_going_back_to_an_earlier_pipeline_makes_its_result_current_again(database: Database) -> None:
    first: Script = {Stage.VALIDATE: {"a": verdict(Status.ACCEPTED, total="1.00")}}
    process(database, "first", "a", first, version="1")
    process(database, "second", "a", {Stage.VALIDATE: {"a": verdict(Status.ACCEPTED, total="2.00")}}, version="2")
    process(database, "third", "a", version="1")
    (result,) = list_results(database)
    assert result["fields"] == {"total": "1.00"}
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(results)).scalar_one() == 2


def test_text_that_json_columns_do_not_take(database: Database) -> None:
    process(database, "run", "a", {Stage.VALIDATE: {"a": verdict(Status.IN_REVIEW, total="9\x0000 €")}})
    (result,) = list_results(database)
    assert result["fields"] == {"total": "9\\x0000 €"}


def test_runs_over_the_same_documents_at_once_do_not_disturb_one_another(database: Database) -> None:
    names = "abcdefghijklmnop"
    script: Script = {
        Stage.VALIDATE: dict.fromkeys("aceg", IN_REVIEW),
        Stage.SCORE: {"b": failing(Stage.SCORE, Retry.NEVER)},
    }

    def run(number: int) -> StageCounts:
        order = names if number % 2 else names[::-1]
        return process(database, f"run {number}", order, script, rerun=Rerun.ALL, version=str(number % 3))

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(run, range(8)))
    assert all(counts.done + counts.failed + counts.unchanged == len(names) for counts in done)
    assert len(list_results(database)) == len(names) - 1
    assert sorted(item["uri"] for item in list_items(database)) == [f"/in/{name}" for name in "abceg"]
    with database.read() as connection:
        currents = select(stage_outputs.c.document_id, stage_outputs.c.stage).where(stage_outputs.c.is_current)
        found_currents = connection.execute(currents).all()
    assert len(found_currents) == len(set(found_currents))
