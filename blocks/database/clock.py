"""The database's clock, by which workers on several machines agree when something lapses."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Date, cast, func, select

from blocks.database.column_types import UtcDateTime
from blocks.database.engine import Database, now
from blocks.database.outages import survives_outages

_SERVER_START = select(func.pg_postmaster_start_time(type_=UtcDateTime()))
_SERVER_TIME = select(func.clock_timestamp(type_=UtcDateTime()))


@survives_outages
def server_start(database: Database) -> datetime | None:
    """When the server was started; None for SQLite. It differs after a restart, and after a fail-over to another."""
    if database.is_sqlite:
        return None
    with database.read() as connection:
        return connection.execute(_SERVER_START).scalar_one()


def database_time(connection: Connection) -> datetime:
    """The server's time; this machine's for SQLite, whose users are all on it."""
    if connection.dialect.name == "sqlite":
        return now()
    time: datetime = connection.execute(_SERVER_TIME).scalar_one()
    return time


def utc_day(database: Database, column: ColumnElement[datetime]) -> ColumnElement[Any]:
    """The day of a time in UTC: a date, or a text like 2026-11-29 on SQLite."""
    return func.date(column) if database.is_sqlite else cast(func.timezone("UTC", column), Date)


def as_date(day: object) -> date:
    """What `utc_day` gave, as a date."""
    return date.fromisoformat(str(day))
