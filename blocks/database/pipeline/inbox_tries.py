"""How often runs were started for an inbox since one took its files, and when the next may be.

A try is counted before its run begins, so that a run that dies, or never gets as far as the database, counts too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline.inbox_tables import inbox_files, inbox_tries

LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tries:
    """Runs that were started for an inbox since `began_at`, of which none took its files.

    `failures` of them ended as failed; the others work, or died. `block` is a digest of the inbox's block.
    """

    inbox: str
    block: str
    tries: int
    failures: int
    began_at: datetime
    next_at: datetime

    def __str__(self) -> str:
        runs = "1 run" if self.tries == 1 else f"{self.tries} runs"
        return f"{runs} did not take its files since {self.began_at:%Y-%m-%d %H:%M} UTC"


def wait_after(tries: int) -> timedelta:
    """How long nothing is started for an inbox after so many tries: a minute, doubled with each, an hour at most.

    The first wait is shorter than the time between two polls.
    """
    doublings = min(tries - 1, 10)  # far beyond the hour, and far from a number that no timedelta holds
    return min(timedelta(minutes=2**doublings), LONGEST_WAIT)


@survives_outages
def waiting(database: Database, inbox: str, block: str) -> Tries | None:
    """The tries of an inbox whose next may not begin yet. A block that was changed since may be tried at once."""
    with database.read() as connection:
        at = database_time(connection)
        row = connection.execute(select(inbox_tries).where(inbox_tries.c.inbox == inbox)).one_or_none()
    return Tries(*row) if row is not None and row.block == block and at < row.next_at else None


@survives_outages
def count_try(database: Database, inbox: str, block: str) -> None:
    """Write that a run is started for the inbox. Tries of another form of its block do not count."""
    tried = inbox_tries.c
    with database.write() as connection:
        at = database_time(connection)
        before = connection.execute(select(inbox_tries).where(tried.inbox == inbox, tried.block == block)).one_or_none()
        count = 1 if before is None else before.tries + 1
        row = {"inbox": inbox, "block": block, "tries": count, "failures": 0, "began_at": at}
        if before is not None:
            row |= {"failures": before.failures, "began_at": before.began_at}
        upsert = database.insert(inbox_tries).values(row | {"next_at": at + wait_after(count)})
        anew = {name: upsert.excluded[name] for name in ("block", "tries", "failures", "began_at", "next_at")}
        connection.execute(upsert.on_conflict_do_update(index_elements=[tried.inbox], set_=anew))


@survives_outages
def take_back_try(database: Database, inbox: str) -> None:
    """Write that the run which was counted last could not be started, so that the next one need not wait."""
    tried = inbox_tries.c
    with database.write() as connection:
        one_less = update(inbox_tries).where(tried.inbox == inbox, tried.tries > 0)
        connection.execute(one_less.values(tries=tried.tries - 1, next_at=tried.began_at))


@survives_outages
def count_failure(database: Database, inbox: str) -> Tries | None:
    """Write that a run failed that was to take the inbox's files; None where its last try took them."""
    own = inbox_tries.c.inbox == inbox
    with database.write() as connection:
        connection.execute(update(inbox_tries).where(own).values(failures=inbox_tries.c.failures + 1))
        row = connection.execute(select(inbox_tries).where(own)).one_or_none()
    return None if row is None else Tries(*row)


@survives_outages
def forget_without_files(database: Database, inbox: str) -> None:
    """Forget the tries of an inbox that has no file which no run took."""
    own = inbox_tries.c.inbox == inbox
    with database.read() as connection:
        if connection.execute(select(inbox_tries.c.inbox).where(own)).first() is None:
            return
    waits: ColumnElement[bool] = exists().where(inbox_files.c.inbox == inbox, inbox_files.c.taken_at.is_(None))
    with database.write() as connection:
        connection.execute(delete(inbox_tries).where(own, ~waits))


@survives_outages
def failing(database: Database) -> tuple[Tries, ...]:
    """The inboxes for which a run failed and none took the files since, by name."""
    query = select(inbox_tries).where(inbox_tries.c.failures > 0).order_by(inbox_tries.c.inbox)
    with database.read() as connection:
        return tuple(Tries(*row) for row in connection.execute(query))
