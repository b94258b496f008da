"""Runs a plan: begins its backfill, and has its shards worked by workers or in this process."""

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks.secret_url import SecretUrl
from deployments.cli.output import note

if TYPE_CHECKING:
    from blocks.backfill.plan import Plan, Terms
    from blocks.backfill.selection import Selection
    from blocks.database.engine import Database
    from blocks.database.pipeline.backfills import Backfill, Shard
    from tasks.runs.prepare import PreparedRun
    from tasks.runs.run import Run


def planning_run(selection: "Selection", terms: "Terms") -> "tuple[Run, PreparedRun]":
    """A run that is open for reading only, and what it works with. It needs no Prefect server."""
    from tasks.runs.chunk import RunContext
    from tasks.runs.prepare import load_types, prepare_run
    from tasks.runs.run import Run
    from tasks.stage_openers import READ_ONLY

    prepared = prepare_run(load_types(selection.document_type), terms.models, with_blocks=False)
    context = RunContext(
        run_id="plan",
        rerun=terms.rerun,
        models=terms.models,
        reopen=terms.reopen,
        relearn=terms.relearn,
        learned=terms.learned,
        accept_error=terms.accept_error,
    )
    return Run(prepared, context, READ_ONLY), prepared


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a plan is run. `outputs_of`: a dry run of the plan whose outputs are used."""

    shard_size: int
    side_by_side: int = 1
    here: bool = True
    is_dry_run: bool = False
    outputs_of: "Backfill | None" = None


def run_plan(plan: "Plan", url: SecretUrl | None, options: RunOptions) -> "tuple[Backfill, Database]":
    """Run a plan to its end. Raises `GroundMoved`, `WrongState`, `BackfillStopped`."""
    from blocks.settings import configure
    from deployments.cli.run import pin_database, report_of, run_flow
    from deployments.prefect_api.client import use_prefect

    pin_database(configure(database_url=url))
    with contextlib.redirect_stdout(sys.stderr):  # what a library prints is not our output
        server = use_prefect(announce=note)
        from blocks.database.pipeline.leases import hold_lease
        from flows.backfill_shard import backfill_shard
        from tasks.backfill import task
        from tasks.backfill.beside import bring_outputs
        from tasks.backfill.shards import backfill_id_of, begin_backfill
        from tasks.runs.prepare import load_types, prepare_run

        run, prepared_plan = planning_run(plan.selection, plan.terms)
        backfill_id = backfill_id_of(plan, is_dry_run=options.is_dry_run)
        with hold_lease(run.database, backfill_id, wait_s=run.database.outage_wait_s):  # who reads its state sees it
            backfill = begin_backfill(
                run, prepared_plan.registry, plan, shard_size=options.shard_size, is_dry_run=options.is_dry_run
            )
            if options.outputs_of is not None:
                bring_outputs(run.database, options.outputs_of)
            note(f"backfill {backfill.backfill_id[:12]}: {plan.documents:,} documents")
            if not options.here and task.has_deployment():
                side_by_side = f"{options.side_by_side} side by side"
                note(f"its shards are runs of the deployment {task.SHARD_DEPLOYMENT}, {side_by_side}")
                task.run_in_pool(run.database, backfill, options.side_by_side, announce=note)
                return backfill, run.database

            def work_shard(shard: "Shard") -> None:
                prepared = prepare_run(load_types(None), plan.terms.models)
                parameters: dict[str, object] = {"backfill_id": backfill.backfill_id, "shard": shard.shard}
                report_of(run_flow(backfill_shard, parameters, prepared, server))

            task.run_here(run.database, backfill, work_shard)
    return backfill, run.database
