"""The local users of the review page: who may log in, with which role, and who is locked out."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from blocks.database.clock import database_time
from blocks.database.engine import Database, now
from blocks.database.outages import survives_outages
from blocks.database.review.claims import release_every
from blocks.database.review.roles import is_limited
from blocks.database.review.tables import review_sessions, review_users
from blocks.records import Record
from blocks.review.errors import UserExists, UserUnknown
from blocks.review.persons import check_name, person_named
from blocks.review.records import Person, Role

MAX_FAILED_LOGINS = 5
LOCK_S = 300.0
"""How long a name is locked out after too many wrong passwords in a row."""


class User(Record):
    """A user. `password_hash` is None for users whom a proxy logs in."""

    name: str
    role: Role
    password_hash: str | None
    failed_logins: int
    locked_until: datetime | None
    is_active: bool
    created_at: datetime


@survives_outages
def add_user(database: Database, name: str, role: Role, password_hash: str | None) -> None:
    """Add a user. Raises `UserExists`, and as `check_name`."""
    check_name(name)
    row = {"name": name, "role": str(role), "password_hash": password_hash, "created_at": now()}
    try:
        with database.write() as connection:
            connection.execute(insert(review_users), row)
    except IntegrityError as error:
        raise UserExists(name) from error


@survives_outages
def list_users(database: Database) -> list[User]:
    """Every user, by name."""
    with database.read() as connection:
        rows = connection.execute(select(review_users).order_by(review_users.c.name)).mappings()
        return [User.model_validate(dict(row)) for row in rows]


@survives_outages
def find_user(database: Database, name: str) -> User | None:
    """The user of that name, if there is one."""
    with database.read() as connection:
        row = connection.execute(select(review_users).where(review_users.c.name == name)).mappings().one_or_none()
        return None if row is None else User.model_validate(dict(row))


@survives_outages
def find_person(database: Database, name: str) -> Person:
    """Who this name is at the doors without a log-in."""
    with database.read() as connection:
        return load_person(connection, name)


def load_person(connection: Connection, name: str) -> Person:
    """`find_person` within a transaction."""
    user = review_users.c
    row = connection.execute(select(user.role, user.is_active).where(user.name == name)).one_or_none()
    if row is not None:
        return person_named(name, Role(row.role), is_active=row.is_active, has_users=True)
    has_users = connection.execute(select(exists(select(user.name)))).scalar_one()
    return person_named(name, None, has_users=has_users or is_limited(connection, name))


@survives_outages
def set_password(database: Database, name: str, password_hash: str) -> None:
    """Give a user a new password, end their sessions and lift a lock. Raises `UserUnknown`."""
    _change(database, name, {"password_hash": password_hash, "failed_logins": 0, "locked_until": None})


@survives_outages
def set_role(database: Database, name: str, role: Role) -> None:
    """Give a user another role; their sessions end. Raises `UserUnknown`."""
    _change(database, name, {"role": str(role)})


@survives_outages
def set_active(database: Database, name: str, *, is_active: bool) -> None:
    """Let a user log in or not; either way their sessions and claims end. Raises `UserUnknown`."""
    _change(database, name, {"is_active": is_active, "failed_logins": 0, "locked_until": None}, ends_claims=True)


@survives_outages
def may_try_password(database: Database, name: str) -> bool:
    """Count a log-in, before its password is looked at; whether it may be. False for names that nobody has.

    After `MAX_FAILED_LOGINS` in a row without a right one (`clear_failed_logins`) the name is locked for `LOCK_S`. So
    log-ins at the same time try no more passwords than those one after another.
    """
    users = review_users.c
    with database.write() as connection:
        at = database_time(connection)
        is_free = or_(users.locked_until.is_(None), users.locked_until <= at)
        counted = update(review_users).where(users.name == name, is_free)
        if connection.execute(counted.values(failed_logins=users.failed_logins + 1)).rowcount == 0:
            return False
        until = at + timedelta(seconds=LOCK_S)
        connection.execute(
            update(review_users)
            .where(users.name == name, users.failed_logins >= MAX_FAILED_LOGINS)
            .values(locked_until=until, failed_logins=0)
        )
        return True


@survives_outages
def clear_failed_logins(database: Database, name: str) -> None:
    """Forget wrong passwords, after a right one."""
    with database.write() as connection:
        connection.execute(
            update(review_users).where(review_users.c.name == name).values(failed_logins=0, locked_until=None)
        )


def _change(database: Database, name: str, values: dict[str, object], *, ends_claims: bool = False) -> None:
    with database.write() as connection:
        changed = connection.execute(update(review_users).where(review_users.c.name == name).values(values))
        if changed.rowcount == 0:
            raise UserUnknown(name)
        connection.execute(_END_SESSIONS, {"b_name": name})
        if ends_claims:
            release_every(connection, name)


_END_SESSIONS = delete(review_sessions).where(review_sessions.c.user_name == bindparam("b_name"))
