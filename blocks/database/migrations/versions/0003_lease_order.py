"""Since when a worker has its share of a model's limits: of more workers than places, who came first has one.

Leases last for seconds and those of before the upgrade hold nothing, so that the table is made anew.
"""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_table("limit_leases")
    op.create_table(
        "limit_leases",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("leased_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "worker_id", name=op.f("pk_limit_leases")),
    )
