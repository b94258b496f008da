"""The database's clock, by which workers on several machines agree when something lapses."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from blocks.database.column_types import UtcDateTime
from blocks.database.engine import now

_SERVER_TIME = select(func.clock_timestamp(type_=UtcDateTime()))


def database_time(connection: Connection) -> datetime:
    """The server's time; this machine's for SQLite, whose users are all on it."""
    if connection.dialect.name == "sqlite":
        return now()
    time: datetime = connection.execute(_SERVER_TIME).scalar_one()
    return time
