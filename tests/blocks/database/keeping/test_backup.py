"""A backup is the database at one moment, whoever writes meanwhile."""

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from blocks.database.engine import Database, close_database, open_database
from blocks.database.keeping.backup import back_up
from blocks.database.keeping.erasure import erase
from blocks.database.keeping.errors import BackupByPostgres, BackupExists, BackupFailed
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import open_item


def count(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute(f"select count(*) from {table}").fetchone()[0])


def test_a_backup_holds_whole_transactions_while_another_thread_writes(
    sqlite_database: Database, tmp_path: Path
) -> None:
    enough = threading.Event()
    numbers = iter(range(1_000_000))

    def write() -> None:
        while not enough.is_set():  # a transaction each: three documents, and as many members of the run
            add_documents(sqlite_database, *(f"document {next(numbers)}" for _ in range(3)))

    add_documents(sqlite_database, "first", "second", "third")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        taken = [tmp_path / f"{at}.db" for at in range(5)]
        for file in taken:
            back_up(sqlite_database, file)
    finally:
        enough.set()
        writer.join()
    counts = [count(file, "documents") for file in taken]
    assert counts == sorted(counts)
    for file in taken:
        assert count(file, "run_documents") == count(file, "documents") >= 3
        assert count(file, "documents") % 3 == 0


def test_the_backup_opens_is_its_owner_s_alone_and_has_nothing_of_erased_documents(
    sqlite_database: Database, tmp_path: Path
) -> None:
    add_documents(sqlite_database, "a")
    open_item(sqlite_database, "a")
    assert b"Caf\xc3\xa9" in bytes_of(tmp_path / "before.db", sqlite_database)
    erase(sqlite_database, frozenset([id_of("a")]), "ann", lambda done: None)
    file = tmp_path / "after.db"
    assert b"Caf\xc3\xa9" not in bytes_of(file, sqlite_database)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    close_database(open_database(f"sqlite:///{file}", create=False))


def bytes_of(file: Path, database: Database) -> bytes:
    assert back_up(database, file) == file.stat().st_size
    return file.read_bytes()


def test_the_folders_above_a_backup_are_made(sqlite_database: Database, tmp_path: Path) -> None:
    file = tmp_path / "backups" / "today" / "winnow.db"
    assert back_up(sqlite_database, file) == file.stat().st_size


def test_what_cannot_be_backed_up_leaves_no_file(sqlite_database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    there = folder / "there.db"
    there.write_text("mine")
    with pytest.raises(BackupExists, match=r"there\.db is there already"):
        back_up(sqlite_database, there)
    assert there.read_text() == "mine"
    with pytest.raises(BackupFailed, match="Not a directory"):
        back_up(sqlite_database, there / "new.db")
    with sqlite_database.engine.connect() as connection:  # damage
        connection.exec_driver_sql("PRAGMA writable_schema=ON")
        connection.exec_driver_sql("UPDATE sqlite_schema SET sql = replace(sql, 'uri', 'urx') WHERE name = 'sources'")
        connection.exec_driver_sql("PRAGMA writable_schema=RESET")
        connection.commit()
    with pytest.raises(BackupFailed, match="the database is as it was"):
        back_up(sqlite_database, folder / "damaged.db")
    assert list(folder.iterdir()) == [there]


@pytest.mark.postgres
def test_postgresql_has_its_own_tool(postgres_database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupByPostgres, match="pg_dump --format=custom"):
        back_up(postgres_database, tmp_path / "new.db")
