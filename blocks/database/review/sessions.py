"""Sessions of the review page. The database has digests of their tokens, so that who reads it cannot log in."""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review.tables import review_sessions, review_users
from blocks.review.records import Person

IDLE_S = 3_600.0
"""A session ends when nothing is asked for this long."""
MAX_SESSION_S = 12 * 3_600.0
"""A session ends after this time, whatever is asked."""
_RENEW_AFTER_S = 30.0
"""A session is written again at most this often: most requests only read."""


@survives_outages
def open_session(database: Database, name: str) -> str:
    """A new session's token, which only the browser keeps. Expired sessions are removed."""
    token = secrets.token_urlsafe(32)
    with database.write() as connection:
        at = database_time(connection)
        connection.execute(delete(review_sessions).where(review_sessions.c.expires_at <= at))
        connection.execute(
            insert(review_sessions),
            {
                "session_hash": _digest(token),
                "user_name": name,
                "created_at": at,
                "seen_at": at,
                "expires_at": at + timedelta(seconds=IDLE_S),
            },
        )
    return token


@survives_outages
def find_session(database: Database, token: str) -> Person | None:
    """Who has this session, which is renewed; None if it has expired or ended, or its user may not log in."""
    session, user = review_sessions.c, review_users.c
    query = (
        select(user.name, user.role, session.created_at, session.seen_at)
        .join_from(review_sessions, review_users, user.name == session.user_name)
        .where(session.session_hash == _digest(token), user.is_active)
    )
    with database.read() as connection:
        at = database_time(connection)
        row = connection.execute(query.where(session.expires_at > at)).one_or_none()
    if row is None:
        return None
    if (at - row.seen_at).total_seconds() > _RENEW_AFTER_S:
        expires_at = min(at + timedelta(seconds=IDLE_S), row.created_at + timedelta(seconds=MAX_SESSION_S))
        with database.write() as connection:
            connection.execute(
                update(review_sessions)
                .where(session.session_hash == _digest(token))
                .values(seen_at=at, expires_at=expires_at)
            )
    return Person(name=row.name, role=row.role)


@survives_outages
def end_session(database: Database, token: str) -> None:
    """End a session: its token opens nothing from now on."""
    with database.write() as connection:
        connection.execute(delete(review_sessions).where(review_sessions.c.session_hash == _digest(token)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
