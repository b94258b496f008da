"""What users of a PostgreSQL database may do, tried by real users."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from blocks.database.engine import Database, close_database, open_database
from blocks.database.errors import GrantRefused, NoSqlRoles
from blocks.database.results.views import create_views
from blocks.database.review.decide import decide
from blocks.database.review.inbox import Answered, apply_decisions
from blocks.database.review.roles import SqlRole, create_roles, grant, revoke
from blocks.document_types.schema import DocumentField, FieldType
from blocks.review.records import Action, Decision, Door
from tests.database_fixtures import add_documents, database_at, on_server
from tests.doubles.scripted_stages import id_of
from tests.label_rows import add_label
from tests.review_items import SUE, TYPES, open_item

pytestmark = pytest.mark.postgres

INSERT = "INSERT INTO review_decisions (review_id, decision, decided_by) VALUES ({item}, 'accept', '{by}')"


@contextmanager
def sql_user(url: str, rights: str = "") -> Iterator[tuple[str, str]]:
    """A user of the server, dropped at the end; yields the name and the address of the database for this user."""
    name = f"winnow_test_{uuid.uuid4().hex[:12]}"
    on_server(url, f"CREATE ROLE {name} LOGIN PASSWORD 'x' {rights}")
    try:
        yield name, make_url(url).set(username=name, password="x").render_as_string(hide_password=False)
    finally:
        on_server(url, f"DROP OWNED BY {name}")
        on_server(url, f"DROP ROLE {name}")


@contextmanager
def connected(database: Database, role: SqlRole | None) -> Iterator[tuple[str, Engine]]:
    """A user with a role, and an engine of theirs."""
    with sql_user(database.url.get_secret_value()) as (name, url):
        if role is not None:
            grant(database, role, name)
        engine = create_engine(url)
        try:
            yield name, engine
        finally:
            engine.dispose()


def tried(engine: Engine, statement: str) -> list[tuple[Any, ...]] | str:
    """The rows of a statement, or its error's SQLSTATE."""
    with engine.connect() as connection:
        try:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
            connection.commit()
        except ProgrammingError as error:
            return str(getattr(error.orig, "sqlstate", error))
        return rows


REFUSED = "42501"  # insufficient_privilege


@pytest.fixture
def items(postgres_database: Database) -> list[int]:
    create_views(postgres_database, TYPES)
    add_documents(postgres_database, "a", "b")
    return [open_item(postgres_database, "a"), open_item(postgres_database, "b")]


def test_a_reviewer_decides_in_their_own_name_and_writes_nothing_else(
    postgres_database: Database, items: list[int]
) -> None:
    with connected(postgres_database, SqlRole.REVIEWER) as (name, engine):
        assert tried(engine, "SELECT review_id FROM review_queue ORDER BY review_id") == [(id_,) for id_ in items]
        assert len(tried(engine, "SELECT * FROM review_items")) == 4
        assert len(tried(engine, "SELECT * FROM results_receipt")) == 2
        unnamed = f"INSERT INTO review_decisions (review_id, decision) VALUES ({items[0]}, 'accept')"
        assert tried(engine, f"{unnamed} RETURNING decided_by") == [(name,)]
        assert tried(engine, INSERT.format(item=items[1], by="ann")) == REFUSED
        for statement in (
            "SELECT * FROM review",
            "SELECT * FROM results",
            "SELECT * FROM review_events",
            "SELECT * FROM review_answers",
            "SELECT * FROM review_judgements",
            "SELECT password_hash FROM review_users",
            "SELECT * FROM review_sessions",
            "UPDATE review SET status = 'decided'",
            "UPDATE review_decisions SET status = 'applied'",
            "DELETE FROM review_decisions",
            "INSERT INTO review_decisions (review_id, decision, decided_by, status) VALUES (1, 'accept', 'x', 'new')",
            "INSERT INTO review_users (name, role, created_at) VALUES ('eve', 'admin', now())",
            "UPDATE review_events SET actor = 'eve'",
            "TRUNCATE review_decisions",
            "UPDATE results_receipt SET status = 'accepted'",
        ):
            assert tried(engine, statement) == REFUSED, statement
        assert apply_decisions(postgres_database, TYPES) == Answered(applied=1)
        with postgres_database.write() as connection:
            connection.execute(text(INSERT.format(item=items[1], by="somebody else")))
        assert tried(engine, "SELECT decided_by, version, status, message FROM review_decisions") == [
            (name, 1, "applied", "decided")
        ]


def test_a_reviewer_by_sql_is_a_reviewer_also_while_there_are_no_users(
    postgres_database: Database, items: list[int]
) -> None:
    escalation = Decision(review_id=items[0], version=1, action=Action.ESCALATE, by=SUE.name, door=Door.COMMAND)
    decide(postgres_database, escalation, SUE, TYPES)
    with connected(postgres_database, SqlRole.REVIEWER) as (name, engine):
        assert tried(engine, INSERT.format(item=items[0], by=name)) == []
        assert apply_decisions(postgres_database, TYPES) == Answered(refused=1)
        assert f"{name} has the role reviewer" in str(tried(engine, "SELECT message FROM review_decisions"))


def test_a_reviewer_who_takes_on_another_role_is_no_second_person(
    postgres_database: Database, items: list[int]
) -> None:
    with connected(postgres_database, SqlRole.REVIEWER) as (name, engine):
        for role in ("winnow_reviewer", "winnow_reader"):
            as_role = f"SET LOCAL ROLE {role}; {INSERT.format(item=items[0], by=role)}"
            assert tried(engine, as_role) == REFUSED, role
        assert tried(engine, f"SET LOCAL ROLE winnow_reviewer; {INSERT.format(item=items[0], by=name)}") == []


def test_a_role_that_is_taken_back_gives_no_rights(postgres_database: Database, items: list[int]) -> None:
    with connected(postgres_database, SqlRole.REVIEWER) as (name, engine):
        assert not revoke(postgres_database, SqlRole.ADMIN, name)
        assert revoke(postgres_database, SqlRole.REVIEWER, name)
        assert tried(engine, "SELECT * FROM review_queue") == REFUSED
        assert tried(engine, INSERT.format(item=items[0], by=name)) == REFUSED
        assert not revoke(postgres_database, SqlRole.REVIEWER, name)


def test_a_reader_reads_views_only(postgres_database: Database, items: list[int]) -> None:
    with connected(postgres_database, SqlRole.READER) as (name, engine):
        assert len(tried(engine, "SELECT * FROM review_queue")) == len(items)
        assert tried(engine, INSERT.format(item=items[0], by=name)) == REFUSED
        assert tried(engine, "SELECT * FROM review_decisions") == REFUSED
    with connected(postgres_database, None) as (_, engine):
        assert tried(engine, "SELECT * FROM review_queue") == REFUSED


def test_an_admin_reads_all_of_review_and_decides_in_any_name(postgres_database: Database, items: list[int]) -> None:
    with connected(postgres_database, SqlRole.ADMIN) as (_, engine):
        assert tried(engine, INSERT.format(item=items[0], by="ann")) == []
        assert len(tried(engine, "SELECT * FROM review_decisions")) == 1
        assert len(tried(engine, "SELECT * FROM review_events")) == len(items)
        assert tried(engine, "SELECT * FROM review_judgements") == []
        assert tried(engine, "UPDATE review_judgements SET judgement = 'right'") == REFUSED
        assert tried(engine, "UPDATE review_users SET role = 'senior'") == []
        assert tried(engine, "SELECT password_hash FROM review_users") == REFUSED
        assert tried(engine, "UPDATE review_events SET actor = 'eve'") == REFUSED
        assert tried(engine, "UPDATE review SET status = 'decided'") == REFUSED


def test_an_admin_reads_labels_and_what_was_learnt_and_changes_none(
    postgres_database: Database, items: list[int]
) -> None:
    add_label(postgres_database, id_of("a"), TYPES["receipt"], "company", "Baker")
    with connected(postgres_database, SqlRole.ADMIN) as (_, engine):
        assert tried(engine, "SELECT field, value FROM labels") == [("company", "Baker")]
        for table in ("label_events", "forgotten_answers", "splits", "learned", "memories"):
            assert tried(engine, f"SELECT * FROM {table}") != REFUSED, table
        assert tried(engine, "UPDATE labels SET field = 'total'") == REFUSED
        assert tried(engine, "DELETE FROM label_events") == REFUSED
    with connected(postgres_database, SqlRole.REVIEWER) as (_, engine):
        assert tried(engine, "SELECT * FROM labels") == REFUSED


def test_rights_survive_views_that_are_made_anew(postgres_database: Database, items: list[int]) -> None:
    with connected(postgres_database, SqlRole.READER) as (_, engine):
        fields = TYPES["receipt"].fields | {"date": DocumentField(type=FieldType.DATE)}
        create_views(postgres_database, {"receipt": TYPES["receipt"].model_copy(update={"fields": fields})})
        assert tried(engine, "SELECT count(date) FROM results_receipt") == [(0,)]


def test_a_database_user_who_may_not_create_roles_migrates_all_the_same(postgres_url: str) -> None:
    with sql_user(postgres_url, "CREATEDB") as (name, url):
        database_name = f"{name}_db"
        on_server(url, f"CREATE DATABASE {database_name}")
        try:
            database = open_database(database_at(url, database_name))
            missing = (f"CREATE ROLE {name}_absent NOLOGIN",)
            with database.write() as connection:
                assert not create_roles(connection, missing)
                assert is_usable(connection)
            with pytest.raises(GrantRefused, match=r"may not (create|grant)"):
                grant(database, SqlRole.READER, name)
            close_database(database)
        finally:
            on_server(postgres_url, f"DROP DATABASE {database_name} WITH (FORCE)")


def is_usable(connection: Connection) -> bool:
    return bool(connection.execute(text("SELECT 1")).scalar_one())


def test_grants_that_cannot_be_say_why(postgres_database: Database, sqlite_database: Database) -> None:
    with pytest.raises(GrantRefused, match='CREATE ROLE "no-body" LOGIN'):
        grant(postgres_database, SqlRole.READER, "no-body")
    for change in (grant, revoke):
        with pytest.raises(NoSqlRoles):
            change(sqlite_database, SqlRole.READER, "ann")


def test_a_persons_function_sees_no_row_that_a_view_leaves_out(postgres_database: Database, items: list[int]) -> None:
    with postgres_database.write() as connection:
        connection.execute(text("UPDATE review SET is_blind = true WHERE review_id = :id"), {"id": items[0]})
    with connected(postgres_database, SqlRole.REVIEWER) as (_, engine), engine.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE seen (review_id bigint)"))
        connection.execute(
            text(
                "CREATE FUNCTION pg_temp.peek(bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 "
                "AS 'BEGIN INSERT INTO seen VALUES ($1); RETURN true; END'"
            )
        )
        connection.execute(text("SELECT * FROM review_items WHERE pg_temp.peek(review_id)")).all()
        assert set(connection.execute(text("SELECT review_id FROM seen")).scalars()) == {items[1]}
