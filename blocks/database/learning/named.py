"""Which decided documents a reading used, in words: their places, and who decided them."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from blocks.database.engine import Database
from blocks.database.learning.labels import labels_of
from blocks.database.outages import survives_outages
from blocks.database.pipeline.sources import uris_of
from blocks.learning.labels import Label, that_count
from blocks.records import Evidence
from blocks.secret_url import redacted


@survives_outages
def decided_in_words(database: Database, evidence: Mapping[str, Sequence[Evidence]]) -> dict[str, str]:
    """What `decided_words` says; reads the database only where there is something to say."""
    if not any(found and found[0].read_as_in for found in evidence.values()):
        return {}
    with database.read() as connection:
        return decided_words(connection, evidence)


def decided_words(connection: Connection, evidence: Mapping[str, Sequence[Evidence]]) -> dict[str, str]:
    """By field, the decided documents that its reading used: "invoice_17.pdf, decided by ann"."""
    used = {name: found[0].read_as_in for name, found in evidence.items() if found}
    ids = sorted({id_ for named in used.values() for id_ in named})
    if not ids:
        return {}
    places = uris_of(connection, ids)
    labels = labels_of(connection, ids)
    return {name: "; ".join(_word(id_, name, places, labels) for id_ in named) for name, named in used.items() if named}


def _word(
    id_: str, field: str, places: Mapping[str, Sequence[str]], labels: Mapping[tuple[str, str], Iterable[Label]]
) -> str:
    uri = redacted(places[id_][0])
    place = uri.rstrip("/").rpartition("/")[2] or f"document {id_[:8]}"
    counting = that_count(labels.get((id_, field), ()))
    return f"{place}, decided by {counting[0].labelled_by}" if counting else f"{place}, whose label was forgotten"
