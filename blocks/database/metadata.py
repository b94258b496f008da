"""What the tables share: their metadata with its naming convention, and kinds of columns."""

from sqlalchemy import BigInteger, Column, Dialect, ForeignKey, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MAX_ROW_ID = 2**63 - 1


class RowId(TypeDecorator[int]):
    """A row's number. What has more than 64 bits, such as a number from an address, is no row's."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """The type of the column."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """As the driver gets it: SQLite's refuses larger numbers."""
        return value if value is None else max(-MAX_ROW_ID, min(value, MAX_ROW_ID))


def document_id_column(*, primary_key: bool = False) -> Column[str]:
    """A column that refers to a document."""
    return Column("document_id", Text, ForeignKey("documents.document_id"), primary_key=primary_key, nullable=False)
