"""People decide: claims, versions and roles of review items, the chained audit trail, answers, users and notices.

Events of before the upgrade are chained as they are.
"""

import sqlalchemy as sa
from alembic import op

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import RowId
from blocks.review.chain import Entry, Head, entry_hash

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for column in (
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("kind", sa.Text(), nullable=False, server_default="verdict"),
        sa.Column("role", sa.Text(), nullable=False, server_default="reviewer"),
        sa.Column("updated_at", UtcDateTime()),
        sa.Column("claimed_by", AnyText()),
        sa.Column("claimed_at", UtcDateTime()),
        sa.Column("claim_expires_at", UtcDateTime()),
        sa.Column("decisions_needed", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("opinions", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("drawn_with", sa.Float()),
        sa.Column("is_blind", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    ):
        op.add_column("review", column)
    op.create_index("ix_review_decided_at", "review", ["decided_at"])
    for name in ("previous_hash", "hash"):
        op.add_column("review_events", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    _create_tables()
    _chain_events()


def _create_tables() -> None:
    op.create_table(
        "review_chain",
        sa.Column("chain_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("event_id", RowId, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
    )
    op.create_table(
        "review_answers",
        sa.Column("event_id", RowId, sa.ForeignKey("review_events.event_id"), primary_key=True, autoincrement=False),
        sa.Column("field", AnyText(), primary_key=True),
        sa.Column("review_id", RowId, sa.ForeignKey("review.review_id"), nullable=False),
        sa.Column("shown", sa.JSON()),
        sa.Column("decided", sa.JSON()),
        sa.Column("confidence", sa.Float()),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("shown_ms", sa.Integer(), nullable=False),
        sa.Column("is_touched", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_review_answers_review_id", "review_answers", ["review_id"])
    op.create_table(
        "review_decisions",
        sa.Column("decision_id", RowId, primary_key=True, autoincrement=True),
        sa.Column("review_id", RowId, nullable=False),
        sa.Column("decision", AnyText(), nullable=False),
        sa.Column("field", AnyText()),
        sa.Column("value", AnyText()),
        sa.Column("note", AnyText()),
        sa.Column("decided_by", AnyText(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("status", sa.Text(), nullable=False, server_default="new"),
        sa.Column("message", AnyText()),
        sa.Column("inserted_at", UtcDateTime(), nullable=False, server_default=sa.func.current_timestamp()),
        sa.Column("applied_at", UtcDateTime()),
    )
    is_new = sa.text("status = 'new'")
    op.create_index(
        "ix_review_decisions_new", "review_decisions", ["decision_id"], sqlite_where=is_new, postgresql_where=is_new
    )
    op.create_table(
        "review_users",
        sa.Column("name", AnyText(), primary_key=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("failed_logins", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("locked_until", UtcDateTime()),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "review_sessions",
        sa.Column("session_hash", sa.Text(), primary_key=True),
        sa.Column("user_name", AnyText(), sa.ForeignKey("review_users.name"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_review_sessions_expires_at", "review_sessions", ["expires_at"])
    op.create_table(
        "review_notices",
        sa.Column("review_id", RowId, sa.ForeignKey("review.review_id"), primary_key=True, autoincrement=False),
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime()),
        sa.Column("message", AnyText()),
    )


def _chain_events() -> None:
    """Give each event its hash. Ids become consecutive: rolled back transactions left gaps."""
    columns = ("event_id", "review_id", "event", "content", "actor", "run_id", "happened_at")
    events = sa.table(
        "review_events",
        sa.column("event_id", RowId),
        sa.column("review_id", RowId),
        sa.column("event", sa.Text()),
        sa.column("content", sa.JSON()),
        sa.column("actor", sa.Text()),
        sa.column("run_id", sa.Text()),
        sa.column("happened_at", UtcDateTime()),
        sa.column("previous_hash", sa.Text()),
        sa.column("hash", sa.Text()),
    )
    connection = op.get_bind()
    head = Head()
    for row in connection.execute(sa.select(*(events.c[name] for name in columns)).order_by(events.c.event_id)).all():
        entry = Entry(head.event_id + 1, *row[1:])
        hashed = entry_hash(head.hash, entry)
        connection.execute(
            sa.update(events)
            .where(events.c.event_id == row.event_id)
            .values(event_id=entry.event_id, previous_hash=head.hash, hash=hashed)
        )
        head = Head(entry.event_id, hashed)
    chain = sa.table(
        "review_chain", sa.column("chain_id", sa.Integer()), sa.column("event_id", RowId), sa.column("hash", sa.Text())
    )
    connection.execute(sa.insert(chain), {"chain_id": 1, "event_id": head.event_id, "hash": head.hash})
