"""Every statement of docs/review.md does what the page promises."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import text, update

from blocks.database.engine import Database
from blocks.database.results.results import NewResult, write_results
from blocks.database.results.views import create_views
from blocks.database.review.inbox import Answered, apply_decisions
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.tables import review
from blocks.document_types.loader import load_document_types
from blocks.records import Evidence, Status, Validation
from blocks.settings import PROJECT_DIR
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import AT

PAGE = Path(__file__).parents[4] / "docs" / "review.md"
IDS = {"a": 17, "b": 18, "c": 19, "d": 20}
Rows = list[dict[str, Any]]


def prepare(database: Database) -> None:
    """Four invoices that wait; the last one is small and certain."""
    create_views(database, load_document_types(PROJECT_DIR / "data" / "document_types"))
    add_documents(database, *IDS)
    for name, (total, confidence) in {
        "a": ("1500.00", 0.5), "b": ("900.00", 0.4), "c": ("250.00", 0.6), "d": ("20.00", 0.9)
    }.items():  # fmt: skip
        verdict = Validation(
            document_type="invoice",
            status=Status.IN_REVIEW,
            confidence=confidence,
            fields={"grand_total": total},
            confidences={"grand_total": confidence},
            evidence={"grand_total": (Evidence(page=1, quote=f"Total {total}"),)},
        )
        with database.write() as connection:
            write_results(database, connection, "run-1", [NewResult(id_of(name), "f", verdict, provisional=False)], AT)
            sync_review(database, connection, "run-1", [ReviewNeed(id_of(name), "f", verdict)], [], AT)


def renumber(statement: str, ids: dict[str, int]) -> str:
    for name, number in IDS.items():
        statement = re.sub(rf"\({number},", f"({ids[name]},", statement)
    return statement


def test_every_statement_does_what_the_page_promises(database: Database) -> None:
    prepare(database)
    with database.read() as connection:
        found = connection.execute(text("SELECT document_id, review_id FROM review")).tuples().all()
    ids = {name: dict(found)[id_of(name)] for name in IDS}
    with database.write() as connection:
        late = update(review).where(review.c.review_id == ids["b"])
        connection.execute(update(review).values(due_at=None))
        connection.execute(late.values(due_at=AT))

    def run(statement: str) -> Rows:
        with database.write() as connection:
            result = connection.execute(text(renumber(statement, ids)))
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    accept, correct, answers, upcoming, overdue, field, unsure, accept_small, changed, people = re.findall(
        r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert [row["review_id"] for row in run(upcoming)] == [ids[name] for name in "bacd"]
    assert [(row["document_type"], row["overdue"]) for row in run(overdue)] == [("invoice", 1)]
    assert [(row["value"], row["quote"]) for row in run(field)][:2] == [
        ("900.00", "Total 900.00"),
        ("1500.00", "Total 1500.00"),
    ]
    assert [(row["field"], row["unsure"]) for row in run(unsure)] == [("grand_total", 3)]
    for statement in (accept, correct, accept_small):
        assert run(statement) == []
    types = load_document_types(PROJECT_DIR / "data" / "document_types")
    assert apply_decisions(database, types) == Answered(applied=3)
    assert {row["status"] for row in run(answers)} == {"applied"}
    assert sorted(row["review_id"] for row in run(answers)) == sorted([ids["a"], ids["b"], ids["b"], ids["d"]])
    assert [(row["field"], row["seen"], row["changed"]) for row in run(changed)][:2] == [
        ("due_date", 1, 1),
        ("grand_total", 3, 1),
    ]
    assert [(row["decided_by"], row["decided"]) for row in run(people)] == [("ann", 3)]
