"""Files that were seen in inboxes, so that each is taken once, when it has stopped changing."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import AnyText, UtcDateTime

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "inbox_files",
        sa.Column("inbox", sa.Text, primary_key=True),
        sa.Column("uri", AnyText, primary_key=True),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.Column("is_stable", sa.Boolean, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("taken_at", UtcDateTime),
    )
    op.create_index(
        "ix_inbox_files_due",
        "inbox_files",
        ["inbox"],
        sqlite_where=sa.text("taken_at IS NULL"),
        postgresql_where=sa.text("taken_at IS NULL"),
    )
