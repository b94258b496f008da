"""What accepted a row: a promise that labels prove, or a threshold although nothing is proven."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("results", sa.Column("accepted_by", sa.Text))
