"""PostgreSQL's roles for people who look and decide by SQL, each with the least that it needs.

`winnow_reader` sees the views and nothing else. Views run with the rights of their owner: with `security_invoker` a
reader would need rights on the tables, and would see there what views hide, such as the decisions of others.
`winnow_reviewer` may also insert into `review_decisions`, in its own name, and sees only its own rows there: who
decides second must not see what the first one decided. `winnow_admin` reads the tables of review and of learning,
decides in any name, and changes the roles of users. Nobody but the owner of the tables changes a decision or an event.
"""

import logging
from enum import StrEnum

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import ProgrammingError

from blocks.database.engine import Database
from blocks.database.errors import GrantRefused, NoSqlRoles
from blocks.database.tables import views

log = logging.getLogger(__name__)


class SqlRole(StrEnum):
    """What a user of the database may do. Each may do what the ones before it may."""

    READER = "reader"
    REVIEWER = "reviewer"
    ADMIN = "admin"

    @property
    def in_postgresql(self) -> str:
        """The role's name in PostgreSQL."""
        return f"winnow_{self}"


CREATE_ROLES = (
    "CREATE ROLE winnow_reader NOLOGIN",
    "CREATE ROLE winnow_reviewer NOLOGIN IN ROLE winnow_reader",
    "CREATE ROLE winnow_admin NOLOGIN IN ROLE winnow_reviewer",
)
_READ_BY_ADMINS = (
    *("review", "review_events", "review_chain", "review_answers", "review_judgements"),
    *("review_decisions", "review_notices", "review_days"),
    *("results", "failures", "documents", "sources", "runs"),
    *("labels", "label_events", "forgotten_answers", "splits", "learned", "memories"),
)
_INSERTED = "review_id, decision, field, value, note, decided_by, version"
_OWN_ROWS = """
decided_by = session_user OR pg_has_role(session_user, 'winnow_admin', 'MEMBER')
OR NOT pg_has_role(session_user, 'winnow_reviewer', 'MEMBER')
"""
"""Not `current_user`: by SET ROLE a reviewer would be a second person. The last line leaves database users alone who
got their rights in another way, such as that of a worker."""


def create_roles(connection: Connection, statements: tuple[str, ...] = CREATE_ROLES) -> bool:
    """Create the roles that are missing; whether all of them are there then. PostgreSQL has them for all databases."""
    for statement in statements:
        name = statement.split()[2]
        if not _has_role(connection, name):
            try:
                with connection.begin_nested():
                    connection.execute(text(statement))
            except ProgrammingError:  # no right to create roles
                return False
    return True


def set_rights(connection: Connection) -> None:
    """Give the roles their rights in this database, where the roles exist. To be repeated when a view is made anew."""
    if connection.dialect.name == "sqlite" or not all(_has_role(connection, role.in_postgresql) for role in SqlRole):
        return
    quote = connection.dialect.identifier_preparer.quote
    schema = quote(connection.execute(text("SELECT current_schema()")).scalar_one())
    views_there = [quote(name) for name in connection.execute(_VIEWS).scalars()]
    statements = [
        # Without it a person's function in WHERE may be called with rows that the view leaves out.
        *(f"ALTER VIEW {name} SET (security_barrier)" for name in views_there),
        f"GRANT USAGE ON SCHEMA {schema} TO winnow_reader",
        *(f"GRANT SELECT ON {name} TO winnow_reader" for name in views_there),
        f"GRANT INSERT ({_INSERTED}), SELECT ON review_decisions TO winnow_reviewer",
        "GRANT USAGE ON SEQUENCE review_decisions_decision_id_seq TO winnow_reviewer",
        *(f"GRANT SELECT ON {name} TO winnow_admin" for name in _READ_BY_ADMINS if _has_table(connection, name)),
        *(["GRANT INSERT ON review_days TO winnow_admin"] if _has_table(connection, "review_days") else []),
        "GRANT SELECT (name, role, is_active, locked_until, created_at) ON review_users TO winnow_admin",
        "GRANT UPDATE (role, is_active) ON review_users TO winnow_admin",
        "ALTER TABLE review_decisions ENABLE ROW LEVEL SECURITY",
        "DROP POLICY IF EXISTS own_rows ON review_decisions",
        f"CREATE POLICY own_rows ON review_decisions USING ({_OWN_ROWS}) WITH CHECK ({_OWN_ROWS})",
    ]
    try:
        with connection.begin_nested():
            for statement in statements:
                connection.exec_driver_sql(statement)
    except ProgrammingError as error:  # a worker's database user need not own the tables
        log.warning("the rights of SQL users are not set (%s); winnow db upgrade sets them as the owner", error.orig)


def grant(database: Database, role: SqlRole, user: str) -> None:
    """Give a database user a role. Raises `NoSqlRoles` on SQLite, and `GrantRefused`."""
    if database.is_sqlite:
        raise NoSqlRoles
    quote = database.engine.dialect.identifier_preparer.quote
    statement = f"GRANT {role.in_postgresql} TO {quote(user)}"
    with database.write() as connection:
        if not create_roles(connection):
            raise GrantRefused("Winnow's database user may not create roles", CREATE_ROLES)
        set_rights(connection)
        if not _has_role(connection, user):
            raise GrantRefused(f"there is no database user {user}", (f"CREATE ROLE {quote(user)} LOGIN",))
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement)
        except ProgrammingError as error:
            raise GrantRefused("Winnow's database user may not grant this role", (statement,)) from error


def revoke(database: Database, role: SqlRole, user: str) -> bool:
    """Take a role back; whether the user had been given it. Raises `NoSqlRoles` on SQLite, and `GrantRefused`."""
    if database.is_sqlite:
        raise NoSqlRoles
    statement = f"REVOKE {role.in_postgresql} FROM {database.engine.dialect.identifier_preparer.quote(user)}"
    given = {"role": role.in_postgresql, "name": user}
    with database.write() as connection:
        if connection.execute(_IS_GIVEN, given).first() is None:
            return False
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement)
        except ProgrammingError as error:
            raise GrantRefused("Winnow's database user may not take this role back", (statement,)) from error
        if connection.execute(_IS_GIVEN, given).first() is not None:  # PostgreSQL only warns
            raise GrantRefused("another database user gave this role", (statement,))
        return True


def is_limited(connection: Connection, name: str) -> bool:
    """Whether the name is a database user who may decide in that name only."""
    if connection.dialect.name == "sqlite":
        return False
    return bool(connection.execute(_IS_LIMITED, {"name": name}).scalar_one_or_none())


def _has_role(connection: Connection, name: str) -> bool:
    return connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}).first() is not None


def _has_table(connection: Connection, name: str) -> bool:
    """Whether the table is there: an earlier migration sets the rights before a later one makes it."""
    return connection.execute(select(func.to_regclass(name).is_not(None))).scalar_one()


_VIEWS = (
    select(views.c.name).where(func.to_regclass(func.quote_ident(views.c.name)).is_not(None)).order_by(views.c.name)
)
"""A view may have been dropped by hand."""

_IS_GIVEN = text("""
SELECT 1 FROM pg_auth_members
JOIN pg_roles given ON given.oid = roleid JOIN pg_roles person ON person.oid = member
WHERE given.rolname = :role AND person.rolname = :name
""")

_IS_LIMITED = text("""
SELECT pg_has_role(person.oid, reviewer.oid, 'MEMBER') AND NOT pg_has_role(person.oid, admin.oid, 'MEMBER')
FROM pg_roles person, pg_roles reviewer, pg_roles admin
WHERE person.rolname = :name AND reviewer.rolname = 'winnow_reviewer' AND admin.rolname = 'winnow_admin'
""")
