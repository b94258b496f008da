"""A backup of an SQLite database while runs write. PostgreSQL has `pg_dump` for that.

A copy of the file alone would be wrong: the newest transactions are in the write-ahead log beside it.
"""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from blocks.database.engine import Database
from blocks.database.keeping.errors import BackupByPostgres, BackupExists, BackupFailed


def back_up(database: Database, target: Path) -> int:
    """Write the database, as it is at this moment, to a new file that only its owner may read. Gives its bytes.

    Folders above it are made. Writers go on meanwhile. Nothing of deleted rows is in the file. It is checked before it
    gets its name. Raises `BackupByPostgres`, `BackupExists` or `BackupFailed`.
    """
    if not database.is_sqlite:
        raise BackupByPostgres
    if target.exists():
        raise BackupExists(target)
    try:
        if not target.parent.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.absolute().parent)
    except OSError as error:
        raise BackupFailed(target, error.strerror or str(error)) from error
    partial = Path(name)
    try:
        with closing(database.engine.raw_connection()) as connection:  # VACUUM works outside of transactions only
            connection.cursor().execute("VACUUM INTO ?", (name,))
        _check(partial, target)
        os.fsync(handle)
        partial.rename(target)
    except (sqlite3.Error, OSError) as error:
        raise BackupFailed(target, str(error)) from error
    finally:
        os.close(handle)
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def _check(partial: Path, target: Path) -> None:
    with closing(sqlite3.connect(f"{partial.as_uri()}?mode=ro", uri=True)) as connection:
        [(found,)] = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        raise BackupFailed(target, found)
