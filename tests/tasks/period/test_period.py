"""The report of a period: what changed since when, after what; and its page."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from blocks.database.engine import Database
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import runs
from blocks.database.pipeline.failures import FailedDocument, record_failures, resolve_failures
from blocks.database.review.tables import review
from blocks.database.story.figures import count_figures
from blocks.database.story.period import load_period
from blocks.database.story.records import FailureFigures, RunFigures, TypeFigures
from blocks.database.tables import documents, model_calls, results
from blocks.database.tables import runs as runs_table
from blocks.errors import UsageError
from blocks.ledger import ModelCall, Settlement, new_call_key
from blocks.records import Retry, Stage
from deployments.cli.report import report
from deployments.cli.report_page import period_page
from tasks.period.period import report_of
from tasks.period.task import period_markdown
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import failing, id_of
from tests.review_items import RECEIPT

MONDAY = datetime(2026, 11, 23, 5, tzinfo=UTC)
TUESDAY = "Tuesday 24 November"


def ran(database: Database, day: int, version: str, prompt: str, failed: int, too_long: int) -> None:
    """A run of 100 receipts on a day, `failed` of them corrupt, and 20 calls, `too_long` of them too long."""
    run_id = f"run-{day}"
    runs.start_run(database, run_id, run_id, settings={}, types={"receipt": RECEIPT}, source="/in")
    figures = RunFigures(
        documents=100,
        types=(
            TypeFigures(
                document_type="receipt",
                version=version,
                by_status={"accepted": 90 - failed, "in_review": 10, "failed": failed, "skipped": 7},
                reasons={"low_confidence": 9, "hidden_text": 1},
            ),
        ),
        failures=(
            FailureFigures(document_type="receipt", kind="corrupt", stage="extract", documents=failed, examples=()),
        ),
    )
    runs.finish_run(database, run_id, "Completed", "done", figures.model_dump(mode="json"))
    add_documents(database, "a", run_id=run_id)
    calls = [
        ModelCall(
            document_id=id_of("a"),
            model="gpt-x",
            model_version="1",
            call_key=new_call_key(),
            prompt_version=prompt,
            outcome="context_too_long" if number < too_long else "ok",
            cost_usd=Decimal("0.01"),
            input_tokens=100,
            latency_ms=30 + 100 * number,
        )
        for number in range(20)
    ]
    DatabaseLedger(database).exchange([Settlement(run_id=run_id, call=call) for call in calls], ())
    began = MONDAY + timedelta(days=day)
    with database.write() as connection:
        connection.execute(update(runs_table).where(runs_table.c.run_id == run_id).values(started_at=began))
        connection.execute(update(model_calls).where(model_calls.c.run_id == run_id).values(called_at=began))
        connection.execute(update(documents).values(document_type="receipt"))


@pytest.fixture
def week(database: Database) -> Database:
    """Monday all is well; from Tuesday on a fifth fails under a new version, and calls do after another prompt."""
    ran(database, 0, "aaaa1", "1111", failed=1, too_long=0)
    ran(database, 1, "bbbb2", "4f2a9", failed=20, too_long=10)
    ran(database, 2, "bbbb2", "4f2a9", failed=22, too_long=9)
    return database


def test_what_changed_is_said_first_with_its_day_its_kind_and_what_came_before(week: Database) -> None:
    found = report_of(load_period(week, MONDAY, MONDAY + timedelta(days=3)))
    type_rise, prompt_rise, usual, model = found.sentences
    assert type_rise == f"receipt: 21% failed since {TUESDAY}, before it 1%, all corrupt, after type version bbbb."
    assert prompt_rise.startswith(f"receipt: 48% of the calls of gpt-x failed since {TUESDAY}, before it 0%, ")
    assert prompt_rise.endswith(", all context_too_long, after prompt version 4f2a.")
    assert usual.startswith("receipt: 43 of 300 failed (14%), most often corrupt; 10% went to review, most often low_")
    assert usual.endswith("; a document cost $0.00200.")
    assert model == "gpt-x: 19 of 60 calls gave no usable reply (context_too_long 19)."
    (summary,) = found.types
    assert (summary.documents, summary.tokens, summary.cost_usd) == (300, 6_000, Decimal("0.60"))


def test_a_period_has_the_runs_that_began_in_it_and_a_version_has_its_own(week: Database) -> None:
    whole = MONDAY, MONDAY + timedelta(days=3)
    first = report_of(load_period(week, MONDAY, MONDAY + timedelta(days=1)))
    assert (first.runs, first.types[0].failed, first.types[0].model_calls) == (1, 1, 20)
    second = report_of(load_period(week, *whole, "bbbb"))
    assert (second.runs, second.types[0].failed, second.types[0].model_calls) == (2, 42, 40)
    assert load_period(week, *whole, "cccc").types == ()


def test_calls_come_in_few_groups_though_each_has_its_own_cost_and_latency(database: Database) -> None:
    ran(database, 0, "2bd6", "4f2a", failed=0, too_long=0)
    with database.write() as connection:  # costs that binary floats would not add up
        for number, call_id in enumerate(connection.execute(select(model_calls.c.call_id)).scalars().all()):
            own = {"cost_usd": Decimal("0.1") + Decimal("0.0001") * number, "latency_ms": 400 + number % 4}
            connection.execute(update(model_calls).where(model_calls.c.call_id == call_id).values(own))
    [calls] = load_period(database, MONDAY, MONDAY + timedelta(days=1)).calls
    assert (calls.calls, calls.tokens, calls.cost_usd, calls.times) == (20, 2_000, Decimal("2.019"), {400: 20})


def test_a_run_without_kept_figures_is_counted(week: Database) -> None:
    with week.write() as connection:
        runs.set_outcomes(connection, "run-2", {id_of("a"): "accepted"})
        connection.execute(update(runs_table).where(runs_table.c.run_id == "run-2").values(figures=None))
    found = report_of(load_period(week, MONDAY, MONDAY + timedelta(days=3)))
    assert (found.types[0].documents, found.uncounted) == (201, 0)


def test_documents_that_fail_in_each_of_several_runs_count_once(database: Database) -> None:
    """In the run in which they failed first; a period behind it names them as failing still."""
    ids = {}
    for number in range(4):
        runs.start_run(database, f"run-{number}", "", settings={}, types={"receipt": RECEIPT}, source="/in")
        names = ["a", "b", "c", "d", f"new-{number}"]
        ids = dict(zip(names, add_documents(database, *names, run_id=f"run-{number}"), strict=True))
        outcomes = {id_: "accepted" if name.startswith("new") else "failed" for name, id_ in ids.items()}
        failed = [id_ for id_, outcome in outcomes.items() if outcome == "failed"]
        stage = Stage.EXTRACT if number else Stage.DISCOVER
        began = MONDAY + timedelta(days=number)
        with database.write() as connection:
            change = update(runs_table).where(runs_table.c.run_id == f"run-{number}")
            connection.execute(change.values(started_at=began))
            known = [FailedDocument(id_, failing(stage, Retry.NEVER, "corrupt")) for id_ in failed]
            record_failures(database, connection, f"run-{number}", known, began + timedelta(minutes=1))
            resolve_failures(connection, dict.fromkeys(failed, stage), began + timedelta(minutes=1))
            runs.set_outcomes(connection, f"run-{number}", outcomes)
            connection.execute(update(documents).values(document_type="receipt"))
        kept = count_figures(database, f"run-{number}").model_dump(mode="json")
        if number % 2:
            runs.finish_run(database, f"run-{number}", "Completed", "done", kept)
    whole = report_of(load_period(database, MONDAY, MONDAY + timedelta(days=4)))
    (summary,) = whole.types
    assert (summary.documents, summary.failed, summary.accepted) == (8, 4, 4)
    assert (summary.commonest_failure, summary.failure_share) == ("corrupt", 0.5)
    later = report_of(load_period(database, MONDAY + timedelta(days=2), MONDAY + timedelta(days=4)))
    assert (later.types[0].documents, later.types[0].failed, later.types[0].commonest_failure) == (2, 0, "")
    assert "receipt: 4 documents that failed before 2026-11-25 05:00 still fail." in later.sentences


def test_page_and_artifact_say_the_same_and_the_page_stands_alone(week: Database) -> None:
    period = load_period(week, MONDAY, MONDAY + timedelta(days=3))
    found = report_of(period)
    page, artifact = period_page(period, found), period_markdown(found)
    for part in (f"since {TUESDAY}", "context_too_long"):
        assert part in page
        assert part in artifact
    assert page.count('role="img"') == 6
    assert re.findall(r"<script|<link|src=|url\(|http", page) == []


def test_latencies_refusals_truncations_and_what_the_cache_saved_are_told_per_model(week: Database) -> None:
    kinds = ("model_refusal", "content_filtered", "truncated_reply", "cache_hit", "cache_hit")
    calls = [
        ModelCall(
            document_id=id_of("a"),
            model="gpt-x",
            model_version="1",
            call_key=new_call_key(),
            outcome=kind,
            latency_ms=0,
        )
        for kind in kinds
    ]
    DatabaseLedger(week).exchange([Settlement(run_id="run-2", call=call) for call in calls], ())
    period = load_period(week, MONDAY, MONDAY + timedelta(days=3))
    (model,) = report_of(period).models
    assert (model.calls, model.refused, model.truncated, model.cache_hits) == (63, 2, 1, 2)
    assert (model.p50_ms, model.p95_ms) == (930, 1830)
    assert [(each.calls, each.p50_ms, each.p95_ms) for each in model.days] == [(20, 930, 1830)] * 2 + [(23, 830, 1830)]
    assert model.saved_usd == Decimal("0.60") / 63 * 2
    shown = period_page(period, report_of(period))
    assert "Latency of gpt-x by day, in ms" in shown
    assert "Reasons for review" in shown


def test_how_many_of_those_that_came_in_are_completed_and_how_long_decided_items_waited(database: Database) -> None:
    ids = dict(zip("abcde", add_documents(database, *"abcde"), strict=True))
    verdicts = {"a": "accepted", "b": "rejected", "c": "in_review"}
    with database.write() as connection:
        connection.execute(update(documents).values(document_type="receipt", first_seen_at=MONDAY))
        late = update(documents).where(documents.c.document_id == ids["e"])
        connection.execute(late.values(first_seen_at=MONDAY + timedelta(days=9)))
        for name, status in verdicts.items():
            connection.execute(insert(results).values(result_row(ids[name], status)))
        for hours, name in enumerate("abcd", 1):
            connection.execute(insert(review).values(decided_item(ids[name], hours)))
    (summary,) = report_of(load_period(database, MONDAY, MONDAY + timedelta(days=3))).types
    assert (summary.came_in, summary.completed, summary.completed_share) == (4, 2, 0.5)
    assert (summary.decided, summary.wait_p50_s, summary.wait_p90_s) == (4, 2 * 3600, 4 * 3600)
    sentences = report_of(load_period(database, MONDAY, MONDAY + timedelta(days=3))).sentences
    assert "2 of the 4 documents that came in are accepted or decided (50%)." in sentences
    assert "receipt: people decided 4, half of them within 2 h, 90% within 4 h." in sentences
    assert report_of(load_period(database, MONDAY + timedelta(days=3), MONDAY + timedelta(days=6))).types == ()


def result_row(document_id: str, status: str) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "fingerprint": "f",
        "is_current": True,
        "document_type": "receipt",
        "status": status,
        "confidence": 1.0,
        "reasons": [],
        "fields": {},
        "confidences": {},
        "evidence": {},
        "provisional": False,
        "run_id": "run",
        "created_at": MONDAY,
    }


def decided_item(document_id: str, hours: int) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "fingerprint": "f",
        "document_type": "receipt",
        "status": "decided",
        "reasons": [],
        "confidence": 0.5,
        "priority": 3,
        "run_id": "run",
        "created_at": MONDAY,
        "decided_at": MONDAY + timedelta(hours=hours),
    }


def test_two_versions_and_two_periods_are_compared(
    week: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(compare=("aaaa", "bbbb"), database=week.url)
    assert ["receipt", "failed", "1.0%", "21.0%"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    report(compare=("2026-11-23..2026-11-23", "2026-11-24..2026-11-25"), as_json=True, database=week.url)
    first, second = json.loads(capsys.readouterr().out)
    assert (first["types"][0]["failed"], second["types"][0]["failed"]) == (1, 42)
    for wrong in (("x", "aaaa"), ("aaaa", "cccc"), ("2026-11-23..soon", "aaaa")):
        with pytest.raises(UsageError):
            report(compare=wrong, database=week.url)
    with pytest.raises(UsageError):
        report(compare=("aaaa", "bbbb"), page=tmp_path / "x.html", database=week.url)
    report(page=tmp_path / "new" / "folder" / "x.html", database=week.url)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/x\.html cannot be written: Not a directory"):
        report(page=tmp_path / "file" / "x.html", database=week.url)
