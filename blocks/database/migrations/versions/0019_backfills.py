"""Backfills, their shards and documents; budgets that are parts of another one."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import ExactDecimal, UtcDateTime

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "backfills",
        sa.Column("backfill_id", sa.Text(), primary_key=True),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
    )
    op.create_table(
        "backfill_shards",
        sa.Column("backfill_id", sa.Text(), primary_key=True),
        sa.Column("shard", sa.Integer(), primary_key=True),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text()),
    )
    op.create_table(
        "backfill_documents",
        sa.Column("backfill_id", sa.Text(), primary_key=True),
        sa.Column("document_id", sa.Text(), sa.ForeignKey("documents.document_id"), primary_key=True),
        sa.Column("shard", sa.Integer(), nullable=False),
    )
    op.create_index("ix_backfill_documents_backfill_id_shard", "backfill_documents", ["backfill_id", "shard"])
    op.create_index("ix_backfill_documents_document_id", "backfill_documents", ["document_id"])
    op.add_column("budgets", sa.Column("part_of", sa.Text()))
    op.add_column("budgets", sa.Column("cap_usd", ExactDecimal()))
