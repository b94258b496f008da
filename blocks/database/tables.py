"""The tables. Migrations make them; a test holds the two to one another.

Ids and digests are SHA-256 in hexadecimal. Times are UTC. Payloads are JSON, compressed by zlib unless they are short;
the content of parts is always compressed.
Money is kept exactly: numeric on PostgreSQL, decimal text on SQLite, which has no decimal type.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.types import TypeEngine


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps it as text without a zone, so that text order is time order."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """A timestamp with time zone where there is one."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Take aware times only, and turn them to UTC."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give aware UTC times only."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal that comes back as it went in."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Numeric, or text on SQLite."""
        impl: TypeEngine[Any] = Text() if dialect.name == "sqlite" else Numeric()
        return dialect.type_descriptor(impl)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        """Decimal text for SQLite, without an exponent."""
        return value if value is None or dialect.name != "sqlite" else f"{value:f}"

    def process_result_value(self, value: Decimal | str | None, dialect: Dialect) -> Decimal | None:
        """A Decimal in either case."""
        return None if value is None else Decimal(value)


class AnyText(TypeDecorator[str]):
    """Text from outside: NUL and lone surrogates, which no database takes, become visible escapes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The text as any database can keep it."""
        return None if value is None else storable(value)


def storable(value: str) -> str:
    """`value` with NUL and lone surrogates replaced by escapes such as ``\\x00``."""
    if "\x00" in value:
        value = value.replace("\x00", "\\x00")
    return value.encode("utf-8", "backslashreplace").decode()


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_RowId = BigInteger().with_variant(Integer(), "sqlite")


def _document_id(*, primary_key: bool = False) -> Column[str]:
    return Column("document_id", Text, ForeignKey("documents.document_id"), primary_key=primary_key, nullable=False)


database_identity = Table("database_identity", metadata, Column("database_id", Text, primary_key=True))

documents = Table(
    "documents",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("parent_id", Text),
    Column("part", AnyText),
    Column("is_container", Boolean, nullable=False, server_default=text("false")),
    Column("content", LargeBinary),
    Column("given_type", Text),
    Column("document_type", Text),
    Column("settled_under", Text),
    Column("settled_as", Text),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Index(None, "document_type"),
    Index(None, "parent_id"),
)

sources = Table(
    "sources",
    metadata,
    _document_id(primary_key=True),
    Column("uri", AnyText, primary_key=True),
    Column("inbox", Text),
    Column("owner", Text),
    Column("seen_at", UtcDateTime, nullable=False),
    Index(None, "uri"),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("source", AnyText, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("document_types", JSON, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("state", Text),
    Column("message", AnyText),
    Index(None, "started_at"),
)

run_documents = Table(
    "run_documents",
    metadata,
    Column("run_id", Text, primary_key=True),
    _document_id(primary_key=True),
    Column("chunk", Integer),
    Column("outcome", Text),
    Index(None, "run_id", "chunk"),
    Index(None, "document_id"),
)

document_type_versions = Table(
    "document_type_versions",
    metadata,
    Column("version", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("first_used_at", UtcDateTime, nullable=False),
)

stage_outputs = Table(
    "stage_outputs",
    metadata,
    _document_id(primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("digest", Text),
    Column("payload", LargeBinary),
    Column("failure_kind", Text),
    Column("failure_message", AnyText),
    Column("retry", Text),
    Column("attempts", Integer, nullable=False),
    Column("solo_attempts", Integer, nullable=False),
    Column("duration_ms", Integer),
    Column("run_id", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

results = Table(
    "results",
    metadata,
    _document_id(primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("is_current", Boolean, nullable=False),
    Column("document_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("score", Float),
    Column("reasons", JSON, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("confidences", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("decided_by", Text),
    Column("run_id", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "run_id"),
    Index(
        "ix_results_current",
        "document_type",
        "status",
        sqlite_where=text("is_current"),
        postgresql_where=text("is_current"),
    ),
)

review = Table(
    "review",
    metadata,
    Column("review_id", _RowId, primary_key=True, autoincrement=True),
    _document_id(),
    Column("fingerprint", Text, nullable=False),
    Column("document_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UtcDateTime),
    Column("decision", JSON),
    Index(None, "document_id"),
    Index("ix_review_queue", "status", "priority", "due_at", "confidence"),
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
    Column("event_id", _RowId, primary_key=True, autoincrement=True),
    Column("review_id", _RowId, ForeignKey("review.review_id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("actor", Text),
    Column("run_id", Text),
    Column("happened_at", UtcDateTime, nullable=False),
    Index(None, "review_id"),
)

failures = Table(
    "failures",
    metadata,
    _document_id(primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("retry", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime),
    Index(
        "ix_failures_open",
        "last_at",
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
)

models = Table(
    "models",
    metadata,
    Column("model", Text, primary_key=True),
    Column("model_version", Text, primary_key=True),
    Column("first_used_at", UtcDateTime, nullable=False),
)

model_calls = Table(
    "model_calls",
    metadata,
    Column("call_id", _RowId, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("input_characters", Integer, nullable=False),
    Column("output_characters", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost_usd", ExactDecimal, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error_kind", Text),
    Column("called_at", UtcDateTime, nullable=False),
    Index(None, "run_id", "model"),
    Index(None, "document_id"),
)

views = Table(
    "views",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
)
