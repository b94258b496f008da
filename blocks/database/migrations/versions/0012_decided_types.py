"""A document keeps whether a person decided its type in review, or a run was given it for all its documents."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column(
        "documents", sa.Column("is_type_decided", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    documents = sa.table("documents", *map(sa.column, ("document_id", "given_type", "is_type_decided")))
    review = sa.table("review", sa.column("document_id"), sa.column("status"), sa.column("decision", sa.JSON()))
    is_reclassified = sa.exists().where(
        review.c.document_id == documents.c.document_id,
        review.c.status == "decided",
        review.c.decision["action"].as_string() == "reclassify",
        review.c.decision["document_type"].as_string() == documents.c.given_type,
    )
    op.execute(documents.update().where(is_reclassified).values(is_type_decided=sa.true()))
