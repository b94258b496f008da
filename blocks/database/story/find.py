"""What people name when they ask for a story: a run or a document by its id, or a file by its place."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from sqlalchemy import ColumnElement, Select, func, select

from blocks.database.engine import Database
from blocks.database.first_letters import begins_with
from blocks.database.story.errors import StoryAmbiguous, StoryUnknown
from blocks.database.tables import documents, runs, sources
from blocks.files.sources import uri_of

_SHOWN = 4
"""A message names so many."""


class Found(NamedTuple):
    """A run or a document. `place` is where it was seen; `note` says what a reader should know about a named file."""

    run_id: str | None = None
    document_id: str | None = None
    place: str = ""
    note: str = ""


def find(database: Database, name: str) -> Found:
    """The run, the document or the file of that name. Raises `StoryUnknown` and `StoryAmbiguous`.

    A name is an id or its first letters, a place as `winnow results` shows it, the end of one, such as a file's name,
    or a file here: that is found by its bytes first, wherever they were seen, and else by its place.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return _file(database, name, path)
    if uri_of(name) != name:  # a path that is not UTF-8: its place is a URL
        name = uri_of(str(path)) if path.is_absolute() else quote_from_bytes(os.fsencode(name))
    found = [Found(run_id=id_) for id_ in _ids(database, runs.c.run_id, name)]
    found += [Found(document_id=id_) for id_ in _ids(database, documents.c.document_id, name)]
    places = _places(database, name) if not found else {}
    found += [Found(document_id=id_, place=uri) for id_, uri in places.items()]
    if not found:
        raise StoryUnknown(name)
    if len(found) > 1:
        raise StoryAmbiguous(name, tuple(_shown(each) for each in found[:_SHOWN]), is_more=len(found) > _SHOWN)
    return found[0]


def _file(database: Database, name: str, path: Path) -> Found:
    with path.open("rb") as file:
        document_id = hashlib.file_digest(file, "sha256").hexdigest()
    if _ids(database, documents.c.document_id, document_id):
        return Found(document_id=document_id)
    seen = _latest(database, sources.c.uri == uri_of(str(path.absolute())))
    if not seen:
        raise StoryUnknown(uri_of(name), is_file=True)
    (document_id,) = seen
    return Found(document_id=document_id, note="the file has changed since; winnow run reads it as it is now")


def _ids(database: Database, column: ColumnElement[str], letters: str) -> list[str]:
    """The ids that are `letters` or begin so: the exact one alone."""
    if not letters:
        return []
    with database.read() as connection:
        exact = connection.execute(select(column).where(column == letters)).scalars().all()
        begun = select(column).where(begins_with(column, letters)).limit(_SHOWN + 1)
        return list(exact) or list(connection.execute(begun).scalars())


def _places(database: Database, name: str) -> dict[str, str]:
    """Documents that were seen at this place, or at one that ends so: {document_id: place}."""
    uri = sources.c.uri
    for is_it in (uri == name, uri.endswith(f"/{name}", autoescape=True)) if name else ():
        if found := _latest(database, is_it):
            return found
    return {}


def _latest(database: Database, is_it: ColumnElement[bool]) -> dict[str, str]:
    """The documents that were seen last at each of these places."""
    newest = select(sources.c.uri, func.max(sources.c.seen_at).label("seen_at")).where(is_it).group_by(sources.c.uri)
    last = newest.subquery()
    query: Select[tuple[str, str]] = (
        select(sources.c.document_id, sources.c.uri)
        .join(last, (last.c.uri == sources.c.uri) & (last.c.seen_at == sources.c.seen_at))
        .order_by(sources.c.seen_at.desc(), sources.c.uri)
        .limit(_SHOWN + 1)
    )
    with database.read() as connection:
        return dict(connection.execute(query).tuples().all())


def _shown(found: Found) -> str:
    if found.run_id is not None:
        return f"run {found.run_id}"
    return f"document {str(found.document_id)[:12]}" + (f" at {found.place}" if found.place else "")
