"""How large the database is, by table, and compacting it."""

from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import func, select, text

from blocks.database.engine import Database
from blocks.database.metadata import metadata
from blocks.database.tables import documents


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its indexes: rows, and bytes on the disk."""

    table: str
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The tables, largest first, and the documents, erased ones included."""

    tables: tuple[TableSize, ...]
    documents: int

    @property
    def size_bytes(self) -> int:
        """All tables together."""
        return sum(table.size_bytes for table in self.tables)


def table_sizes(database: Database) -> Sizes:
    """Count the rows of each table and its bytes with its indexes. Takes seconds on a database of millions of rows."""
    with database.read() as connection:
        of_table = dict(connection.execute(_SQLITE_SIZES if database.is_sqlite else _POSTGRES_SIZES).tuples().all())
        found = [
            TableSize(
                table.name,
                connection.execute(select(func.count()).select_from(table)).scalar_one(),
                int(of_table.get(table.name, 0)),
            )
            for table in metadata.sorted_tables
        ]
        known = connection.execute(select(func.count()).select_from(documents)).scalar_one()
    return Sizes(tuple(sorted(found, key=lambda size: size.size_bytes, reverse=True)), known)


def vacuum(database: Database) -> None:
    """Give the room of deleted rows back to the disk, and leave nothing of them in the database's files.

    It locks the tables while it rewrites them, and needs room for a copy of the largest (on SQLite: of all).
    """
    if database.is_sqlite:
        with closing(database.engine.raw_connection()) as connection:  # outside of any transaction
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        for table in metadata.sorted_tables:
            session.exec_driver_sql(f"VACUUM (FULL) {table.name}")


_SQLITE_SIZES = text(
    "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name GROUP BY m.tbl_name"
)

_POSTGRES_SIZES = text(
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
)
