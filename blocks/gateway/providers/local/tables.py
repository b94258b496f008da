"""Table fields: rows under a header whose columns are known by their aliases."""

from blocks.document_types import DocumentField
from blocks.gateway.providers.local.lines import Row
from blocks.records import FieldReading, Page


def read_table(field: DocumentField, rows: tuple[Row, ...], pages: tuple[Page, ...], languages: tuple[str, ...]) -> FieldReading | None:
    """The rows of a table field, or None."""
    return None
