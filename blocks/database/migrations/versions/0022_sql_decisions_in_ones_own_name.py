"""A row of `review_decisions` without `decided_by` is by the database user, and every inserted row is new.

`status`, `message` and `applied_at` are the answer: a row that had another status from its insertion was never applied
and never answered. SQLite has no users, so that a row names who decides.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

_SQLITE = """
CREATE TRIGGER review_decisions_are_new AFTER INSERT ON review_decisions
WHEN NEW.status <> 'new' OR NEW.message IS NOT NULL OR NEW.applied_at IS NOT NULL
BEGIN
    UPDATE review_decisions SET status = 'new', message = NULL, applied_at = NULL WHERE decision_id = NEW.decision_id;
END
"""

_FUNCTION = """
CREATE FUNCTION review_decisions_are_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status := 'new';
    NEW.message := NULL;
    NEW.applied_at := NULL;
    RETURN NEW;
END
$$
"""

_POSTGRESQL = """
CREATE TRIGGER review_decisions_are_new BEFORE INSERT ON review_decisions
FOR EACH ROW EXECUTE FUNCTION review_decisions_are_new()
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(sa.text(_SQLITE))
    else:
        op.execute(sa.text(_FUNCTION.replace(":=", r"\:=")))
        op.execute(sa.text(_POSTGRESQL))
        op.execute(sa.text("ALTER TABLE review_decisions ALTER COLUMN decided_by SET DEFAULT session_user"))
