"""Labels as an import writes them."""

from pydantic import JsonValue
from sqlalchemy import insert

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.learning.tables import label_events, labels
from blocks.document_types.schema import DocumentType
from blocks.learning.labels import Origin


def add_label(
    database: Database,
    document_id: str,
    document_type: DocumentType,
    field: str,
    value: JsonValue,
    drawn_with: float | None = None,
) -> None:
    """Write a label of one field."""
    with database.write() as connection:
        at = database_time(connection)
        event = {"event": "imported", "content": {}, "actor": "ann", "happened_at": at}
        number = connection.execute(insert(label_events).returning(label_events.c.event_id), event).scalar_one()
        row = {
            "document_id": document_id,
            "document_type": document_type.name,
            "type_version": document_type.version,
            "field": field,
            "value": value,
            "labelled_by": "ann",
            "labelled_at": at,
            "origin": str(Origin.IMPORT),
            "drawn_with": drawn_with,
            "import_id": number,
        }
        connection.execute(insert(labels), row)
