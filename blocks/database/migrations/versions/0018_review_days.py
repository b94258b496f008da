"""What was counted of review on days that are over, and indexes for what is counted anew."""

import sqlalchemy as sa
from alembic import op

from blocks.database.review.roles import set_rights

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "review_days",
        sa.Column("day", sa.Text(), primary_key=True),
        sa.Column("figures", sa.JSON(), nullable=False),
    )
    op.create_index("ix_review_events_times", "review_events", ["event", "happened_at"])
    where = sa.text("status = 'open'")
    columns = ["document_type", "kind", "role", "created_at", "due_at"]
    op.create_index("ix_review_open_ages", "review", columns, sqlite_where=where, postgresql_where=where)
    where = sa.text("kind = 'audit'")
    op.create_index("ix_review_audits", "review", ["decided_at"], sqlite_where=where, postgresql_where=where)
    set_rights(op.get_bind())
