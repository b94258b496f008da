"""The table of decided documents that a call of a model was shown as examples, from position 1 on."""

from sqlalchemy import Column, Index, Integer, Table, Text

from blocks.database.metadata import document_id_column, metadata

model_call_examples = Table(
    "model_call_examples",
    metadata,
    Column("call_key", Text, primary_key=True),
    document_id_column(primary_key=True),
    Column("position", Integer, nullable=False),
    Index(None, "document_id"),
)
