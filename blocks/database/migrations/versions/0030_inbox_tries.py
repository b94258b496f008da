"""Runs that were started for an inbox and did not take its files, so that the next waits longer."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import UtcDateTime

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "inbox_tries",
        sa.Column("inbox", sa.Text(), primary_key=True),
        sa.Column("block", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
    )
