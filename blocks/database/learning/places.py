"""The documents that rows of files name: by id, by place, or by the end of a place, such as a file's name."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, and_, case, func, select

from blocks.database.in_list import in_list
from blocks.database.tables import documents, results, sources
from blocks.files.sources import uri_of
from blocks.records import UNKNOWN_TYPE

_SHOWN = 3
"""A message names so many places."""


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document, and its type: what a person decided, else its result's; empty where none is known."""

    document_id: str
    document_type: str
    is_erased: bool
    is_container: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a place: its document, or why there is none."""

    document_id: str | None
    problem: str = ""


def known_documents(connection: Connection, document_ids: Collection[str]) -> dict[str, KnownDocument]:
    """The documents with these ids."""
    rows = connection.execute(_KNOWN, {"ids": document_ids}).all()
    return {
        row.document_id: KnownDocument(
            row.document_id,
            "" if row.known_type in {None, UNKNOWN_TYPE} else row.known_type,
            row.erased_at is not None,
            row.is_container,
        )
        for row in rows
    }


def find_places(connection: Connection, names: Collection[str]) -> dict[str, Seen]:
    """The document of each place, of a path here, or of the end of a place; the one that was seen there last.

    An end begins behind a slash, and counts where it names one document only. All places are read where a name is no
    whole place.
    """
    whole = {name: _as_uri(name) for name in names}
    found = _last_seen(connection.execute(_AT, {"uris": {*names, *whole.values()}}).tuples())
    seen = {}
    for name in names:
        ids = found.get(name) or found.get(whole[name])
        if ids:
            seen[name] = _seen(name, {name: ids[1]})
    return seen | _find_ends(connection, {*names} - seen.keys())


def _find_ends(connection: Connection, names: Collection[str]) -> dict[str, Seen]:
    if not names:
        return {}
    ends = {name: name.removeprefix("./") for name in names}
    wanted = {*ends.values()}
    rows = connection.execute(_ALL.execution_options(yield_per=10_000)).tuples()
    last = _last_seen(row for row in rows if any(end in wanted for end in _ends_of(row[0])))
    places: defaultdict[str, dict[str, set[str]]] = defaultdict(dict)
    for uri, (_, ids) in last.items():
        for end in _ends_of(uri):
            if end in wanted:
                places[end][uri] = ids
    return {name: _seen(name, places.get(end, {})) for name, end in ends.items()}


def _ends_of(uri: str) -> Iterator[str]:
    """The texts behind each slash, from the longest to the file's name."""
    slash = uri.find("/")
    while slash >= 0:
        yield uri[slash + 1 :]
        slash = uri.find("/", slash + 1)


def _as_uri(name: str) -> str:
    """The place that a path here would have."""
    return name if "://" in name or "\x00" in name else uri_of(str(Path.cwd() / name))


def _last_seen(rows: Iterable[tuple[str, str, datetime]]) -> dict[str, tuple[datetime, set[str]]]:
    """By place, the documents that were seen there last."""
    last: dict[str, tuple[datetime, set[str]]] = {}
    for uri, document_id, seen_at in rows:
        before = last.get(uri)
        if before is None or seen_at > before[0]:
            last[uri] = (seen_at, {document_id})
        elif seen_at == before[0]:
            before[1].add(document_id)
    return last


def _seen(name: str, places: dict[str, set[str]]) -> Seen:
    ids = {id_ for of_place in places.values() for id_ in of_place}
    if len(ids) == 1:
        return Seen(*ids)
    if not ids:
        return Seen(None, f"no document was seen at {name}; winnow run reads it first")
    shown = sorted(places)[:_SHOWN]
    if len(places) == 1:
        return Seen(None, f"{len(ids)} documents were seen at {name} at the same time; give a document_id")
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return Seen(None, f"{name} names {len(ids)} documents, at {', '.join(shown)}{more}; give more of the place")


_KNOWN = (
    select(
        documents.c.document_id,
        documents.c.is_container,
        documents.c.erased_at,
        case(
            (documents.c.is_type_decided, documents.c.given_type),
            else_=func.coalesce(results.c.document_type, documents.c.document_type),
        ).label("known_type"),
    )
    .outerjoin_from(documents, results, and_(results.c.document_id == documents.c.document_id, results.c.is_current))
    .where(in_list(documents.c.document_id, "ids"))
)

_PLACES = select(sources.c.uri, sources.c.document_id, sources.c.seen_at)
_AT = _PLACES.where(in_list(sources.c.uri, "uris"))
_ALL = _PLACES
