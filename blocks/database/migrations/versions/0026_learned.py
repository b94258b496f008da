"""What was learnt from labels, and what is remembered of decided documents."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import RowId

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "learned",
        sa.Column("learned_id", RowId, primary_key=True, autoincrement=True),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("gate", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("changed_by", AnyText()),
    )
    op.create_index("ix_learned_document_type_part_learned_id", "learned", ["document_type", "part", "learned_id"])
    op.create_table(
        "memories",
        sa.Column("memory_id", RowId, primary_key=True, autoincrement=True),
        sa.Column("document_id", sa.Text(), sa.ForeignKey("documents.document_id"), nullable=False),
        sa.Column("document_type", sa.Text(), nullable=False),
        sa.Column("since", RowId, sa.ForeignKey("learned.learned_id"), nullable=False),
        sa.Column("until", RowId, sa.ForeignKey("learned.learned_id")),
        sa.Column("made_of", sa.Text(), nullable=False),
        sa.Column("text_digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_memories_document_id", "memories", ["document_id"])
    op.create_index("ix_memories_document_type_since", "memories", ["document_type", "since"])
