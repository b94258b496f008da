"""A run keeps the figures of its story, counted at its end."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("runs", sa.Column("figures", sa.JSON()))
