"""Options that several commands share, and the database they open with them."""

from typing import TYPE_CHECKING, Annotated

import typer

from blocks.secret_url import SecretUrl
from deployments.cli.output import OutputFormat

if TYPE_CHECKING:
    from decimal import Decimal

    from blocks.database.engine import Database

DatabaseOption = Annotated[
    SecretUrl | None,
    typer.Option(
        "--database",
        parser=SecretUrl,
        metavar="URL",
        help="SQLAlchemy address; by default WINNOW_DATABASE_URL, then the Prefect block winnow-database, then SQLite "
        "under .winnow/",
    ),
]
FormatOption = Annotated[OutputFormat, typer.Option("--format", help="how rows are printed")]
TypeOption = Annotated[str | None, typer.Option("--type", metavar="NAME", help="only documents of this type")]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="ID", help="only this run; the first letters of its id are enough")
]
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
"""Hosts that only this machine reaches."""

MOST = 1_000_000_000
"""No number of rows, documents or calls that is asked for is larger: databases have no room for any number."""
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, max=MOST, metavar="N", help="at most so many rows")]
AfterOption = Annotated[
    str | None,
    typer.Option(
        "--after", metavar="ID", help="only rows behind the document of this id, the last one of an earlier list"
    ),
]


def share_of(option: str, text: str) -> "Decimal":
    """A share between 0 and 1, as `2%` or `0.02`. Raises `UsageError`."""
    from decimal import Decimal, InvalidOperation

    from blocks.errors import UsageError

    try:
        value = Decimal(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except InvalidOperation as error:
        raise UsageError(f"{option} {text} is no share; write 2% or 0.02") from error
    if not value.is_finite() or not 0 < value < 1:
        raise UsageError(f"{option} {text} must be above 0 and below 1; write 2% or 0.02")
    return value


def chosen_run(database: "Database", run: str | None) -> str | None:
    """The id of the run that --run names; None where it names none. Raises `RunUnknown`."""
    from blocks.database.pipeline.known_ids import find_run

    return None if run is None else find_run(database, run)


def open_existing(url: SecretUrl | None) -> "Database":
    """The database that a reading command queries; nothing in it is changed.

    Raises `DatabaseUnreachable` where there is none yet, and `DatabaseNewer`.
    """
    from blocks.database.address import connect
    from blocks.settings import configure

    return connect(configure(database_url=url), create=False)


def open_to_change(url: SecretUrl | None) -> "Database":
    """The database of a command that changes what is there already. Raises as `open_existing`."""
    open_existing(url)
    return open_or_create(url)


def open_or_create(url: SecretUrl | None) -> "Database":
    """The database of a command that may write, created where there is none. Raises as `open_existing`."""
    from blocks.database.address import connect
    from blocks.settings import configure

    return connect(configure(database_url=url))
