"""Questions whose answers need an index, because they are about few rows of large tables."""

from datetime import UTC, datetime

from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.database.story.period import load_period
from blocks.database.story.runs import load_run
from tests.database_fixtures import query_plan


def test_the_review_items_of_a_run_are_found_without_reading_all_items(sqlite_database: Database) -> None:
    runs.start_run(sqlite_database, "run-1", "run-1", settings={}, types={}, source="/in")
    plan = query_plan(sqlite_database, "review.run_id = ", lambda: load_run(sqlite_database, "run-1"))
    assert plan == ["SEARCH review USING INDEX ix_review_run_id (run_id=?)"]


def test_what_came_in_during_a_period_is_found_without_reading_all_documents(sqlite_database: Database) -> None:
    since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC)
    plan = query_plan(
        sqlite_database, "documents.first_seen_at >= ", lambda: load_period(sqlite_database, since, until)
    )
    assert plan[0] == "SEARCH documents USING INDEX ix_documents_first_seen_at (first_seen_at>? AND first_seen_at<?)"
