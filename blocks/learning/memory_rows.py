"""What is remembered of a decided document, as the database keeps it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """What is remembered of a decided document: a `Decided` as JSON. `made_of` is a digest of its labels and its text.

    `text_digest` is equal for documents with the same text.
    """

    document_id: str
    made_of: str
    text_digest: str
    content: bytes
