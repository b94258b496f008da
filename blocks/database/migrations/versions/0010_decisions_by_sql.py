"""A row of `review_decisions` gets the version that its item has when the row is inserted.

So a decision is on what the person saw, and refused if a run replaced the item before it was applied.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_SQLITE = """
CREATE TRIGGER review_decisions_version AFTER INSERT ON review_decisions WHEN NEW.version IS NULL
BEGIN
    UPDATE review_decisions SET version = (SELECT version FROM review WHERE review_id = NEW.review_id)
    WHERE decision_id = NEW.decision_id;
END
"""

_FUNCTION = """
CREATE FUNCTION review_decisions_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version IS NULL THEN
        NEW.version := (SELECT r.version FROM review r WHERE r.review_id = NEW.review_id);
    END IF;
    RETURN NEW;
END
$$
"""

_POSTGRESQL = """
CREATE TRIGGER review_decisions_version BEFORE INSERT ON review_decisions
FOR EACH ROW EXECUTE FUNCTION review_decisions_version()
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(sa.text(_SQLITE))
    else:
        op.execute(sa.text(_FUNCTION.replace(":=", r"\:=")))
        op.execute(sa.text(_POSTGRESQL))
