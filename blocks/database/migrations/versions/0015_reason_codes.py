"""On PostgreSQL, an index over the codes of an item's reasons, which also gives the planner their shares."""

from alembic import op

revision = "0015"
down_revision = "0014"

CODES = (
    r"string_to_array(regexp_replace(regexp_replace(review.reasons::text, "
    r"""'(:|\\.)(\\.|[^"\\])*', '', 'g'), '"[^"]{100,}"', '""', 'g'), '"')"""
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"CREATE INDEX ix_review_reason_codes ON review USING gin (({CODES}))")
        connection.exec_driver_sql("ANALYZE review")  # until then PostgreSQL expects a code in one of 200 items
