"""Workers with their leases; a claim is of a worker.

Claims of before the upgrade have no worker, and so count no longer.
"""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_workers")),
    )
    op.create_index(op.f("ix_workers_run_id"), "workers", ["run_id"])
    op.add_column("stage_outputs", sa.Column("worker_id", sa.Text(), nullable=False, server_default=""))
