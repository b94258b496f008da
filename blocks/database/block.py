"""The Prefect block `winnow-database`, and how a process finds its database."""

from functools import cache
from typing import ClassVar, cast

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from pydantic import Field, SecretStr

from blocks.database.engine import Database, default_url, open_database, upgrade
from blocks.settings import Settings

BLOCK_NAME = "winnow-database"


class WinnowDatabase(Block):
    """Where Winnow keeps documents, results and reviews.

    A deployment's process takes its address from WINNOW_DATABASE_URL, else from the block called `winnow-database`.
    """

    _block_type_name: ClassVar[str | None] = "Winnow database"
    _block_type_slug: ClassVar[str | None] = BLOCK_NAME
    _description: ClassVar[str | None] = "Where Winnow keeps documents, results and reviews."

    url: SecretStr = Field(description="SQLAlchemy address, such as postgresql+psycopg://user:password@host/winnow")


def database_url(settings: Settings) -> str:
    """The database's address: the environment or the command's option, else the Prefect block, else SQLite here.

    The block is asked for only where a Prefect API is configured.
    """
    if settings.database_url:
        return settings.database_url
    if settings.prefect_api_url and (url := _url_of_block()):
        return url
    return default_url()


@cache
def connect(settings: Settings) -> Database:
    """This process's database, opened once, at the newest revision.

    Raises `DatabaseUnreachable` or `DatabaseNewer`.
    """
    database = open_database(database_url(settings))
    upgrade(database)
    return database


def _url_of_block() -> str | None:
    try:
        block = cast(WinnowDatabase, WinnowDatabase.load(BLOCK_NAME))
    except (ObjectNotFound, ValueError):  # Block.load turns "not found" into a ValueError
        return None
    return block.url.get_secret_value()
