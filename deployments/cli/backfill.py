"""`winnow backfill`: known documents again, by a plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import UsageError
from blocks.records import Rerun
from deployments.cli import backfill_options as options
from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import DatabaseOption
from deployments.cli.output import note, say

if TYPE_CHECKING:
    from blocks.backfill.plan import Plan, Terms
    from blocks.backfill.selection import Selection

SHARD_SIZE, SIDE_BY_SIDE = 1_000, 4

app = new_group(COMMANDS["backfill"].help)


@app.command("plan")
def plan_(
    document_type: options.TypeOption = None,
    status: options.StatusOption = None,
    reason: options.ReasonOption = None,
    failure_kind: options.KindOption = None,
    source: options.SourceOption = None,
    seen_from: options.SeenFromOption = None,
    seen_before: options.SeenBeforeOption = None,
    run: options.RunOption = None,
    confidence_from: options.LeastOption = None,
    confidence_below: options.BelowOption = None,
    asked: options.AskedOption = None,
    stale: options.StaleOption = False,
    reclassified: options.ReclassifiedOption = False,
    limit: options.LimitOption = None,
    rerun: options.RerunOption = Rerun.STALE,
    model: options.ModelOption = None,
    budget: options.BudgetOption = None,
    no_cache: options.NoCacheOption = False,
    reopen: options.ReopenOption = False,
    database: DatabaseOption = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="write the plan for winnow backfill run")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the plan as JSON, and nothing else")] = False,
) -> None:
    """Show what a backfill would do, what it may cost and what changed. Nothing is computed and nothing is spent."""
    from blocks.backfill.plan import Terms
    from blocks.settings import configure
    from deployments.cli.backfill_plan import show_plan
    from deployments.cli.options import chosen_run, open_existing
    from deployments.cli.run_models import names_of

    settings = configure(database_url=database)
    selection = options.selection_of(
        source,
        document_type=document_type,
        status=status,
        reason=reason,
        failure_kind=failure_kind,
        seen_from=seen_from,
        seen_before=seen_before,
        run=run and chosen_run(open_existing(database), run),
        confidence_from=confidence_from,
        confidence_below=confidence_below,
        model=asked,
        stale=stale,
        reclassified=reclassified,
        limit=limit,
    )
    terms = Terms(
        rerun=rerun,
        models=names_of(model),
        budget_usd=options.budget_in_all(budget, settings.budget_per_run_usd),
        use_cache=not no_cache,
        reopen=reopen,
    )
    plan = _planned(selection, terms)
    if save is not None:
        _write(plan, save)
    if as_json:
        say(plan.model_dump_json(indent=2))
        return
    show_plan(plan)
    if save is not None:
        note(f"the plan is in {save}; run it with: winnow backfill run {save}")


@app.command("run")
def run_(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="the file of a plan, from plan --save")],
    shard_size: Annotated[int, typer.Option(min=1, help="documents of a shard")] = SHARD_SIZE,
    side_by_side: Annotated[int, typer.Option(min=1, max=100, help="shards that workers work at once")] = SIDE_BY_SIDE,
    here: Annotated[bool, typer.Option("--here", help="in this process, also where workers could")] = False,
    database: DatabaseOption = None,
) -> None:
    """Do what a plan says, or go on with it. Stops where types, settings, models or rows are not as planned."""
    from deployments.cli.backfill_run import run_plan
    from deployments.cli.backfill_status import show_status

    backfill, opened = run_plan(read_plan(plan), database, shard_size=shard_size, side_by_side=side_by_side, here=here)
    show_status(opened, backfill.backfill_id)


@app.command()
def status(
    backfill_id: Annotated[str | None, typer.Argument(metavar="ID", help="its first letters; else the newest")] = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object, and nothing else")] = False,
) -> None:
    """Show how far a backfill is: documents, time left, money, failures by kind, shards."""
    from deployments.cli.backfill_status import show_status
    from deployments.cli.options import open_existing

    show_status(open_existing(database), backfill_id, as_json=as_json)


@app.command()
def cancel(
    backfill_id: Annotated[str | None, typer.Argument(metavar="ID", help="its first letters; else the newest")] = None,
    database: DatabaseOption = None,
) -> None:
    """Stop a backfill within seconds, wherever its shards run. The same winnow backfill run goes on with it."""
    from blocks.backfill.errors import WrongState
    from blocks.database.pipeline import backfills
    from deployments.cli.options import open_existing

    opened = open_existing(database)
    found = backfills.find_backfill(opened, backfill_id)
    if found.state is not backfills.BackfillState.RUNNING:
        raise WrongState(found.backfill_id, found.state, "only a running one can be cancelled")
    backfills.set_state(opened, found.backfill_id, backfills.BackfillState.CANCELLED)
    note(f"backfill {found.backfill_id[:12]} is cancelled; its runs end within seconds")


def read_plan(file: Path) -> "Plan":
    """The plan in a file. Raises `PlanInvalid`."""
    from pydantic import ValidationError

    from blocks.backfill.errors import PlanInvalid
    from blocks.backfill.plan import Plan

    try:
        return Plan.model_validate_json(file.read_bytes())
    except OSError as error:
        raise PlanInvalid(str(file), str(error.strerror)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise PlanInvalid(str(file), f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _planned(selection: "Selection", terms: "Terms") -> "Plan":
    """The plan, made in this process. It needs no Prefect server."""
    from deployments.cli.backfill_run import planning_run
    from tasks.backfill.plan import make_plan

    run, registry = planning_run(selection, terms)
    return make_plan(run, registry, selection, terms)


def _write(plan: "Plan", file: Path) -> None:
    """Write a plan. Raises `UsageError` where the file cannot be written."""
    try:
        file.write_text(plan.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
