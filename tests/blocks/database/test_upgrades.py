"""Filled databases of every earlier revision: upgraded, they hold what they held, and work."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from blocks.database.engine import Database, close_database, open_database
from blocks.database.metadata import metadata
from blocks.database.results.views import create_views
from blocks.database.review.decide import decide
from blocks.database.review.verify import verify_trail
from blocks.database.schema import known_revisions
from blocks.review.chain import Head
from blocks.review.records import Action, Correction, Decision, Door
from tasks.runs.pipeline import process_chunks
from tests.database_fixtures import database_at, on_server
from tests.old_databases import DECISIONS_SINCE, DIGESTS_SINCE, JUDGEMENTS_SINCE, Rows, build, fill, unused
from tests.review_items import ANN, TYPES
from tests.tasks.runs.test_pipeline import NAMES, opened, scripted
from tests.winnow_command import winnow

EARLIER = known_revisions()[:-1]
TURNS = ("0001", DECISIONS_SINCE, JUDGEMENTS_SINCE, DIGESTS_SINCE, EARLIER[-1])
"""Where what the code writes changed. These are upgraded each time, and all of them in the long tests."""


def process(database: Database, scored: list[str] | None = None) -> None:
    with opened(database, scripted((scored if scored is not None else []).append)) as run:
        process_chunks(run)


@pytest.fixture(scope="module")
def rows_for(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Rows]:
    """The rows for a database of a revision."""
    kept: dict[str, Rows] = {}

    def made(revision: str) -> Rows:
        kind = max(turn for turn in TURNS[:-2] if turn <= revision)
        if kind not in kept:
            path = tmp_path_factory.mktemp("filled") / "winnow.db"
            shutil.copy(sqlite_template, path)
            database = open_database(f"sqlite:///{path}")
            kept[kind] = fill(database, kind, process)
            close_database(database)
        return kept[kind]

    return made


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database of the kind that the parameter names."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'winnow.db'}"
        return
    server, name = request.getfixturevalue("postgres_url"), f"winnow_test_{uuid.uuid4().hex}"
    on_server(server, f"CREATE DATABASE {name}")
    yield database_at(server, name)
    on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def cases() -> Iterator[object]:
    for revision in EARLIER:
        long = [] if revision in TURNS else [pytest.mark.long]
        yield pytest.param("sqlite", revision, id=f"sqlite-{revision}", marks=long)
        yield pytest.param("postgresql", revision, id=f"postgresql-{revision}", marks=[pytest.mark.postgres, *long])


@pytest.mark.parametrize(("new_url", "revision"), cases(), indirect=["new_url"])
def test_a_filled_database_of_an_earlier_revision_keeps_its_rows_and_works(
    new_url: str, revision: str, rows_for: Callable[[str], Rows]
) -> None:
    rows = rows_for(revision)
    assert {name for name, found in rows.items() if not found} == unused(revision), "every table has rows"
    held = build(new_url, revision, rows)
    assert len(held) >= 14
    database = open_database(new_url)
    try:
        with database.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
        check_kept(database, revision, rows, held)
        check_works(database)
    finally:
        close_database(database)


@pytest.mark.parametrize(
    "arguments",
    ["results", "review list", "review accept 1 --by ann", "db upgrade", "db backup b.db", "doctor", "runs"],
)
def test_an_older_program_says_in_a_line_that_the_database_is_newer(
    arguments: str, sqlite_database: Database, tmp_path: Path
) -> None:
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    url = sqlite_database.url.get_secret_value()
    close_database(sqlite_database)
    done = winnow(*arguments.split(), cwd=tmp_path, WINNOW_DATABASE_URL=url)
    assert done.returncode == 1
    said = f"the database {url} is at revision 9999, which this Winnow does not know; update Winnow"
    if arguments == "doctor":  # one of its findings
        assert " ".join(done.stdout.split()).count(said) == 1
    else:
        assert (done.stdout, done.stderr) == ("", f"error: {said}\n")


def check_kept(database: Database, revision: str, rows: Rows, held: Rows) -> None:
    """Every value is as it was, and what the upgrade derived is as today's code writes it."""
    now = rows_of(database)
    for name, before in held.items():
        columns = before[0].keys() if before else ()
        shown = [{column: row[column] for column in columns} for row in now[name]]
        assert sorted(map(repr, shown)) == sorted(map(repr, before)), name
    assert sorted(map(repr, now["documents"])) == sorted(map(repr, rows["documents"]))
    if revision < DECISIONS_SINCE:
        assert [(row["version"], row["kind"], row["opinions"]) for row in now["review"]] == [(1, "verdict", [])] * 4
    spent = {(row["scope"], row["key"]): row["spent_usd"] for row in rows["budgets"]}
    assert spent.items() <= {(row["scope"], row["key"]): row["spent_usd"] for row in now["budgets"]}.items()
    assert isinstance(verify_trail(database), Head)


def check_works(database: Database) -> None:
    """A run computes nothing again, a person decides, and the trail holds."""
    before, scored = rows_of(database), list[str]()
    create_views(database, TYPES)
    process(database, scored)
    after = rows_of(database)
    assert scored == []
    assert {row["document_id"] for row in after["results"]} >= {row["document_id"] for row in before["results"]}
    for name in ("results", "stage_outputs", "failures", "review", "model_calls"):
        assert sorted(map(repr, after[name])) == sorted(map(repr, before[name])), name
    given = {"corrections": {"total": Correction(value="8.00")}, "by": ANN.name, "door": Door.PAGE}
    decide(database, Decision(review_id=1, version=1, action=Action.CORRECT, **given), ANN, TYPES)
    assert isinstance(verify_trail(database), Head)
    assert len(rows_of(database)["results"]) == len(before["results"]) + 1
    assert len(NAMES) < len(before["results"])


def rows_of(database: Database) -> Rows:
    with database.read() as connection:
        return {
            name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for name, table in metadata.tables.items()
        }
