"""Databases of earlier versions, filled, become today's."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import column as sql_column
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy import table as sql_table

from blocks.database.column_types import ExactDecimal, UtcDateTime
from blocks.database.engine import close_database, open_database
from blocks.database.metadata import metadata
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.models.registry import DatabaseRegistry
from blocks.database.pipeline.runs import run_costs
from blocks.database.schema import MIGRATIONS_DIR
from blocks.database.tables import model_calls, model_versions
from blocks.ledger import ModelCall, Settlement, new_call_key
from tests.database_fixtures import budget_of

CALLED_AT = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
SEEN_VERSIONS = sql_table(
    "models", sql_column("model"), sql_column("model_version"), sql_column("first_used_at", UtcDateTime)
)
CALL_COLUMNS = [
    "run_id",
    "document_id",
    "model",
    "model_version",
    "step",
    "attempt",
    "request_digest",
    "input_characters",
    "output_characters",
    "input_tokens",
    "output_tokens",
    "latency_ms",
    "outcome",
]
CALLS = sql_table(
    "model_calls",
    *map(sql_column, CALL_COLUMNS),
    sql_column("cost_usd", ExactDecimal),
    sql_column("called_at", UtcDateTime),
)


def fill_first_revision(url: str) -> None:
    """A database as the first version made it, with four calls in three runs, and one of the built-in reader."""
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR))
    values = dict.fromkeys(CALL_COLUMNS, 1) | {"request_digest": "", "outcome": "ok", "model": "gpt"}
    calls = [
        values | {"run_id": run, "document_id": "d", "model_version": "1", "cost_usd": cost, "called_at": CALLED_AT}
        for run, cost in (("a", Decimal("0.1")), ("a", Decimal("0.2")), ("b", Decimal("1e-7")), ("c", Decimal(0)))
    ]
    free = calls[0] | {"model": "local", "cost_usd": Decimal(0)}
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        seen = [{"model": name, "model_version": "1", "first_used_at": CALLED_AT} for name in ("gpt", "local")]
        connection.execute(insert(SEEN_VERSIONS), seen)
        connection.execute(insert(CALLS), [*calls, free])
    engine.dispose()


@pytest.fixture
def filled_url(empty_url: str) -> str:
    if empty_url.startswith("sqlite"):
        Path(empty_url.removeprefix("sqlite:///")).parent.mkdir(parents=True)
    fill_first_revision(empty_url)
    return empty_url


def test_a_database_of_the_first_version_keeps_its_calls_and_gets_the_gateways_tables(filled_url: str) -> None:
    database = open_database(filled_url)
    try:
        with database.read() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
            versions = [tuple(row) for row in connection.execute(select(model_versions))]
            keys = connection.execute(select(model_calls.c.call_key)).scalars().all()
            lanes = set(connection.execute(select(model_calls.c.lane, model_calls.c.unconfirmed_usd)).all())
        assert versions == [("gpt", "1", CALLED_AT)]
        assert len(set(keys)) == 4
        assert {tuple(lane) for lane in lanes} == {("run", Decimal(0))}
        assert DatabaseRegistry(database, lambda rows, is_paused: (list(rows), is_paused)).load() == ([], False)
        assert run_costs(database, "a").cost_usd == Decimal("0.3")
    finally:
        close_database(database)


def test_what_earlier_calls_cost_counts_for_budgets(filled_url: str) -> None:
    database = open_database(filled_url)
    try:
        call = ModelCall(
            document_id="d", model="gpt", model_version="1", call_key=new_call_key(), cost_usd=Decimal("0.05")
        )
        DatabaseLedger(database).exchange([Settlement("a", call)], ())
        assert budget_of(database, "run", "a") == (Decimal("0.35"), 0)
        assert budget_of(database, "run", "b") == (Decimal("0.0000001"), 0)
        assert budget_of(database, "day", "2026-11-01") == (Decimal("0.3000001"), 0)
        with database.read() as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM budgets WHERE key = 'c'")).scalar_one() == 0
    finally:
        close_database(database)
