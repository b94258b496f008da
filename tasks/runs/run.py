"""A run from its first row to its last: what is written down before any work, and what is true however it ends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from blocks.database.address import connect
from blocks.database.engine import Database
from blocks.database.pipeline import runs
from blocks.database.pipeline.live_runs import hold_run
from blocks.database.results import views
from blocks.document_types.loader import load_document_types
from blocks.document_types.schema import DocumentType
from blocks.errors import DocumentTypeUnknown, RunInterrupted
from blocks.gateway.routing.checks import check_routes
from blocks.records import Backfill, Batch, Rerun
from blocks.settings import Settings, load_settings
from tasks.runs.chunk import RunContext
from tasks.runs.models import hold_gateway, key_ring, open_registry, put_blocks
from tasks.runs.pipeline import pipeline_digest


@contextmanager
def open_run(
    run_id: str,
    name: str,
    batch: Batch | Backfill,
    rerun: Rerun,
    *,
    models: tuple[str, ...] = (),
    budget_usd: Decimal | None = None,
    use_cache: bool = True,
) -> Iterator[RunContext]:
    """Write the run's row, with a snapshot of settings and type versions; on an error, write how it ended and raise.

    However it ends, the last run of a process leaves the models: nothing waits to be written, others have their limits.
    `run_id` and `name` are those of the Prefect flow run around it; `models`, `budget_usd` and `use_cache` are for the
    run's context.
    Raises `DocumentTypeUnknown`, `DatabaseUnreachable`, `DatabaseNewer`, or what `check_routes` raises of models and
    routes that cannot work, before anything of the run is written.
    """
    settings = load_settings()
    types = load_document_types(settings.document_types_dir)
    _known_type(types, batch.document_type)
    database = connect(settings)
    registry = open_registry(database)
    put_blocks(registry)
    check_routes(types, registry.load(), key_ring(), models)
    run = RunContext(
        run_id=run_id,
        name=name,
        rerun=rerun,
        max_attempts=settings.max_attempts,
        models=models,
        budget_usd=budget_usd,
        use_cache=use_cache,
    )
    with hold_gateway(database):
        run = _begin(database, settings, types, run, batch)
        try:
            with hold_run(database, run_id):
                yield run
        except (KeyboardInterrupt, SystemExit, RunInterrupted):
            runs.finish_run(database, run.run_id, "Cancelled", "stopped before the end")
            raise
        except Exception as error:
            runs.finish_run(database, run.run_id, "Failed", str(error))
            raise


def _begin(
    database: Database, settings: Settings, types: Mapping[str, DocumentType], run: RunContext, batch: Batch | Backfill
) -> RunContext:
    """Write the run's row; the run with the digest of what its documents are worked under."""
    begun = run.model_copy(update={"pipeline_digest": pipeline_digest(settings, run)})
    views.create_views(database, types)
    runs.start_run(
        database,
        run.run_id,
        run.name,
        settings=_snapshot(settings),
        types=types,
        source=batch.model_dump_json(exclude_none=True),
    )
    return begun


def _known_type(types: Mapping[str, DocumentType], name: str | None) -> None:
    if name is not None and name not in types:
        raise DocumentTypeUnknown(name, tuple(sorted(types)))


def _snapshot(settings: Settings) -> dict[str, object]:
    """The settings as the run's row keeps them: no address, no secret."""
    return settings.model_dump(mode="json", exclude={"database_url", "passwords", "prefect_api_url"})
