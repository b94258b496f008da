"""The views of review: the queue, and the fields of its items."""

from typing import Any

from sqlalchemy import text, update

from blocks.database.engine import Database
from blocks.database.results.views import create_views
from blocks.database.review import claims
from blocks.database.review.tables import review
from tests.database_fixtures import add_documents
from tests.review_items import ANN, TYPES, open_item


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_the_views_show_what_a_reviewer_decides_on(database: Database) -> None:
    create_views(database, TYPES)
    add_documents(database, "a", "b")
    first, blind = open_item(database, "a"), open_item(database, "b")
    claims.claim(database, first, ANN)
    with database.write() as connection:
        connection.execute(update(review).where(review.c.review_id == blind).values(is_blind=True))
    assert rows(database, "SELECT field, value, confidence, page, quote, version FROM review_items ORDER BY field") == [
        ("company", "Café", 0.9, None, None, 1),
        ("total", "9.00", 0.5, 1, "Total 9.00", 1),
    ]
    queue = "SELECT review_id, version, kind, role, claimed_by, fields IS NULL FROM review_queue ORDER BY review_id"
    assert rows(database, queue) == [
        (first, 1, "verdict", "reviewer", "ann", False),
        (blind, 1, "verdict", "reviewer", None, True),
    ]
    with database.write() as connection:
        connection.execute(text("UPDATE review SET claim_expires_at = '2026-01-01 00:00:00'"))
    assert rows(database, "SELECT count(*) FROM review_queue WHERE claimed_by IS NOT NULL") == [(0,)]
