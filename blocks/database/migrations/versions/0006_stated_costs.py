"""The cost that a provider states, beside ours; extra fields of a model's requests."""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import ExactDecimal

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("model_calls", sa.Column("stated_cost_usd", ExactDecimal(), nullable=True))
    op.add_column("models", sa.Column("extra_body", sa.JSON(), nullable=False, server_default="{}"))
