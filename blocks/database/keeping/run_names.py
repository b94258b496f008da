"""Names in the rows of runs: what a run was given to read, how it is called, and how it ended.

A run's row stays when documents are erased. Where it names one of them, or a person, a pseudonym takes that place: a
random one each time, since a digest of a name could be guessed.
"""

import json
import os
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath

from pydantic import JsonValue
from sqlalchemy import Row, bindparam, select, update

from blocks.database.engine import Database, stored_json
from blocks.database.in_list import in_list
from blocks.database.keeping.subjects import Subject
from blocks.database.tables import runs, sources
from blocks.files.sources import is_local, path_of, uri_of

Replace = Callable[[str], str]
Changes = Mapping[str, Mapping[str, str | None]]
"""By the run's id, its columns with their new texts."""


def naming_subject(database: Database, subject: str) -> Changes:
    """The runs that name the subject, with a pseudonym in its place. Raises `SubjectTooShort`."""
    wanted, pseudonym = Subject(subject), _new_pseudonym()
    changed = ((row, _changed(row, lambda text: wanted.replaced(text, pseudonym))) for row in _rows(database))
    return {row.run_id: new for row, new in changed if new}


def naming_files(database: Database, document_ids: Collection[str]) -> Changes:
    """The runs that were given the file of one of these documents by its own name, with a pseudonym in its place."""
    rows, wanted = _rows(database), frozenset(document_ids)
    places = {place for row in rows for uri in _given(row) for place in _places(uri)}
    with database.read() as connection:
        ours = {uri for uri, id_ in connection.execute(_AT, {"uris": places}) if id_ in wanted}
    pseudonym, changes = _new_pseudonym(), dict[str, Mapping[str, str | None]]()
    for row in rows:
        names = {PurePosixPath(uri).name for uri in _given(row) if ours & _places(uri)}
        if names and (new := _changed(row, partial(_without, names, pseudonym))):
            changes[row.run_id] = new
    return changes


def rename(database: Database, changes: Changes) -> None:
    """Write the new texts."""
    rows = [{f"b_{name}": text for name, text in new.items()} | {"b_run_id": id_} for id_, new in changes.items()]
    if rows:
        with database.write() as connection:
            connection.execute(_RENAME, rows)


def _new_pseudonym() -> str:
    return f"erased-{secrets.token_hex(4)}"


def _rows(database: Database) -> Sequence[Row[tuple[str, str, str, str | None]]]:
    with database.read() as connection:
        return connection.execute(_TEXTS).all()


def _changed(row: Row[tuple[str, str, str, str | None]], replace: Replace) -> Mapping[str, str | None] | None:
    """The texts of a run's row with what stands for names in them; None where there is none."""
    given = _parsed(row.source)
    new_given = _replaced(given, replace)
    is_as_before = new_given == given
    source = row.source if is_as_before else new_given if isinstance(new_given, str) else stored_json(new_given)
    new = {"name": replace(row.name), "source": source, "message": row.message and replace(row.message)}
    return None if new == {"name": row.name, "source": row.source, "message": row.message} else new


def _parsed(source: str) -> JsonValue:
    """What a run was given: JSON in the rows that flows write."""
    try:
        parsed: JsonValue = json.loads(source)
    except ValueError:
        return source
    return parsed


def _given(row: Row[tuple[str, str, str, str | None]]) -> list[str]:
    """The places that a run was given to read."""
    given = _parsed(row.source)
    places = given.get("sources") if isinstance(given, dict) else None
    return [place for place in places if isinstance(place, str)] if isinstance(places, list) else []


def _places(uri: str) -> set[str]:
    """A place as it was given, and as the table of sources has it."""
    return {uri, uri_of(os.path.abspath(path_of(uri)))} if is_local(uri) else {uri}  # noqa: PTH100 - follows no links


def _without(names: Collection[str], pseudonym: str, text: str) -> str:
    """The text with the pseudonym for each file's name; endings stay."""
    for name in names:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", pseudonym + PurePosixPath(name).suffix, text)
    return text


def _replaced(value: JsonValue, replace: Replace) -> JsonValue:
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [_replaced(item, replace) for item in value]
    return {name: _replaced(item, replace) for name, item in value.items()} if isinstance(value, dict) else value


_TEXTS = select(runs.c.run_id, runs.c.name, runs.c.source, runs.c.message)

_AT = select(sources.c.uri, sources.c.document_id).where(in_list(sources.c.uri, "uris"))

_RENAME = (
    update(runs)
    .where(runs.c.run_id == bindparam("b_run_id"))
    .values(**{name: bindparam(f"b_{name}") for name in ("name", "source", "message")})
)
