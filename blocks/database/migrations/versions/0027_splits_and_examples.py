"""Which documents of a strict split prove, and which decided documents a model was shown as examples."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "splits",
        sa.Column("document_id", sa.Text(), sa.ForeignKey("documents.document_id"), primary_key=True, nullable=False),
        sa.Column("document_type", sa.Text(), primary_key=True, nullable=False),
        sa.Column("proves", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "model_call_examples",
        sa.Column("call_key", sa.Text(), primary_key=True, nullable=False),
        sa.Column("document_id", sa.Text(), sa.ForeignKey("documents.document_id"), primary_key=True, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
    )
    op.create_index("ix_model_call_examples_document_id", "model_call_examples", ["document_id"])
