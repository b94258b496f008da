"""What the tables share: their metadata with its naming convention, and kinds of columns."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

RowId = BigInteger().with_variant(Integer(), "sqlite")


def document_id_column(*, primary_key: bool = False) -> Column[str]:
    """A column that refers to a document."""
    return Column("document_id", Text, ForeignKey("documents.document_id"), primary_key=primary_key, nullable=False)
