"""The ledger holds calls of models only: the rows of the built-in reader, which costs nothing, go."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("DELETE FROM model_calls WHERE model = 'local'")
    op.execute("DELETE FROM model_versions WHERE model = 'local'")
