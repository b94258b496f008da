"""Files of inboxes: seen, stable, taken. A file is taken once; a file that changed later is taken again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update

from blocks.database.engine import Database, now
from blocks.database.in_list import in_list
from blocks.database.outages import survives_outages
from blocks.database.pipeline.documents import FAILED
from blocks.database.pipeline.inbox_tables import inbox_files, inbox_tries
from blocks.database.tables import run_documents, runs, sources

WRITE_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Poll:
    """What a poll saw: `listed` files, of which `arrived` were new or changed, and `due` are stable and free."""

    listed: int
    arrived: int
    due: int


@survives_outages
def record_poll(
    database: Database, inbox: str, marks: Mapping[str, str], may_be_there: Callable[[str], bool] = lambda uri: False
) -> Poll:
    """Write what an inbox holds: by URI a mark of size and time. A file whose mark is that of the last poll is stable.

    Files that are gone are forgotten, but for those that may be there and could not be listed. Nothing is written about
    a file that was taken and has not changed.
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
    gone = [uri for uri in known if uri not in marks and not may_be_there(uri)]
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
    """Write that the documents of the run's files are recorded: no later poll gives them out.

    Earlier tries to take files of the inbox are forgotten.
    """
    file = inbox_files.c
    mine = (file.inbox == inbox, file.run_id == run_id, file.taken_at.is_(None))
    with database.write() as connection:
        connection.execute(update(inbox_files).where(*mine).values(taken_at=now()))
        connection.execute(delete(inbox_tries).where(inbox_tries.c.inbox == inbox))


@survives_outages
def stored_files(database: Database, inbox: str, run_id: str) -> dict[str, tuple[str, list[str]]]:
    """Files that the run took and whose documents are all stored: by URI the mark, and the places of its documents.

    A file of which a document failed, or is not finished, is left out.
    """
    file, member = inbox_files.c, run_documents.c
    taken = select(file.uri, file.mark).where(
        file.inbox == inbox, file.run_id == run_id, file.taken_at.is_not(None), file.is_stable
    )
    places = select(sources.c.uri, member.outcome).where(
        sources.c.document_id == member.document_id, member.run_id == run_id
    )
    with database.read() as connection:
        marks = dict(connection.execute(taken).tuples().all())
        found: dict[str, list[str]] = {}
        unfinished: set[str] = set()
        for uri, outcome in connection.execute(places).tuples():
            name = _file_of(uri, marks)
            if name is not None:
                found.setdefault(name, []).append(uri)
                if outcome in {None, FAILED}:
                    unfinished.add(name)
    return {uri: (marks[uri], places) for uri, places in found.items() if uri not in unfinished}


@survives_outages
def record_move(database: Database, uri: str, places: Sequence[str], new_uri: str) -> None:
    """Write where the documents of a file are now; a place is the file's URI, or that of a part of it."""
    place = sources.c
    moved = [*{uri, *places}]
    upsert = database.insert(sources)
    upsert = upsert.on_conflict_do_update(
        index_elements=[place.document_id, place.uri], set_={"seen_at": upsert.excluded.seen_at}
    )
    for group in _groups(moved):
        with database.write() as connection:
            rows = connection.execute(select(sources).where(in_list(place.uri, "uris")), {"uris": group}).mappings()
            anew = [dict(row) | {"uri": new_uri + row["uri"].removeprefix(uri)} for row in rows]
            if anew:
                connection.execute(upsert, anew)
                connection.execute(delete(sources).where(in_list(place.uri, "uris")), {"uris": group})


def _file_of(uri: str, files: Mapping[str, str]) -> str | None:
    """The file that a place is in: itself, or what stands before one of its ``#``."""
    while uri not in files:
        uri, mark, _ = uri.rpartition("#")
        if not mark:
            return None
    return uri


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
