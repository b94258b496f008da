"""The places of documents: every one is kept, the latest comes first."""

import dataclasses
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from blocks.database import tables
from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.database.pipeline.sources import duplicate_files, latest_uri, record_sources, uris_of
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import found, id_of

AT = datetime(2036, 11, 1, 12, tzinfo=UTC)


def see(database: Database, name: str, *uris: str, at: datetime = AT) -> None:
    with database.write() as connection:
        batch = [dataclasses.replace(found(name), uri=uri) for uri in uris]
        record_sources(database, connection, batch, at)


def places(database: Database, *names: str) -> dict[str, list[str]]:
    with database.read() as connection:
        return uris_of(connection, [id_of(name) for name in names])


def latest(database: Database, name: str) -> str | None:
    with database.read() as connection:
        query = select(latest_uri).select_from(tables.documents).where(tables.documents.c.document_id == id_of(name))
        uri: str | None = connection.execute(query).scalar_one()
    return uri


def test_the_latest_place_comes_first_and_those_of_one_moment_in_order(database: Database) -> None:
    add_documents(database, "a")
    see(database, "a", "/z", "/y", at=AT + timedelta(seconds=1))
    see(database, "a", "/b")
    assert places(database, "a") == {id_of("a"): ["/y", "/z", "/b", "/in/a"]}
    assert latest(database, "a") == "/y"


def test_a_place_that_is_seen_again_comes_first_again(database: Database) -> None:
    add_documents(database, "a")
    see(database, "a", "/moved")
    see(database, "a", "/in/a", at=AT + timedelta(seconds=1))
    assert places(database, "a") == {id_of("a"): ["/in/a", "/moved"]}
    assert latest(database, "a") == "/in/a"
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.sources)).scalar_one() == 2


def test_each_document_has_its_own_places(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    see(database, "a", "/shared")
    see(database, "b", "/shared", at=AT + timedelta(seconds=1))
    assert places(database, "b", "a") == {id_of("b"): ["/shared", "/in/b"], id_of("a"): ["/shared", "/in/a"]}
    assert latest(database, "c") == "/in/c"


def test_a_document_that_was_never_seen_has_an_empty_place(database: Database) -> None:
    add_documents(database, "a")
    assert places(database, "a", "nowhere") == {id_of("a"): ["/in/a"], id_of("nowhere"): [""]}
    assert places(database) == {}
    with database.write() as connection:
        connection.execute(tables.sources.delete())
    assert latest(database, "a") is None


def test_the_same_place_twice_in_a_batch_is_one_place(database: Database) -> None:
    add_documents(database, "a")
    see(database, "a", "/twice", "/twice")
    see(database, "a")
    assert places(database, "a") == {id_of("a"): ["/twice", "/in/a"]}


def test_files_with_the_bytes_of_another_file_of_the_run_are_counted(database: Database) -> None:
    see_before = AT - timedelta(days=20_000)
    add_documents(database, "a", "b", run_id="r")
    see(database, "a", "/in/last_year", at=see_before)  # known from an earlier run, and not among this run's files
    runs.start_run(database, "r", "r", settings={}, types={}, source="/in")
    assert duplicate_files(database, "r") == 0, "nothing was seen since the run began"
    see(database, "a", "/in/a", "/in/copy", "/in/other copy")
    see(database, "b", "/in/b")
    assert duplicate_files(database, "r") == 2
    assert duplicate_files(database, "none") == 0


def test_parts_of_copies_are_no_files(database: Database) -> None:
    add_documents(database, "mail", "part", run_id="r")
    part = tables.documents.update().where(tables.documents.c.document_id == id_of("part"))
    with database.write() as connection:
        connection.execute(part.values(parent_id=id_of("mail")))
    runs.start_run(database, "r", "r", settings={}, types={}, source="/in")
    see(database, "mail", "/in/mail")
    see(database, "part", "/in/mail#1", "/in/copy#1")
    assert duplicate_files(database, "r") == 0
