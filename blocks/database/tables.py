"""The tables, but for those of review, learning and inboxes. Migrations make them; a test compares the two.

Ids and digests are SHA-256 in hexadecimal. Times are UTC. Payloads are JSON, compressed by zlib unless they are short;
the content of parts is always compressed.
"""

from dataclasses import fields
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text, text

from blocks.database.column_types import AnyText, ExactDecimal, UtcDateTime
from blocks.database.learning import tables as _learning_tables  # noqa: F401 - so that the metadata has every table
from blocks.database.metadata import RowId, document_id_column, metadata
from blocks.database.pipeline import inbox_tables as _inbox_tables  # noqa: F401 - as above
from blocks.database.review import tables as _review_tables  # noqa: F401 - as above


def columns_of(table: Table, record: type) -> list[Column[Any]]:
    """The columns that have the names of a dataclass's fields, in the order of the fields."""
    return [table.c[field.name] for field in fields(record)]


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
    Column("is_type_decided", Boolean, nullable=False, server_default=text("false")),
    Column("document_type", Text),
    Column("settled_under", Text),
    Column("settled_as", Text),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("erased_at", UtcDateTime),
    Index(None, "document_type"),
    Index(None, "parent_id"),
    Index(None, "first_seen_at"),
)

sources = Table(
    "sources",
    metadata,
    document_id_column(primary_key=True),
    Column("uri", AnyText, primary_key=True),
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
    Column("figures", JSON(none_as_null=True)),
    Column("asked", JSON(none_as_null=True)),
    Index(None, "started_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "run_id"),
)

run_documents = Table(
    "run_documents",
    metadata,
    Column("run_id", Text, primary_key=True),
    document_id_column(primary_key=True),
    Column("chunk", Integer),
    Column("outcome", Text),
    Index(None, "run_id", "chunk"),
    Index(None, "document_id"),
)

run_chunks = Table(
    "run_chunks",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("documents", Integer, nullable=False),
    Column("worker_id", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("is_done", Boolean, nullable=False),
    Index(
        "ix_run_chunks_left",
        "run_id",
        "number",
        sqlite_where=text("is_done IS 0"),
        postgresql_where=text("is_done IS false"),
    ),
)

backfills = Table(
    "backfills",
    metadata,
    Column("backfill_id", Text, primary_key=True),
    Column("plan", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_dry_run", Boolean, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

backfill_shards = Table(
    "backfill_shards",
    metadata,
    Column("backfill_id", Text, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("documents", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("run_id", Text),
)

backfill_documents = Table(
    "backfill_documents",
    metadata,
    Column("backfill_id", Text, primary_key=True),
    document_id_column(primary_key=True),
    Column("shard", Integer, nullable=False),
    Index(None, "backfill_id", "shard"),
    Index(None, "document_id"),
)

document_type_versions = Table(
    "document_type_versions",
    metadata,
    Column("version", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("first_used_at", UtcDateTime, nullable=False),
    Column("files", JSON(none_as_null=True)),
)

stage_outputs = Table(
    "stage_outputs",
    metadata,
    document_id_column(primary_key=True),
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
    Column("worker_id", Text, nullable=False, server_default=""),
    Index(
        "ix_stage_outputs_provisional",
        "document_id",
        sqlite_where=text("state = 'provisional'"),
        postgresql_where=text("state = 'provisional'"),
    ),
)

results = Table(
    "results",
    metadata,
    document_id_column(primary_key=True),
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
    Column("accepted_by", Text),
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

failures = Table(
    "failures",
    metadata,
    document_id_column(primary_key=True),
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

model_versions = Table(
    "model_versions",
    metadata,
    Column("model", Text, primary_key=True),
    Column("model_version", AnyText, primary_key=True),
    Column("first_used_at", UtcDateTime, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("upstream", AnyText, nullable=False),
    Column("endpoint", AnyText, nullable=False),
    Column("key", AnyText),
    Column("headers", JSON, nullable=False),
    Column("extra_body", JSON, nullable=False, server_default="{}"),
    Column("input_price", ExactDecimal),
    Column("output_price", ExactDecimal),
    Column("cached_price", ExactDecimal),
    Column("cache_write_price", ExactDecimal),
    Column("tier", Text),
    Column("rpm", Integer),
    Column("tpm", Integer),
    Column("in_flight", Integer, nullable=False),
    Column("timeout_s", Float, nullable=False),
    Column("max_output_tokens", Integer, nullable=False),
    Column("context_window", Integer),
    Column("json_mode", Text, nullable=False),
    Column("images", Boolean, nullable=False),
    Column("logprobs", Boolean, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("was_enabled", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

gateway_switches = Table(
    "gateway_switches",
    metadata,
    Column("switch", Text, primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("changed_by", AnyText),
    Column("changed_at", UtcDateTime, nullable=False),
)

breakers = Table(
    "breakers",
    metadata,
    Column("key", Text, primary_key=True),
    Column("why", AnyText, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("open_until", UtcDateTime, nullable=False),
    Column("probe_until", UtcDateTime),
)

limit_leases = Table(
    "limit_leases",
    metadata,
    Column("model", Text, primary_key=True),
    Column("worker_id", Text, primary_key=True),
    Column("leased_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("spent_usd", ExactDecimal, nullable=False),
    Column("reserved_usd", ExactDecimal, nullable=False),
    Column("part_of", Text),
    Column("cap_usd", ExactDecimal),
)

reply_cache = Table(
    "reply_cache",
    metadata,
    Column("cache_key", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("reply", LargeBinary, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, nullable=False),
    Index(None, "used_at"),
)

model_calls = Table(
    "model_calls",
    metadata,
    Column("call_id", RowId, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_version", AnyText, nullable=False),
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
    Column("call_key", Text, nullable=False, server_default=""),
    Column("lane", Text, nullable=False, server_default="run"),
    Column("prompt_version", Text, nullable=False, server_default=""),
    Column("cached_tokens", Integer, nullable=False, server_default="0"),
    Column("cache_write_tokens", Integer, nullable=False, server_default="0"),
    Column("reasoning_tokens", Integer, nullable=False, server_default="0"),
    Column("first_byte_ms", Integer, nullable=False, server_default="0"),
    Column("unconfirmed_usd", ExactDecimal, nullable=False, server_default="0"),
    Column("stated_cost_usd", ExactDecimal),
    Column("reserved_usd", ExactDecimal, nullable=False, server_default="0"),
    Column("worker_id", Text),
    Index(None, "run_id", "model"),
    Index(None, "document_id"),
    Index("ix_model_calls_call_key", "call_key", unique=True),
    Index(
        "ix_model_calls_open",
        "worker_id",
        sqlite_where=text("outcome = 'open'"),
        postgresql_where=text("outcome = 'open'"),
    ),
)

model_call_texts = Table(
    "model_call_texts",
    metadata,
    Column("call_key", Text, primary_key=True),
    Column("prompt", AnyText, nullable=False),
    Column("reply", AnyText, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
)

views = Table(
    "views",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
)
