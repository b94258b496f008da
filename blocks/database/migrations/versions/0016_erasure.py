"""Documents that were erased, and events whose content can be erased without breaking the chain."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import UtcDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("documents", sa.Column("erased_at", UtcDateTime()))
    op.add_column("review_events", sa.Column("content_digest", sa.Text()))
    op.add_column("review_events", sa.Column("salt", sa.Text()))
