"""Labels that people import, who imported or forgot some, and answers that count as labels no longer."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import RowId

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "label_events",
        sa.Column("event_id", RowId, primary_key=True, autoincrement=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("actor", AnyText(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "labels",
        sa.Column("label_id", RowId, primary_key=True, autoincrement=True),
        sa.Column("document_id", sa.Text(), sa.ForeignKey("documents.document_id"), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("type_version", sa.Text(), nullable=False),
        sa.Column("field", AnyText(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("labelled_by", AnyText(), nullable=False),
        sa.Column("labelled_at", UtcDateTime(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("drawn_with", sa.Float()),
        sa.Column("import_id", RowId, sa.ForeignKey("label_events.event_id"), nullable=False),
    )
    for column in ("document_id", "document_type", "import_id"):
        op.create_index(f"ix_labels_{column}", "labels", [column])
    op.create_table(
        "forgotten_answers",
        sa.Column("event_id", RowId, sa.ForeignKey("review_events.event_id"), primary_key=True, autoincrement=False),
        sa.Column("field", AnyText(), primary_key=True),
        sa.Column("forgotten_in", RowId, sa.ForeignKey("label_events.event_id"), nullable=False),
    )
