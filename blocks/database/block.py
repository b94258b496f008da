"""The Prefect block `winnow-database`, which holds a database's address."""

from typing import ClassVar, cast

import httpx
from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from pydantic import Field, SecretStr

from blocks.errors import PrefectUnreachable
from blocks.secret_url import SecretUrl

BLOCK_NAME = "winnow-database"


class WinnowDatabase(Block):
    """Where Winnow keeps documents, results and reviews.

    A deployment's process takes its address from WINNOW_DATABASE_URL, else from the block called `winnow-database`.
    """

    _block_type_name: ClassVar[str | None] = "Winnow database"
    _block_type_slug: ClassVar[str | None] = BLOCK_NAME
    _description: ClassVar[str | None] = "Where Winnow keeps documents, results and reviews."

    url: SecretStr = Field(description="SQLAlchemy address, such as postgresql+psycopg://user:password@host/winnow")


def url_of_block() -> SecretUrl | None:
    """The address in the block `winnow-database`; None where there is no such block. Raises `PrefectUnreachable`."""
    try:
        block = cast(WinnowDatabase, WinnowDatabase.load(BLOCK_NAME))
    except (ObjectNotFound, ValueError):  # Block.load turns "not found" into a ValueError
        return None
    except httpx.TransportError as error:
        raise PrefectUnreachable(str(PREFECT_API_URL.value()), type(error).__name__) from None
    return SecretUrl(block.url.get_secret_value())
