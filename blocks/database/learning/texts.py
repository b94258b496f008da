"""The texts of decided documents, as extract read them: they teach classifiers while a run lasts."""

from collections.abc import Sequence

from pydantic_core import from_json

from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.pipeline.stage_outputs import load_payloads
from blocks.records import Stage

AT_ONCE = 50
"""So many documents' pages are in memory at a time."""
MAX_CHARACTERS = 6_000
"""A text is read so far, as classifiers do."""


def decided_texts(database: Database, document_ids: Sequence[str]) -> dict[str, str]:
    """The beginning of each document's visible text, in the order of the ids.

    Documents whose pages the database no longer has are left out.
    """
    found: dict[str, str] = {}
    for first in range(0, len(document_ids), AT_ONCE):
        ids = document_ids[first : first + AT_ONCE]
        payloads = _payloads(database, ids)
        found.update((id_, _text(payloads[id_])) for id_ in ids if id_ in payloads)
    return found


@survives_outages
def _payloads(database: Database, document_ids: Sequence[str]) -> dict[str, bytes]:
    with database.read() as connection:
        return load_payloads(connection, Stage.EXTRACT, document_ids)


def _text(payload: bytes) -> str:
    return "\n".join(page["text"] for page in from_json(payload)["pages"])[:MAX_CHARACTERS]
