"""The tables of review.

`review` has an item per document that needed a person, with its current version. `review_events` is the audit trail:
rows are added and never changed, each with the hash of the one before it, and `review_chain` has the last one's.
`review_answers` says what was shown and decided per field; `review_judgements` what people found about single fields of
items that still wait. People who decide by SQL insert into `review_decisions`.
`review_notices` has the messages about late items, one per notification block. An item's `notice_level` says which
notice was the last, and its `notice_at` when the next one is due.
`review_days` keeps what was counted of days that are over, for the figures.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    func,
    literal_column,
    text,
)

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import RowId, document_id_column, metadata

REASON_CODES = (
    r"string_to_array(regexp_replace(regexp_replace(review.reasons::text, "
    r"""'(:|\\.)(\\.|[^"\\])*', '', 'g'), '"[^"]{100,}"', '""', 'g'), '"')"""
)
"""SQL of PostgreSQL: the codes of an item's reasons, as an array with `[`, `,` and `]` between them.

A reason's code ends before its first colon; what has an escape is no code. Long texts are left out, since an index
entry has room for 2,712 bytes, and a reason may hold a document's text.
"""

review = Table(
    "review",
    metadata,
    Column("review_id", RowId, primary_key=True, autoincrement=True),
    document_id_column(),
    Column("fingerprint", Text, nullable=False),
    Column("document_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("decided_by", AnyText),
    Column("decided_at", UtcDateTime),
    Column("decision", JSON(none_as_null=True)),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("kind", Text, nullable=False, server_default="verdict"),
    Column("role", Text, nullable=False, server_default="reviewer"),
    Column("updated_at", UtcDateTime),
    Column("claimed_by", AnyText),
    Column("claimed_at", UtcDateTime),
    Column("claim_expires_at", UtcDateTime),
    Column("decisions_needed", Integer, nullable=False, server_default="1"),
    Column("opinions", JSON, nullable=False, server_default="[]"),
    Column("drawn_with", Float),
    Column("is_blind", Boolean, nullable=False, server_default=text("false")),
    Column("notice_level", Integer, nullable=False, server_default="0"),
    Column("notice_at", UtcDateTime),
    Index(None, "document_id"),
    Index(None, "run_id"),
    Index("ix_review_queue", "status", "priority", text("(due_at IS NULL)"), "due_at", "confidence", "review_id"),
    Index("ix_review_types", "status", "document_type", "due_at"),
    Index("ix_review_status", "status", "review_id"),
    Index("ix_review_notice_at", "status", "notice_at"),
    Index("ix_review_decided_at", "decided_at"),
    Index("ix_review_reason_codes", literal_column(f"({REASON_CODES})"), postgresql_using="gin").ddl_if("postgresql"),
    Index(
        "ix_review_open_ages",
        *("document_type", "kind", "role", "created_at", "due_at"),
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
    Index(
        "ix_review_audits",
        "decided_at",
        sqlite_where=text("kind = 'audit'"),
        postgresql_where=text("kind = 'audit'"),
    ),
    Index(
        "ix_review_one_open",
        "document_id",
        unique=True,
        sqlite_where=text("status = 'open'"),
        postgresql_where=text("status = 'open'"),
    ),
)

review_events = Table(
    "review_events",
    metadata,
    Column("event_id", RowId, primary_key=True, autoincrement=True),
    Column("review_id", RowId, ForeignKey("review.review_id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("content_digest", Text),
    Column("salt", Text),
    Column("actor", AnyText),
    Column("run_id", Text),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("previous_hash", Text, nullable=False, server_default=""),
    Column("hash", Text, nullable=False, server_default=""),
    Index(None, "review_id"),
    Index("ix_review_events_times", "event", "happened_at"),
)

review_chain = Table(
    "review_chain",
    metadata,
    Column("chain_id", Integer, primary_key=True, autoincrement=False),
    Column("event_id", RowId, nullable=False),
    Column("hash", Text, nullable=False),
)

review_answers = Table(
    "review_answers",
    metadata,
    Column("event_id", RowId, ForeignKey("review_events.event_id"), primary_key=True, autoincrement=False),
    Column("field", AnyText, primary_key=True),
    Column("review_id", RowId, ForeignKey("review.review_id"), nullable=False),
    Column("shown", JSON),
    Column("decided", JSON),
    Column("confidence", Float),
    Column("evidence", JSON, nullable=False),
    Column("shown_ms", Integer, nullable=False),
    Column("is_touched", Boolean, nullable=False),
    Index(None, "review_id"),
)

review_judgements = Table(
    "review_judgements",
    metadata,
    Column("event_id", RowId, ForeignKey("review_events.event_id"), primary_key=True, autoincrement=False),
    Column("review_id", RowId, ForeignKey("review.review_id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("field", AnyText, nullable=False),
    Column("judgement", Text, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("confidence", Float),
    Column("evidence", JSON, nullable=False),
    Column("shown_ms", Integer, nullable=False),
    Column("judged_by", AnyText, nullable=False),
    Column("judged_at", UtcDateTime, nullable=False),
    Column("undone_at", UtcDateTime),
    Index(None, "review_id"),
)

review_decisions = Table(
    "review_decisions",
    metadata,
    Column("decision_id", RowId, primary_key=True, autoincrement=True),
    Column("review_id", RowId, nullable=False),
    Column("decision", AnyText, nullable=False),
    Column("field", AnyText),
    Column("value", AnyText),
    Column("note", AnyText),
    Column("decided_by", AnyText, nullable=False),
    Column("version", Integer),
    Column("status", Text, nullable=False, server_default="new"),
    Column("message", AnyText),
    Column("inserted_at", UtcDateTime, nullable=False, server_default=func.current_timestamp()),
    Column("applied_at", UtcDateTime),
    Index(
        "ix_review_decisions_new",
        "decision_id",
        sqlite_where=text("status = 'new'"),
        postgresql_where=text("status = 'new'"),
    ),
)

review_users = Table(
    "review_users",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    Column("failed_logins", Integer, nullable=False, server_default="0"),
    Column("locked_until", UtcDateTime),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", UtcDateTime, nullable=False),
)

review_sessions = Table(
    "review_sessions",
    metadata,
    Column("session_hash", Text, primary_key=True),
    Column("user_name", AnyText, ForeignKey("review_users.name"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "expires_at"),
)

review_notices = Table(
    "review_notices",
    metadata,
    Column("review_id", RowId, ForeignKey("review.review_id"), primary_key=True, autoincrement=False),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("block", AnyText, primary_key=True),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("sending_until", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("message", AnyText),
    Index(
        "ix_review_notices_unsent",
        "block",
        "review_id",
        sqlite_where=text("sent_at IS NULL"),
        postgresql_where=text("sent_at IS NULL"),
    ),
)

review_days = Table(
    "review_days",
    metadata,
    Column("day", Text, primary_key=True),
    Column("figures", JSON, nullable=False),
)
