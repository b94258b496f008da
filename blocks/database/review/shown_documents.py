"""A document as people look at it: where its bytes are, and the pages that were extracted from them."""

from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.database.pipeline.stage_outputs import load_payloads
from blocks.database.tables import documents
from blocks.records import Document, Extraction, Page, Stage


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """A document and its pages; none if it could not be read."""

    document: Document
    pages: tuple[Page, ...]


@survives_outages
def load_shown(database: Database, document_id: str) -> ShownDocument:
    """The document with its current extraction. Raises KeyError for an unknown id."""
    with database.read() as connection:
        row = connection.execute(_DOCUMENT, {"id": document_id}).one_or_none()
        if row is None:
            raise KeyError(document_id)
        uris = uris_of(connection, [document_id])[document_id]
        payload = load_payloads(connection, Stage.EXTRACT, [document_id]).get(document_id)
    document = Document(row.document_id, uris[0], row.media_type, row.size_bytes, row.parent_id, row.part)
    pages = () if payload is None else Extraction.model_validate_json(payload).pages
    return ShownDocument(replace(document, other_uris=tuple(uris[1:])), pages)


_DOCUMENT = select(
    *(documents.c[name] for name in ("document_id", "media_type", "size_bytes", "parent_id", "part"))
).where(documents.c.document_id == bindparam("id"))
