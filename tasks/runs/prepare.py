"""Checks a run's settings, types, database and routes before anything of it is written; once per run.

The command prepares a run before it starts a Prefect server, and hands it over to the flow that it calls. A flow in a
worker prepares its run itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from blocks.database.address import connect
from blocks.database.engine import Database, database_id
from blocks.database.outages import wait_out_outages
from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.errors import DocumentTypeUnknown, RunError
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.checks import check_routes
from blocks.settings import Settings, load_settings
from tasks.runs.models import key_ring, open_registry, put_blocks


class OtherDatabase(RunError):
    """A run that is tried again began in another database, which has its rows."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"this run began in another database than {url}: give the worker that database (WINNOW_DATABASE_URL, or "
            "the Prefect block winnow-database) and retry, or start a new run"
        )


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRun:
    """What a run works with, loaded and checked.

    `ledger` is set where the run computes beside the main database: that one has the models and their calls.
    """

    settings: Settings
    types: Mapping[str, DocumentType]
    database: Database
    registry: RegistryState
    models: tuple[str, ...]
    ledger: Database | None = None


_handed_over: ContextVar[PreparedRun | None] = ContextVar("prepared_run", default=None)


def load_types(document_type: str | None) -> Mapping[str, DocumentType]:
    """The document types of a run. Raises `DocumentTypeInvalid`, and `DocumentTypeUnknown` for `document_type`."""
    types = load_document_types(load_settings().document_types_dir)
    if document_type is not None and document_type not in types:
        raise DocumentTypeUnknown(document_type, tuple(sorted(types)))
    return types


def prepare_run(types: Mapping[str, DocumentType], models: tuple[str, ...], *, with_blocks: bool = True) -> PreparedRun:
    """Open the database and check that the types' routes, or the `models` in their place, work.

    `with_blocks`: whether models that are Prefect blocks are written to the registry first.
    Raises `DatabaseUnreachable`, `DatabaseNewer`, `PrefectUnreachable`, and as `check_routes`.
    """
    settings = load_settings()
    database = connect(settings)
    registry = open_registry(database)
    if with_blocks:
        put_blocks(registry)
    state = registry.load()
    check_routes(types, state, key_ring(), models)
    return PreparedRun(settings, types, database, state, models)


@contextmanager
def handed_over(prepared: PreparedRun) -> Iterator[None]:
    """Hand the prepared run over to the flow that is called within the block."""
    token = _handed_over.set(prepared)
    try:
        yield
    finally:
        _handed_over.reset(token)


def prepared_run(document_type: str | None, models: tuple[str, ...]) -> PreparedRun:
    """The run that the command handed over, or else prepare it, when the database answers.

    Raises as `load_types` and `prepare_run`.
    """
    if prepared := _handed_over.get():
        return prepared
    types = load_types(document_type)
    return wait_out_outages(lambda: prepare_run(types, models), load_settings().database_outage_wait_s)


def refuse_other_database(database: Database, began_in: str | None) -> None:
    """Raise `OtherDatabase` if a run that began in the database of the id `began_in` would go on in this one."""
    if began_in is not None and database_id(database) != began_in:
        raise OtherDatabase(str(database.url))
