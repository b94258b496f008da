"""PostgreSQL's roles of people who decide by SQL, where the database user may create roles.

The trigger reads the item's version with the rights of its owner: a reviewer has none on the table of items.
"""

import sqlalchemy as sa
from alembic import op

from blocks.database.review.roles import create_roles, set_rights

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    schema = connection.dialect.identifier_preparer.quote(
        connection.execute(sa.text("SELECT current_schema()")).scalar_one()
    )
    op.execute("ALTER FUNCTION review_decisions_version() SECURITY DEFINER")
    op.execute(f"ALTER FUNCTION review_decisions_version() SET search_path = {schema}, pg_temp")
    create_roles(connection)
    set_rights(connection)
