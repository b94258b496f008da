"""Runs and documents as people name them: by an id, or by its first letters."""

from sqlalchemy import Select, select

from blocks.database.engine import Database
from blocks.database.first_letters import begins_with
from blocks.database.tables import documents, model_calls, runs
from blocks.errors import DocumentUnknown, RunUnknown

_SHOWN = 3
"""A message shows so many ids."""


def find_run(database: Database, letters: str) -> str:
    """The id of the only run whose id is `letters` or begins so. A trial of a model is a run in the ledger only.

    Raises `RunUnknown`.
    """
    begun = select(runs.c.run_id).where(begins_with(runs.c.run_id, letters))
    called = select(model_calls.c.run_id).where(begins_with(model_calls.c.run_id, letters)).distinct()
    exact = select(runs.c.run_id).where(runs.c.run_id == letters)
    for query in (exact, begun, called) if letters else ():
        found = _ids(database, query)
        if letters in found or len(found) == 1:
            return letters if letters in found else found[0]
        if found:
            raise RunUnknown(letters, several=tuple(found))
    newest = _ids(database, select(runs.c.run_id).order_by(runs.c.started_at.desc()))
    raise RunUnknown(letters, newest=tuple(newest))


def check_document(database: Database, letters: str) -> None:
    """Check that a document's id begins so. Raises `DocumentUnknown`."""
    for column in (documents.c.document_id, model_calls.c.document_id) if letters else ():
        if _ids(database, select(column).where(begins_with(column, letters))):
            return
    raise DocumentUnknown(letters)


def find_document(database: Database, letters: str) -> str:
    """The id of the only document whose id is `letters` or begins so. Raises `DocumentUnknown`."""
    column = documents.c.document_id
    found = _ids(database, select(column).where(begins_with(column, letters))) if letters else []
    if letters not in found and len(found) != 1:
        raise DocumentUnknown(letters)
    return letters if letters in found else found[0]


def _ids(database: Database, query: Select[tuple[str]]) -> list[str]:
    """The first ids that a query finds, as many as a message shows."""
    with database.read() as connection:
        return list(connection.execute(query.limit(_SHOWN)).scalars())
