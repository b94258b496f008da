"""The models of a run in this process: the registry, and the gateway once a document needs it."""

from typing import TYPE_CHECKING

from blocks.database.models.registry import DatabaseRegistry
from blocks.database.outages import wait_out_outages
from blocks.gateway.registry.registry import RegistryState, registry_state
from tasks.runs.models import open_gateway
from tasks.runs.run import Run

if TYPE_CHECKING:
    from blocks.gateway.gateway import RunGateway


class DatabaseModels:
    """The registry of a run's database, and the process's gateway under the run's terms."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._registry = DatabaseRegistry(run.ledger, registry_state)

    def registry(self) -> RegistryState:
        """The registry as it is now, by one query."""
        return wait_out_outages(self._registry.load, self._run.ledger.outage_wait_s)

    def gateway(self) -> "RunGateway":
        """Open the gateway. The run decides what may be spent, and whether texts are stored and replies reused."""
        from blocks.gateway.gateway import RunTerms  # imports the HTTP client

        settings, context = self._run.settings, self._run.context
        terms = RunTerms(
            run_usd=settings.budget_per_run_usd if context.budget_usd is None else context.budget_usd,
            day_usd=settings.budget_per_day_usd,
            reads_cache=context.use_cache,
            keeps_texts=settings.keep_prompts,
        )
        return open_gateway(self._run.ledger).for_run(terms)
