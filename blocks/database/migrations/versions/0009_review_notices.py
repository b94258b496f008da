"""Review items know when the next notice about them is due; a notice is sent by each notification block.

The queue's index has the order in which people work. Items that are open at the upgrade are noticed when they are due.
"""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import RowId

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("review", sa.Column("notice_level", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("review", sa.Column("notice_at", UtcDateTime()))
    op.execute(sa.text("UPDATE review SET notice_at = due_at WHERE status = 'open'"))
    op.create_index("ix_review_notice_at", "review", ["status", "notice_at"])
    op.drop_index("ix_review_queue", "review")
    op.create_index(
        "ix_review_queue",
        "review",
        ["status", "priority", sa.text("(due_at IS NULL)"), "due_at", "confidence", "review_id"],
    )
    op.drop_table("review_notices")
    op.create_table(
        "review_notices",
        sa.Column("review_id", RowId, sa.ForeignKey("review.review_id"), primary_key=True, autoincrement=False),
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("block", AnyText(), primary_key=True),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("sending_until", UtcDateTime()),
        sa.Column("sent_at", UtcDateTime()),
        sa.Column("message", AnyText()),
    )
    is_unsent = sa.text("sent_at IS NULL")
    op.create_index(
        "ix_review_notices_unsent",
        "review_notices",
        ["block", "review_id"],
        sqlite_where=is_unsent,
        postgresql_where=is_unsent,
    )
