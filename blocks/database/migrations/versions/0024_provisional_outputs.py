"""An index over the few provisional outputs: a run that goes on is shown without reading all of its outputs."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    is_provisional = sa.text("state = 'provisional'")
    op.create_index(
        "ix_stage_outputs_provisional",
        "stage_outputs",
        ["document_id"],
        sqlite_where=is_provisional,
        postgresql_where=is_provisional,
    )
