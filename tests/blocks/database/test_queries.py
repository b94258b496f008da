import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text

from blocks.database.engine import Database
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.pipeline import documents, runs
from blocks.database.pipeline.documents import record_batch
from blocks.database.results.views import create_views
from blocks.document_types.loader import load_document_types
from blocks.ledger import ModelCall, Settlement, new_call_key
from blocks.records import OUTPUT_STAGES, Classification, Rerun, Retry, Stage, Status, Validation
from blocks.settings import PROJECT_DIR
from tasks.runs.chunk import RunContext, run_stage
from tasks.store.store import store_chunk
from tests.database_fixtures import lease_of, worker
from tests.doubles.scripted_stages import Answer, ScriptedStage, failing, found, id_of

PAGE = Path(__file__).parents[3] / "README.md"


def invoice(status: Status, total: str, due: str, confidence: float, priority: int) -> Validation:
    return Validation(
        document_type="invoice",
        status=status,
        confidence=confidence,
        fields={"grand_total": total, "due_date": due},
        confidences={"grand_total": confidence, "due_date": 0.95},
        priority=priority,
        due_minutes=60,
    )


def prepare(database: Database) -> None:
    types = load_document_types(PROJECT_DIR / "data" / "document_types")
    create_views(database, types)
    runs.start_run(database, "run", "invoices", settings={"chunk_size": 100}, types=types, source="/in")
    names = "abcf"
    record_batch(
        database,
        "run",
        [found(name) for name in names],
        given_type=None,
        rerun=Rerun.STALE,
        pipeline_digest="p",
        chunk_size=100,
    )
    ids = documents.chunk_document_ids(database, "run", 1)
    script: dict[Stage, dict[str, Answer]] = {
        Stage.EXTRACT: {"f": failing(Stage.EXTRACT, Retry.NEVER, "encrypted")},
        Stage.CLASSIFY: dict.fromkeys(names, Classification(document_type="invoice", confidence=1, method="given")),
        Stage.VALIDATE: {
            "a": invoice(Status.IN_REVIEW, "1500.00", "2026-11-18", 0.5, 3),
            "b": invoice(Status.IN_REVIEW, "900.00", "2026-11-18", 0.4, 1),
            "c": invoice(Status.ACCEPTED, "2500.00", "2026-12-18", 0.9, 3),
        },
    }
    with lease_of(database, "run"):
        for stage in OUTPUT_STAGES:
            run_stage(database, RunContext(run_id="run"), ScriptedStage(stage, names, script.get(stage, {})), ids)
        store_chunk(database, worker("run"), ids, "p", {})
    paid: dict[str, Any] = {"model": "gpt", "cost_usd": Decimal("0.0000001")}
    lost: dict[str, Any] = {"model": "gpt", "unconfirmed_usd": Decimal("0.02"), "outcome": "lost"}
    calls = [
        ModelCall(document_id=id_of("a"), model_version="1", call_key=new_call_key(), **one)
        for one in (paid, paid, paid, lost)
    ]
    DatabaseLedger(database).exchange([Settlement("run", one) for one in calls], ())


def answers(database: Database) -> list[list[dict[str, Any]]]:
    queries = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with database.read() as connection:
        return [[dict(row) for row in connection.execute(text(query)).mappings()] for query in queries]


def test_the_five_queries_answer_what_they_promise(database: Database) -> None:
    prepare(database)
    queue, due, spend, failing_ones, unsure = answers(database)
    assert [row["uri"] for row in queue] == ["/in/b", "/in/a", "/in/f"]
    assert [(str(row["due_date"]), row["grand_total"]) for row in due] == [("2026-11-18", 1500)]
    assert due[0]["due_date"] == ("2026-11-18" if database.is_sqlite else date(2026, 11, 18))
    (spent,) = spend
    assert (spent["name"], spent["model"], spent["calls"]) == ("invoices", "gpt", 4)
    assert abs(Decimal(str(spent["unconfirmed_usd"])) - Decimal("0.02")) < Decimal("1e-12")
    assert abs(Decimal(str(spent["cost_usd"])) - Decimal("0.0000003")) < Decimal("1e-12")
    assert [(row["uri"], row["kind"], row["attempts"]) for row in failing_ones] == [("/in/f", "encrypted", 1)]
    assert [(row["field"], row["unsure"], row["documents"]) for row in unsure] == [
        ("grand_total", 2, 3),
        ("due_date", 0, 3),
    ]


def test_costs_are_exact(database: Database) -> None:
    prepare(database)
    costs = runs.run_costs(database, "run")
    assert (costs.model_calls, costs.cost_usd, costs.unconfirmed_usd) == (4, Decimal("0.0000003"), Decimal("0.02"))
    assert runs.run_costs(database, "another").cost_usd == 0


def test_a_run_keeps_what_it_was_asked_and_how_it_ended(database: Database) -> None:
    prepare(database)
    runs.finish_run(database, "run", "Completed", "3 documents")
    with database.read() as connection:
        row = connection.execute(text("SELECT * FROM runs")).mappings().one()
        contents = connection.execute(text("SELECT COUNT(*) FROM document_type_versions")).scalar_one()
    assert (row["name"], row["state"], row["message"]) == ("invoices", "Completed", "3 documents")
    assert contents == len(load_document_types(PROJECT_DIR / "data" / "document_types"))
    prepare(database)
    with database.read() as connection:
        again = connection.execute(text("SELECT * FROM runs")).mappings().one()
    assert (again["state"], again["started_at"]) == (None, row["started_at"]), "a resumed run is the same run"
