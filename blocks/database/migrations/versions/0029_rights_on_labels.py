"""Administrators by SQL read the tables of learning."""

from alembic import op

from blocks.database.review.roles import set_rights

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    set_rights(op.get_bind())
