"""The texts of a type's files, by version. Versions of older runs have none."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("document_type_versions", sa.Column("files", sa.JSON()))
