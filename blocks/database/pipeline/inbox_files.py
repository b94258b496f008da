"""Files of inboxes: seen, stable, taken. A file is taken once; a file that changed later is taken again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update

from blocks.database.engine import Database, now
from blocks.database.outages import survives_outages
from blocks.database.tables import inbox_files, runs

WRITE_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Poll:
    """What a poll saw: `listed` files, of which `arrived` were new or changed, and `due` are stable and free."""

    listed: int
    arrived: int
    due: int


@survives_outages
def record_poll(database: Database, inbox: str, marks: Mapping[str, str]) -> Poll:
    """Write what an inbox holds: by URI a mark of size and time. A file whose mark is that of the last poll is stable.

    Files that are gone are forgotten. Nothing is written about a file that was taken and has not changed.
    """
    file = inbox_files.c
    seen_at = now()
    known: dict[str, tuple[str, bool, bool]] = {}
    with database.read() as connection:
        query = select(file.uri, file.mark, file.is_stable, file.taken_at.is_not(None)).where(file.inbox == inbox)
        for uri, mark, is_stable, is_taken in connection.execute(query):
            known[uri] = (mark, bool(is_stable), bool(is_taken))
    arrived = [uri for uri, mark in marks.items() if uri not in known or known[uri][0] != mark]
    settled = [uri for uri, (mark, is_stable, is_taken) in known.items() if not is_stable and marks.get(uri) == mark]
    gone = [uri for uri in known if uri not in marks]
    upsert = database.insert(inbox_files)
    anew = {name: upsert.excluded[name] for name in ("mark", "seen_at", "is_stable", "run_id", "taken_at")}
    upsert = upsert.on_conflict_do_update(index_elements=[file.inbox, file.uri], set_=anew)
    empty = {"inbox": inbox, "seen_at": seen_at, "is_stable": False, "run_id": None, "taken_at": None}
    for group in _groups(arrived):
        with database.write() as connection:
            connection.execute(upsert, [empty | {"uri": uri, "mark": marks[uri]} for uri in group])
    for group in _groups(settled):
        with database.write() as connection:
            connection.execute(_SETTLE, [{"b_inbox": inbox, "b_uri": uri} for uri in group])
    for group in _groups(gone):
        with database.write() as connection:
            connection.execute(_FORGET, [{"b_inbox": inbox, "b_uri": uri} for uri in group])
    with database.read() as connection:
        due = connection.execute(select(func.count()).select_from(inbox_files).where(*_due(inbox))).scalar_one()
    return Poll(len(marks), len(arrived), due)


@survives_outages
def claim_due(database: Database, inbox: str, run_id: str) -> list[str]:
    """Give the run every stable file that is free; returns those and the ones that it had before, in order.

    A file that a run claimed and did not take is free again when that run has ended.
    """
    file = inbox_files.c
    with database.write() as connection:
        connection.execute(update(inbox_files).where(*_due(inbox)).values(run_id=run_id))
        mine = select(file.uri).where(file.inbox == inbox, file.run_id == run_id, file.taken_at.is_(None))
        return list(connection.execute(mine.order_by(file.uri)).scalars())


@survives_outages
def confirm_taken(database: Database, inbox: str, run_id: str) -> None:
    """Write that the documents of the run's files are recorded: no later poll gives them out."""
    file = inbox_files.c
    mine = (file.inbox == inbox, file.run_id == run_id, file.taken_at.is_(None))
    with database.write() as connection:
        connection.execute(update(inbox_files).where(*mine).values(taken_at=now()))


def _due(inbox: str) -> tuple[ColumnElement[bool], ...]:
    file = inbox_files.c
    open_runs = select(runs.c.run_id).where(runs.c.finished_at.is_(None))
    is_free = or_(file.run_id.is_(None), file.run_id.not_in(open_runs))
    return (file.inbox == inbox, file.taken_at.is_(None), file.is_stable, is_free)


def _groups(uris: Sequence[str]) -> list[Sequence[str]]:
    return [uris[start : start + WRITE_AT_ONCE] for start in range(0, len(uris), WRITE_AT_ONCE)]


_SETTLE = (
    update(inbox_files)
    .where(inbox_files.c.inbox == bindparam("b_inbox"), inbox_files.c.uri == bindparam("b_uri"))
    .values(is_stable=True)
)
_FORGET = delete(inbox_files).where(
    inbox_files.c.inbox == bindparam("b_inbox"), inbox_files.c.uri == bindparam("b_uri")
)
