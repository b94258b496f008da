"""Sessions of a Prefect server on PostgreSQL."""

import subprocess
import sys

import pytest
from sqlalchemy import make_url

COMPILED = """
import asyncio, sys
from blocks.database.prefects import compile_no_queries
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

async def jit():
    engine = create_async_engine(sys.argv[1])
    found = []
    for _ in range(2):  # what is rolled back when a session returns to the pool is not set in the next transaction
        async with engine.connect() as connection:
            found.append((await connection.execute(text("SHOW jit"))).scalar_one())
    await engine.dispose()
    return found

compile_no_queries()
print(*asyncio.run(jit()))
"""


@pytest.mark.postgres
def test_postgresql_compiles_no_query_of_the_prefect_server(postgres_url: str) -> None:
    address = make_url(postgres_url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    command = [sys.executable, "-c", COMPILED, address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("off off\n", "")
