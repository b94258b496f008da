"""Which database a process uses: decided here, for runs and commands alike."""

from functools import partial

from blocks.database.engine import Database, DatabaseMissing, default_url, open_database
from blocks.errors import DatabaseUnreachable
from blocks.secret_url import SecretUrl
from blocks.settings import Settings


def database_url(settings: Settings) -> SecretUrl:
    """The database's address: the environment or the command's option, else the Prefect block, else SQLite here.

    The block is read only where a Prefect API is configured. Raises `PrefectUnreachable`.
    """
    return settings.database_url or _url_of_block(settings) or SecretUrl(default_url())


def connect(settings: Settings, *, create: bool = True) -> Database:
    """The process's database, opened once. With `create` it is made, or brought to the newest revision.

    Raises `DatabaseUnreachable`, `DatabaseNewer` or `PrefectUnreachable`.
    """
    open_ = partial(
        open_database, create=create, outage_wait_s=settings.database_outage_wait_s, lease_s=settings.lease_s
    )
    if settings.database_url:
        return open_(settings.database_url)
    of_block = _url_of_block(settings)
    try:
        return open_(of_block or default_url())
    except DatabaseMissing:
        raise
    except DatabaseUnreachable as error:
        is_of_block = of_block is not None
        raise DatabaseUnreachable(error.url, error.cause, is_of_block=is_of_block, may_pass=error.may_pass) from error


def _url_of_block(settings: Settings) -> SecretUrl | None:
    if not settings.prefect_api_url:
        return None
    from blocks.database.block import url_of_block  # Prefect takes 2 s to import

    return url_of_block()
