"""Prefect's own sessions on PostgreSQL, in the process of a Prefect server: its just-in-time compiler is off.

The query for the graph of a run expects millions of rows where there are eight: PostgreSQL takes each JSON value for a
hundred rows. It was compiled for 5.2 s, then ran for less than 1 ms. A busy server reached Prefect's time limit of
10 s, and the page showed no graph. Prefect has no setting for it.
"""

from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.engine.interfaces import DBAPIConnection


def compile_no_queries() -> None:
    """Switch the compiler off in every session that this process opens from now on by asyncpg, as Prefect does."""
    event.listen(Engine, "connect", _switch_off)


def _switch_off(connection: DBAPIConnection, _: object) -> None:
    is_prefects = isinstance(connection, AsyncAdapt_asyncpg_connection)
    if is_prefects:
        cursor = connection.cursor()
        cursor.execute("SET jit = off")
        cursor.close()
        connection.commit()  # what is rolled back is not set
