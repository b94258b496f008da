"""Indexes for the review items of a run, and for the documents that came in during some days."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.create_index("ix_review_run_id", "review", ["run_id"])
    op.create_index("ix_documents_first_seen_at", "documents", ["first_seen_at"])
