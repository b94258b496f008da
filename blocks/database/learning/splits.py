"""Which labelled documents only prove, and which only teach, in types with a strict split. Once written, it stays."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.learning.tables import splits


def known_sides(connection: Connection, document_type: str, document_ids: Collection[str]) -> dict[str, bool]:
    """By document whether its labels prove, of those for which it is written."""
    query = select(splits.c.document_id, splits.c.proves).where(
        splits.c.document_type == document_type, in_list(splits.c.document_id, "ids")
    )
    return dict(connection.execute(query, {"ids": document_ids}).tuples().all())


def keep_sides(database: Database, connection: Connection, document_type: str, sides: Mapping[str, bool]) -> None:
    """Write whether documents prove. What is written already stays."""
    rows = [
        {"document_id": document_id, "document_type": document_type, "proves": proves}
        for document_id, proves in sorted(sides.items())
    ]
    if rows:
        connection.execute(database.insert(splits).on_conflict_do_nothing(), rows)
