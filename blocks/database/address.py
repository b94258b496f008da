"""Which database a process uses: decided here, for runs and commands alike."""

from blocks.database.engine import Database, default_url, open_database
from blocks.settings import Settings


def database_url(settings: Settings) -> str:
    """The database's address: the environment or the command's option, else the Prefect block, else SQLite here.

    The block is read only where a Prefect API is configured. Raises `PrefectUnreachable`.
    """
    if settings.database_url:
        return settings.database_url
    if settings.prefect_api_url:
        from blocks.database.block import url_of_block  # Prefect takes 2 s to import

        if url := url_of_block():
            return url
    return default_url()


def connect(settings: Settings, *, create: bool = True) -> Database:
    """The process's database, opened once. With `create` it is made, or brought to the newest revision.

    Raises `DatabaseUnreachable`, `DatabaseNewer` or `PrefectUnreachable`.
    """
    return open_database(database_url(settings), create)
