"""The strict split of a type: half of its labelled documents only ever teach, and the other half only ever prove.

A document's side follows from its issuer, or else from its text. Learning writes it, and then it stays: a label that is
corrected later moves no document to the other side.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from blocks.database.engine import Database
from blocks.database.learning.splits import keep_sides, known_sides
from blocks.database.outages import survives_outages
from blocks.document_types.schema import DocumentType
from blocks.learning.labels import proves
from blocks.learning.memory import stated_issuer
from tasks.learn.labelled import Values, text_digests, values_of

_AT_ONCE = 500


def is_strict(document_type: DocumentType) -> bool:
    """Whether labels of the type either teach or prove."""
    return document_type.memory is not None and document_type.memory.split == "strict"


def teaching(database: Database, document_type: DocumentType, values: Mapping[str, Values]) -> dict[str, Values]:
    """The labelled documents whose labels teach: all, unless the split is strict. New documents get their side."""
    if not is_strict(document_type):
        return dict(values)
    taught: dict[str, Values] = {}
    for ids in _batches(list(values)):
        known = _known(database, document_type, ids)
        new = dict(_new_sides(database, document_type, {id_: values[id_] for id_ in ids if id_ not in known}))
        if new:
            _keep(database, document_type, new)
        sides = known | new
        taught |= {id_: values[id_] for id_ in ids if sides.get(id_) is False}
    return taught


def proving(database: Database, document_type: DocumentType, document_ids: Collection[str]) -> frozenset[str]:
    """Those of the documents whose labels prove: all, unless the split is strict. Nothing is written.

    Where the split is strict, a document whose pages the database no longer has proves only if its side was written.
    """
    if not is_strict(document_type):
        return frozenset(document_ids)
    found: set[str] = set()
    for ids in _batches(sorted(document_ids)):
        sides = _known(database, document_type, ids)
        new = [id_ for id_ in ids if id_ not in sides]
        sides |= dict(_new_sides(database, document_type, values_of(database, document_type, new)))
        found |= {id_ for id_, does_prove in sides.items() if does_prove}
    return frozenset(found)


def _new_sides(
    database: Database, document_type: DocumentType, values: Mapping[str, Values]
) -> Iterator[tuple[str, bool]]:
    for document_id, digest in text_digests(database, list(values)).items():
        yield document_id, proves(digest, stated_issuer(document_type, values[document_id]))


def _batches(document_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (document_ids[first : first + _AT_ONCE] for first in range(0, len(document_ids), _AT_ONCE))


@survives_outages
def _known(database: Database, document_type: DocumentType, document_ids: Collection[str]) -> dict[str, bool]:
    with database.read() as connection:
        return known_sides(connection, document_type.name, document_ids)


@survives_outages
def _keep(database: Database, document_type: DocumentType, sides: Mapping[str, bool]) -> None:
    with database.write() as connection:
        keep_sides(database, connection, document_type.name, sides)
