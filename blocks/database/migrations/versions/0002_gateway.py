"""The model registry, budgets, and what workers share about models; reservations in the ledger.

What was the table `models` is `model_versions` now: it notes the versions that have answered.
"""

from collections import defaultdict
from decimal import Decimal

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import AnyText, ExactDecimal, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _rename_seen_versions()
    _create_registry()
    _create_shared_state()
    _extend_ledger()
    _fill_budgets()


def _rename_seen_versions() -> None:
    """A new table: renaming one leaves its key's name behind, which the new `models` needs."""
    op.create_table(
        "model_versions",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_version", AnyText(), nullable=False),
        sa.Column("first_used_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "model_version", name=op.f("pk_model_versions")),
    )
    op.execute(
        "INSERT INTO model_versions (model, model_version, first_used_at)"
        " SELECT model, model_version, first_used_at FROM models"
    )
    op.drop_table("models")


def _create_registry() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("upstream", AnyText(), nullable=False),
        sa.Column("endpoint", AnyText(), nullable=False),
        sa.Column("key", AnyText(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("input_price", ExactDecimal(), nullable=True),
        sa.Column("output_price", ExactDecimal(), nullable=True),
        sa.Column("cached_price", ExactDecimal(), nullable=True),
        sa.Column("cache_write_price", ExactDecimal(), nullable=True),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("rpm", sa.Integer(), nullable=True),
        sa.Column("tpm", sa.Integer(), nullable=True),
        sa.Column("in_flight", sa.Integer(), nullable=False),
        sa.Column("timeout_s", sa.Float(), nullable=False),
        sa.Column("max_output_tokens", sa.Integer(), nullable=False),
        sa.Column("context_window", sa.Integer(), nullable=True),
        sa.Column("json_mode", sa.Text(), nullable=False),
        sa.Column("images", sa.Boolean(), nullable=False),
        sa.Column("logprobs", sa.Boolean(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("was_enabled", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
    )
    op.create_table(
        "gateway_switches",
        sa.Column("switch", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("changed_by", AnyText(), nullable=True),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("switch", name=op.f("pk_gateway_switches")),
    )


def _create_shared_state() -> None:
    op.create_table(
        "breakers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("why", AnyText(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("open_until", UtcDateTime(), nullable=False),
        sa.Column("probe_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_breakers")),
    )
    op.create_table(
        "limit_leases",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "worker_id", name=op.f("pk_limit_leases")),
    )
    op.create_table(
        "budgets",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("spent_usd", ExactDecimal(), nullable=False),
        sa.Column("reserved_usd", ExactDecimal(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_budgets")),
    )
    op.create_table(
        "reply_cache",
        sa.Column("cache_key", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cache_key", name=op.f("pk_reply_cache")),
    )
    op.create_index(op.f("ix_reply_cache_used_at"), "reply_cache", ["used_at"], unique=False)


def _extend_ledger() -> None:
    for column in (
        sa.Column("call_key", sa.Text(), nullable=False, server_default=""),
        sa.Column("lane", sa.Text(), nullable=False, server_default="run"),
        sa.Column("prompt_version", sa.Text(), nullable=False, server_default=""),
        sa.Column("cached_tokens", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cache_write_tokens", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("first_byte_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("unconfirmed_usd", ExactDecimal(), nullable=False, server_default="0"),
        sa.Column("reserved_usd", ExactDecimal(), nullable=False, server_default="0"),
        sa.Column("worker_id", sa.Text(), nullable=True),
    ):
        op.add_column("model_calls", column)
    op.execute("UPDATE model_calls SET call_key = 'call-' || call_id")
    op.create_index("ix_model_calls_call_key", "model_calls", ["call_key"], unique=True)
    op.create_index(
        "ix_model_calls_open",
        "model_calls",
        ["worker_id"],
        unique=False,
        sqlite_where=sa.text("outcome = 'open'"),
        postgresql_where=sa.text("outcome = 'open'"),
    )
    op.create_table(
        "model_call_texts",
        sa.Column("call_key", sa.Text(), nullable=False),
        sa.Column("prompt", AnyText(), nullable=False),
        sa.Column("reply", AnyText(), nullable=False),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("call_key", name=op.f("pk_model_call_texts")),
    )


def _fill_budgets() -> None:
    """What earlier calls cost counts for the budgets of their runs and days."""
    calls = sa.table(
        "model_calls",
        sa.column("run_id", sa.Text),
        sa.column("called_at", UtcDateTime),
        sa.column("cost_usd", ExactDecimal),
    )
    spent: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for run_id, called_at, cost_usd in op.get_bind().execute(sa.select(*calls.c).where(calls.c.cost_usd != Decimal(0))):
        spent["run", run_id] += cost_usd
        spent["day", called_at.date().isoformat()] += cost_usd
    budgets = sa.table(
        "budgets",
        sa.column("scope", sa.Text),
        sa.column("key", sa.Text),
        sa.column("spent_usd", ExactDecimal),
        sa.column("reserved_usd", ExactDecimal),
    )
    rows = [
        {"scope": scope, "key": key, "spent_usd": usd, "reserved_usd": Decimal(0)}
        for (scope, key), usd in sorted(spent.items())
    ]
    if rows:
        op.bulk_insert(budgets, rows)
