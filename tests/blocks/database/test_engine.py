import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, insert, make_url, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from blocks.database.engine import (
    SQLITE_CACHE_KIB,
    Database,
    _may_pass,
    close_database,
    database_id,
    default_url,
    now,
    open_database,
)
from blocks.database.errors import DatabaseNewer
from blocks.database.schema import MIGRATIONS_DIR, current_revision, head_revision
from blocks.database.tables import database_identity, documents
from blocks.errors import DatabaseUnreachable, DiskFull
from tests.doubles.crashing_postgres import CrashingPostgres


def test_a_new_database_is_made_at_the_newest_revision_and_keeps_its_id(empty_url: str) -> None:
    first = open_database(empty_url)
    known_as = database_id(first)
    assert current_revision(first) == head_revision()
    close_database(first)
    again = open_database(empty_url, create=False)
    assert database_id(again) == known_as
    close_database(again)


def test_a_process_opens_an_address_once(sqlite_database: Database) -> None:
    assert open_database(sqlite_database.url) is sqlite_database


def test_reading_commands_do_not_make_a_database(empty_url: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="winnow run"):
        open_database(empty_url, create=False)


def test_the_default_database_lies_in_the_working_folder(tmp_path: Path) -> None:
    assert default_url(tmp_path) == f"sqlite:///{tmp_path}/.winnow/winnow.db"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("postgresql+psycopg://ada:secret@127.0.0.1:9/winnow", "refused"),
        ("postgres://ada:secret@127.0.0.1:9/winnow", "refused"),
        ("mysql://ada:secret@127.0.0.1/winnow", "only sqlite"),
        ("ada:secret@nowhere", "not an SQLAlchemy address"),
        ("sqlite://", "in memory"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_clear_error_without_the_password(url: str, cause: str) -> None:
    with pytest.raises(DatabaseUnreachable, match=cause) as raised:
        open_database(url)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear Madam, " * 500)
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        open_database(f"sqlite:///{path}")
    assert path.read_text() == "Dear Madam, " * 500


def test_a_folder_that_is_made_is_its_owners(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'winnow.db'}"
    close_database(open_database(url))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnreachable, match="folder cannot be made"):
        open_database(f"sqlite:///{tmp_path / 'file' / 'winnow.db'}")


def test_a_read_only_folder(tmp_path: Path, sqlite_template: Path) -> None:
    """Root may write anywhere, so a child process asks as nobody."""
    folder = tmp_path / "readonly"
    folder.mkdir()
    (folder / "winnow.db").write_bytes(sqlite_template.read_bytes())
    (folder / "winnow.db").chmod(0o444)
    folder.chmod(0o555)
    for parent in folder.parents:
        if Path(tempfile.gettempdir()) in parent.parents:
            parent.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            for name in ("winnow.db", "new.db"):
                try:
                    open_database(f"sqlite:///{folder / name}")
                except DatabaseUnreachable:
                    continue
                os._exit(1)
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_database_of_a_newer_winnow_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    close_database(database)
    with pytest.raises(DatabaseNewer, match="9999"):
        open_database(database.url)


def test_a_process_checks_the_schema_once_by_one_query(database: Database) -> None:
    close_database(database)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    with database.engine.connect():  # what SQLAlchemy asks a server at the first connection is no check
        pass
    event.listen(Engine, "before_cursor_execute", note)
    try:
        opened = open_database(database.url)
        for create in (False, True):
            assert open_database(database.url, create=create) is opened
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    asked = [statement for statement in statements if "alembic_version" in statement]
    assert asked == ["SELECT version_num FROM alembic_version"]
    close_database(opened)


def test_a_database_at_the_newest_revision_is_opened_without_alembic(sqlite_database: Database) -> None:
    code = (
        "import sys; from blocks.database.engine import open_database; open_database(sys.argv[1]);"
        "sys.exit('alembic' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, sqlite_database.url.get_secret_value()], check=False).returncode
        == 0
    )


def test_a_reading_command_leaves_an_older_revision_and_a_run_upgrades_it(empty_url: str) -> None:
    if empty_url.startswith("sqlite"):
        Path(empty_url.removeprefix("sqlite:///")).parent.mkdir(parents=True)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR))
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
    engine.dispose()
    reading = open_database(empty_url, create=False)
    assert current_revision(reading) == "0006"
    assert open_database(empty_url) is reading
    assert current_revision(reading) == head_revision()
    close_database(reading)


def test_a_process_opens_an_address_anew_after_closing_it(sqlite_database: Database) -> None:
    close_database(sqlite_database)
    again = open_database(sqlite_database.url)
    assert again is not sqlite_database
    assert open_database(sqlite_database.url) is again
    close_database(again)


def test_a_database_that_goes_away_is_a_typed_error(postgres_database: Database) -> None:
    with pytest.raises(DatabaseUnreachable), postgres_database.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert database_id(postgres_database)  # and the pool recovers


_INCOMPRESSIBLE = "SELECT string_agg(md5(n::text), '') FROM generate_series(1, 400) AS n"


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TEMPORARY TABLE big (words text UNIQUE) ON COMMIT DROP; INSERT INTO big {_INCOMPRESSIBLE}",  # 54000
        "CREATE SEQUENCE unused; SELECT currval('unused')",  # 55000
    ],
)
def test_a_statement_that_fails_each_time_is_no_unreachable_database(
    postgres_database: Database, statement: str
) -> None:
    with pytest.raises(OperationalError), postgres_database.write() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("state", ["08006", "25P03", "40001", "40P01", "53300", "55P03", "57014", "57P03", "58030"])
def test_what_the_server_may_take_later_is_an_unreachable_database(postgres_database: Database, state: str) -> None:
    raised_by_server = f"DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DatabaseUnreachable, match="not now") as raised, postgres_database.write() as connection:
        connection.exec_driver_sql(raised_by_server)
    assert raised.value.may_pass


def test_a_full_disk_of_the_server_is_an_error_of_its_own(postgres_database: Database) -> None:
    raised_by_server = "DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"
    with pytest.raises(DiskFull, match="no space left"), postgres_database.write() as connection:
        connection.exec_driver_sql(raised_by_server)


def test_a_file_that_can_grow_no_more_is_a_full_disk_and_takes_rows_again_when_there_is_space(
    sqlite_database: Database,
) -> None:
    def fill() -> None:
        with sqlite_database.write() as connection:
            connection.execute(text("PRAGMA max_page_count = 1"))  # at least as many as there are
            connection.execute(insert(documents), [_document(f"{n:05}", now()) for n in range(5_000)])

    with pytest.raises(DiskFull, match="run again"):
        fill()
    with sqlite_database.write() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
        connection.execute(insert(documents), _document("a", now()))
    with sqlite_database.read() as connection:
        assert connection.execute(select(documents.c.document_id)).scalars().all() == ["a"]
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


def test_an_error_that_only_a_person_can_cure_does_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear Madam, " * 500)
    with pytest.raises(DatabaseUnreachable) as raised:
        open_database(f"sqlite:///{path}")
    assert not raised.value.may_pass


def test_a_server_that_refuses_connections_may_come_back() -> None:
    with pytest.raises(DatabaseUnreachable) as raised:
        open_database("postgresql+psycopg://ada@127.0.0.1:9/winnow")
    assert raised.value.may_pass


def test_a_server_that_refuses_an_address_for_good_does_not_pass() -> None:
    with CrashingPostgres() as server:
        address = make_url(server.new_database())
        server.ask_for_passwords("ada", "right")
        wrong = [
            address.set(database="none"),
            address.set(username="nobody"),
            address.set(username="ada", password="wrong"),
            address.set(username="ada"),
            address.set(username="eve"),
        ]
        for url in wrong:
            with pytest.raises(DatabaseUnreachable) as raised:
                open_database(url.render_as_string(hide_password=False))
            assert not raised.value.may_pass, raised.value.cause
        close_database(open_database(address.set(username="ada", password="right").render_as_string(False)))


@pytest.mark.parametrize(
    "message",
    [
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  the database system is in recovery mode",
        "FATAL:  sorry, too many clients already",
        "connection to server on socket failed: No such file or directory",
        "could not translate host name: Temporary failure in name resolution",
    ],
)
def test_a_server_that_restarts_may_come_back(message: str) -> None:
    assert _may_pass(OperationalError("", None, psycopg.OperationalError(f"connection failed: {message}")))


def test_a_pool_without_a_free_connection_may_pass(sqlite_database: Database) -> None:
    engine = create_engine(sqlite_database.engine.url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    full = replace(sqlite_database, engine=engine)
    with full.read(), pytest.raises(DatabaseUnreachable, match="limit of size 1") as raised, full.read():
        pass
    assert raised.value.may_pass
    engine.dispose()


def test_the_server_ends_a_session_that_a_stopped_process_leaves_within_a_transaction(
    postgres_database: Database,
) -> None:
    """It would keep its locks on documents for ever."""
    opened = open_database(postgres_database.url)
    with opened.read() as connection:
        timeout = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
    assert timeout == "1min", "as long as a lease"


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def write_and_raise() -> None:
        with database.write() as connection:
            connection.execute(update(database_identity).values(database_id="another"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_raise()
    assert database_id(database) != "another"


def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    at = now()
    with database.write() as connection:
        connection.execute(insert(documents), _document("a", at))
    with database.read() as connection:
        assert connection.execute(select(documents.c.first_seen_at)).scalar_one() == at


def _document(id_: str, at: object) -> dict[str, object]:
    return {"document_id": id_, "media_type": "text/plain", "size_bytes": 0, "first_seen_at": at}


def test_writers_of_a_process_keep_the_pages_that_they_need_in_one_connection(sqlite_database: Database) -> None:
    """With a connection each, SQLite would drop its pages whenever another one has written."""
    used: set[int] = set()

    def write(size_bytes: int) -> None:
        with sqlite_database.write() as connection:
            used.add(id(connection.connection.dbapi_connection))
            connection.execute(update(documents).values(size_bytes=size_bytes))
            cache = connection.execute(text("PRAGMA cache_size")).scalar_one()
            assert cache == -SQLITE_CACHE_KIB

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(used) == 1


def test_eight_writers_on_sqlite_never_find_it_locked(sqlite_database: Database) -> None:
    """Each reads, then writes what follows from it: what fails with deferred transactions."""
    with sqlite_database.write() as connection:
        connection.execute(insert(documents), _document("counter", now()))
    each, errors = 25, []

    def count_up() -> None:
        for _ in range(each):
            try:
                with sqlite_database.write() as connection:
                    count = connection.execute(select(documents.c.size_bytes)).scalar_one()
                    connection.execute(update(documents).values(size_bytes=count + 1))
            except DatabaseUnreachable as error:
                errors.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with sqlite_database.read() as connection:
        assert connection.execute(select(documents.c.size_bytes)).scalar_one() == 8 * each


_COUNT_UP = """
import sys
from sqlalchemy import select, update
from blocks.database.engine import open_database
from blocks.database.tables import documents
database = open_database(sys.argv[1])
for _ in range(200):
    with database.write() as connection:
        count = connection.execute(select(documents.c.size_bytes)).scalar_one()
        connection.execute(update(documents).values(size_bytes=count + 1))
"""


def test_writers_of_several_processes_wait_for_one_another(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        connection.execute(insert(documents), _document("counter", now()))
    children = [
        subprocess.Popen([sys.executable, "-c", _COUNT_UP, sqlite_database.url.get_secret_value()]) for _ in range(2)
    ]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    with sqlite_database.read() as connection:
        assert connection.execute(select(documents.c.size_bytes)).scalar_one() == 400


_OPEN = """
import sys
from blocks.database.engine import database_id, open_database
print(database_id(open_database(sys.argv[1])))
"""


def test_processes_that_start_together_make_one_database(empty_url: str) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", _OPEN, empty_url], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ids = {child.communicate(timeout=60)[0].strip() for child in children}
    assert [child.returncode for child in children] == [0, 0]
    assert len(ids) == 1


def test_sqlite_runs_in_wal_with_foreign_keys(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        pragmas = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        ]
    assert pragmas == ["wal", 1, 1, 60_000]
    assert sqlite3.sqlite_version_info >= (3, 35)  # the upserts and window functions that the queries use


def test_a_password_in_the_query_is_masked() -> None:
    with pytest.raises(DatabaseUnreachable) as raised:
        open_database("postgresql://127.0.0.1:9/winnow?user=ada&password=secret")
    assert "secret" not in str(raised.value)
    assert "password=***" in str(raised.value)


def test_an_error_does_not_tell_what_a_statement_was_given(database: Database) -> None:
    with pytest.raises(DBAPIError, match="no_such_table") as raised, database.write() as connection:
        connection.execute(text("INSERT INTO no_such_table VALUES (:name)"), {"name": "Ada Lovelace"})
    assert "Ada Lovelace" not in str(raised.value)


def test_a_database_that_another_process_keeps_locked_is_told_from_one_with_a_wrong_address() -> None:
    assert "another process holds it" in str(DatabaseUnreachable("sqlite:///x.db", "database is locked"))
    assert "check WINNOW_DATABASE_URL" in str(DatabaseUnreachable("sqlite:///x.db", "unable to open database file"))
