"""The revision of a database, and its upgrade. Alembic takes long to import, so only an upgrade imports it."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from blocks.database.errors import DatabaseNewer

if TYPE_CHECKING:
    from blocks.database.engine import Database

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 8_221_974  # any number: PostgreSQL's advisory locks are named by numbers


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision, oldest first: the numbers that the files in migrations/versions begin with."""
    return tuple(sorted(path.name.split("_")[0] for path in (MIGRATIONS_DIR / "versions").glob("[0-9]*_*.py")))


def head_revision() -> str:
    """The newest revision."""
    return known_revisions()[-1]


def current_revision(database: "Database") -> str | None:
    """The revision of the database, by one query; None where it has no tables. Raises `DatabaseNewer`."""
    try:
        with database.read() as connection:
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except DBAPIError as error:
        if not _is_missing_table(error):
            raise
        return None
    if revision is not None and revision not in known_revisions():
        raise DatabaseNewer(str(database.url), revision)
    return revision


def upgrade(database: "Database") -> str:
    """Bring the database to the newest revision, all or nothing; one process at a time. Returns the revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR).replace("%", "%%"))
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return head_revision()


def _is_missing_table(error: DBAPIError) -> bool:
    """PostgreSQL has a code for it (42P01, undefined_table), SQLite a sentence."""
    return getattr(error.orig, "sqlstate", None) == "42P01" or str(error.orig).startswith("no such table")
