"""Indexes for the counts by type on the review page, and for its filters."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_index("ix_review_types", "review", ["status", "document_type", "due_at"])
    op.create_index("ix_review_status", "review", ["status", "review_id"])
