"""The tables of learning.

`labels` has what people knew outside of review, as they imported it; what they decided in review stays in the tables of
review. `label_events` says who imported or forgot labels, and when. `forgotten_answers` names answers of decisions that
count as labels no longer; the decisions stand.
`learned` has what was learnt, a row each time, and `memories` what is remembered of each decided document.
`splits` says of documents of a type with a strict split whether their labels prove; else they teach.
"""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, Table, Text

from blocks.database.column_types import AnyText, UtcDateTime
from blocks.database.metadata import RowId, document_id_column, metadata

label_events = Table(
    "label_events",
    metadata,
    Column("event_id", RowId, primary_key=True, autoincrement=True),
    Column("event", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("happened_at", UtcDateTime, nullable=False),
)

labels = Table(
    "labels",
    metadata,
    Column("label_id", RowId, primary_key=True, autoincrement=True),
    document_id_column(),
    Column("document_type", Text, nullable=False),
    Column("type_version", Text, nullable=False),
    Column("field", AnyText, nullable=False),
    Column("value", JSON, nullable=False),
    Column("labelled_by", AnyText, nullable=False),
    Column("labelled_at", UtcDateTime, nullable=False),
    Column("origin", Text, nullable=False),
    Column("drawn_with", Float),
    Column("import_id", RowId, ForeignKey("label_events.event_id"), nullable=False),
    Index(None, "document_id"),
    Index(None, "document_type"),
    Index(None, "import_id"),
)

forgotten_answers = Table(
    "forgotten_answers",
    metadata,
    Column("event_id", RowId, ForeignKey("review_events.event_id"), primary_key=True, autoincrement=False),
    Column("field", AnyText, primary_key=True),
    Column("forgotten_in", RowId, ForeignKey("label_events.event_id"), nullable=False),
)

learned = Table(
    "learned",
    metadata,
    Column("learned_id", RowId, primary_key=True, autoincrement=True),
    Column("document_type", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("labels", Integer, nullable=False),
    Column("gate", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("changed_by", AnyText),
    Index(None, "document_type", "part", "learned_id"),
)

memories = Table(
    "memories",
    metadata,
    Column("memory_id", RowId, primary_key=True, autoincrement=True),
    document_id_column(),
    Column("document_type", Text, nullable=False),
    Column("since", RowId, ForeignKey("learned.learned_id"), nullable=False),
    Column("until", RowId, ForeignKey("learned.learned_id")),
    Column("made_of", Text, nullable=False),
    Column("text_digest", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index(None, "document_id"),
    Index(None, "document_type", "since"),
)

splits = Table(
    "splits",
    metadata,
    document_id_column(primary_key=True),
    Column("document_type", Text, primary_key=True),
    Column("proves", Boolean, nullable=False),
)
