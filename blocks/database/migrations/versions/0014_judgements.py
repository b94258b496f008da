"""Judgements on single fields of items that wait."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import RowId
from blocks.database.review.roles import set_rights

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "review_judgements",
        sa.Column("event_id", RowId, sa.ForeignKey("review_events.event_id"), primary_key=True, autoincrement=False),
        sa.Column("review_id", RowId, sa.ForeignKey("review.review_id"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("field", AnyText(), nullable=False),
        sa.Column("judgement", sa.Text(), nullable=False),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("confidence", sa.Float()),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("shown_ms", sa.Integer(), nullable=False),
        sa.Column("judged_by", AnyText(), nullable=False),
        sa.Column("judged_at", UtcDateTime(), nullable=False),
        sa.Column("undone_at", UtcDateTime()),
    )
    op.create_index("ix_review_judgements_review_id", "review_judgements", ["review_id"])
    set_rights(op.get_bind())
