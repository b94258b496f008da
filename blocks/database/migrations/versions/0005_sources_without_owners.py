"""A source has no inbox and no owner: nothing ever wrote them."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_column("sources", "inbox")
    op.drop_column("sources", "owner")
