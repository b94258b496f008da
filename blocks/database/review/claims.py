"""Claims of people: a lease on an item that a heartbeat renews, and that ends by itself."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Text, and_, bindparam, case, cast, literal_column, or_, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database, stored_json
from blocks.database.outages import survives_outages
from blocks.database.review.item_content import load_item
from blocks.database.review.queue import EVERY_OPEN, QueueFilter, behind, conditions, in_work_order
from blocks.database.review.tables import review, review_decisions
from blocks.review.records import Item, ItemStatus, Person, Role
from blocks.review.rules import check_open

CLAIM_S = 120.0
"""How long a claim lasts without a heartbeat. The page beats every quarter of it."""

NO_CLAIM: dict[str, object] = dict.fromkeys(("claimed_by", "claimed_at", "claim_expires_at"))
"""The values of an item that nobody has."""


@survives_outages
def claim(database: Database, review_id: int, person: Person, lease_s: float = CLAIM_S) -> Item:
    """Take an item, or renew the claim on it, for `lease_s` seconds from now.

    Raises a leaf of `ReviewError` where the person may not decide on it now.
    """
    with database.write() as connection:
        item = load_item(connection, review_id, lock=True)
        check_open(item, person, database_time(connection))
        return _claimed(connection, item, person, lease_s)


@survives_outages
def claim_next(
    database: Database,
    person: Person,
    lease_s: float = CLAIM_S,
    wanted: QueueFilter = EVERY_OPEN,
    after: int | None = None,
    besides: int | None = None,
) -> Item | None:
    """Take the first `wanted` item, behind the item `after`, that the person may decide on and that nobody has.

    Never the item `besides`. None if there is none.
    """
    with database.write() as connection:
        at = database_time(connection)
        # Only the row that is taken is locked: others find the ones behind it.
        query = (
            select(review.c.review_id)
            .where(
                *takeable(person, at),
                review.c.role.in_(_roles(person)),
                *conditions(database, connection, wanted, at),
                *behind(connection, after),
                review.c.review_id != (besides or 0),
            )
            .order_by(*in_work_order)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        review_id = connection.execute(query).scalar_one_or_none()
        return None if review_id is None else _claimed(connection, load_item(connection, review_id), person, lease_s)


@survives_outages
def claim_all(
    database: Database, review_ids: Collection[int], person: Person, lease_s: float = CLAIM_S
) -> dict[int, int]:
    """Take every one of these items that the person may have, or renew the claims; returns their versions by id."""
    with database.write() as connection:
        at = database_time(connection)
        query = (
            select(review.c.review_id, review.c.version)
            .where(review.c.review_id.in_(list(review_ids)), *takeable(person, at))
            .order_by(review.c.review_id)
            .with_for_update(skip_locked=True)
        )
        versions = dict(connection.execute(query).tuples().all())
        is_renewed = and_(review.c.claimed_by == person.name, review.c.claim_expires_at > at)
        since = case((is_renewed, review.c.claimed_at), else_=at)
        connection.execute(
            update(review)
            .where(review.c.review_id.in_(list(versions)))
            .values(claimed_by=person.name, claimed_at=since, claim_expires_at=at + timedelta(seconds=lease_s))
        )
        return versions


@survives_outages
def release_all(database: Database, review_ids: Collection[int], person: Person) -> int:
    """End the person's claims on these items; returns how many there were."""
    with database.write() as connection:
        of_person = (review.c.review_id.in_(list(review_ids)), review.c.claimed_by == person.name)
        return connection.execute(update(review).where(*of_person).values(NO_CLAIM)).rowcount


def takeable(person: Person, at: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions for the items that the person may decide on now, and that nobody else has or has decided by SQL.

    A decision by SQL waits for its applier, and would be refused on an item that somebody took meanwhile.
    """
    is_own = review.c.claimed_by == person.name
    has_claim = and_(is_own, review.c.claim_expires_at > at)
    return (
        review.c.status == ItemStatus.OPEN,
        or_(review.c.role.in_(_roles(person)), has_claim),
        or_(review.c.claimed_by.is_(None), review.c.claim_expires_at <= at, is_own),
        or_(review.c.review_id.not_in(_DECIDED_BY_SQL), has_claim),
        ~cast(review.c.opinions, Text).contains(_opinion_of(person), autoescape=True),
    )


def _roles(person: Person) -> list[str]:
    return [str(role) for role in Role if person.role.covers(role)]


@survives_outages
def release(database: Database, review_id: int, person: Person) -> bool:
    """End the person's claim; whether there was one."""
    with database.write() as connection:
        released = connection.execute(_RELEASE, {"b_id": review_id, "b_name": person.name})
        return released.rowcount > 0


def release_every(connection: Connection, name: str) -> None:
    """End all claims of a person."""
    connection.execute(update(review).where(review.c.claimed_by == name).values(NO_CLAIM))


def _opinion_of(person: Person) -> str:
    """How the column of opinions, which is JSON, names a person who has decided already."""
    return stored_json({"by": person.name})[1:-1]


def _claimed(connection: Connection, item: Item, person: Person, lease_s: float) -> Item:
    at = database_time(connection)
    is_renewed = item.claimed_by == person.name and item.claim_expires_at is not None and item.claim_expires_at > at
    since = item.claimed_at if is_renewed and item.claimed_at else at
    claim = {"claimed_by": person.name, "claimed_at": since, "claim_expires_at": at + timedelta(seconds=lease_s)}
    connection.execute(update(review).where(review.c.review_id == item.review_id).values(claim))
    return item.model_copy(update=claim)


_DECIDED_BY_SQL = select(review_decisions.c.review_id).where(review_decisions.c.status == literal_column("'new'"))
"""A literal, so that PostgreSQL uses the index of new decisions."""

_RELEASE = (
    update(review)
    .where(review.c.review_id == bindparam("b_id"), review.c.claimed_by == bindparam("b_name"))
    .values(NO_CLAIM)
)
