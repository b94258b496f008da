"""Chunks of runs, which any number of workers claim; what was asked of a run, for workers that join it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "run_chunks",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
    )
    op.create_index(
        "ix_run_chunks_left",
        "run_chunks",
        ["run_id", "number"],
        sqlite_where=sa.text("is_done IS 0"),
        postgresql_where=sa.text("is_done IS false"),
    )
    op.add_column("runs", sa.Column("asked", sa.JSON()))
