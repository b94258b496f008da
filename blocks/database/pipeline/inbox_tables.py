"""The tables of inboxes: `inbox_files` has the files that were seen there, `inbox_tries` the runs that took none."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import metadata

inbox_files = Table(
    "inbox_files",
    metadata,
    Column("inbox", Text, primary_key=True),
    Column("uri", AnyText, primary_key=True),
    Column("mark", Text, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("is_stable", Boolean, nullable=False),
    Column("run_id", Text),
    Column("taken_at", UtcDateTime),
    Index(
        "ix_inbox_files_due",
        "inbox",
        sqlite_where=text("taken_at IS NULL"),
        postgresql_where=text("taken_at IS NULL"),
    ),
)

inbox_tries = Table(
    "inbox_tries",
    metadata,
    Column("inbox", Text, primary_key=True),
    Column("block", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
)
