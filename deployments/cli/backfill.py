"""`winnow backfill`: known documents again, by a plan."""

import shlex
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.records import Rerun
from deployments.cli import backfill_options as options
from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import MOST, DatabaseOption
from deployments.cli.output import note, say, write_file

if TYPE_CHECKING:
    from blocks.backfill.comparison import Comparison
    from blocks.backfill.plan import Plan, Terms
    from blocks.backfill.selection import Selection
    from blocks.database.engine import Database

SHARD_SIZE, SIDE_BY_SIDE = 1_000, 4
IdArgument = Annotated[str | None, typer.Argument(metavar="ID", help="its first letters; by default the newest")]

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
    relearn: options.RelearnOption = False,
    database: DatabaseOption = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="write the plan for winnow backfill run")] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST, metavar="N", help="compute N documents beside the current rows, and compare their values"
        ),
    ] = None,
    sample_budget: Annotated[
        str | None, typer.Option(metavar="USD", help="what models may cost for --sample; by default 0: none is called")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the plan as JSON, and nothing else")] = False,
) -> None:
    """Show what a backfill would do, what it may cost and what changed. Without --sample, nothing is spent."""
    from blocks.backfill.plan import Terms
    from blocks.settings import configure
    from deployments.cli.backfill_plan import show_plan
    from deployments.cli.backfill_status import show_comparison
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
        relearn=relearn,
    )
    plan, comparison = _planned(selection, terms, sample, options.budget_in_all(sample_budget, Decimal(0)))
    if save is not None:
        write_file(save, plan.model_dump_json(indent=2) + "\n")
    if as_json:
        say(plan.model_copy(update={"sample": comparison}).model_dump_json(indent=2))
        return
    show_plan(plan)
    if comparison is not None:
        show_comparison(comparison)
    if save is not None:
        note(f"the plan is in {save}; run it with: winnow backfill run {shlex.quote(str(save))}")


@app.command("run")
def run_(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="the file of a plan, from plan --save")],
    shard_size: Annotated[int, typer.Option(min=1, max=MOST, help="documents of a shard")] = SHARD_SIZE,
    side_by_side: Annotated[int, typer.Option(min=1, max=100, help="shards that workers work at once")] = SIDE_BY_SIDE,
    here: Annotated[bool, typer.Option("--here", help="in this process, also where workers could")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="keep the results beside the current ones until promote or discard")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Do what a plan says, or go on with it. Stops where types, settings, models or rows are not as planned."""
    from deployments.cli.backfill_run import RunOptions, run_plan
    from deployments.cli.backfill_status import show_comparison, show_status

    run_options = RunOptions(shard_size, side_by_side, here, is_dry_run=dry_run)
    backfill, opened = run_plan(read_plan(plan), database, run_options)
    show_status(opened, backfill.backfill_id)
    if dry_run:
        show_comparison(compared(opened, backfill.backfill_id))
        letters = backfill.backfill_id[:12]
        note(f"put them in force: winnow backfill promote {letters}; forget them: winnow backfill discard {letters}")


@app.command("compare")
def compare_(
    backfill_id: IdArgument = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object, and nothing else")] = False,
) -> None:
    """Show a dry run's values against the current ones, and how many documents would need a person, or no longer."""
    from deployments.cli.backfill_status import show_comparison
    from deployments.cli.options import open_existing

    found = compared(open_existing(database), backfill_id)
    if as_json:
        say(found.model_dump_json())
    else:
        show_comparison(found)


@app.command()
def promote(
    backfill_id: Annotated[str, typer.Argument(metavar="ID", help="the dry run, by the first letters of its id")],
    database: DatabaseOption = None,
) -> None:
    """Put a dry run's results in force. Nothing is computed again; stops where the plan's ground has moved."""
    from blocks.database.pipeline import backfills
    from deployments.cli.backfill_run import RunOptions, run_plan
    from deployments.cli.backfill_status import show_status
    from deployments.cli.options import open_existing
    from tasks.backfill.beside import checked, end_dry_run

    dry_run = checked(backfills.find_backfill(open_existing(database), backfill_id))
    backfill, opened = run_plan(dry_run.plan, database, RunOptions(SHARD_SIZE, outputs_of=dry_run))
    end_dry_run(opened, dry_run, backfills.BackfillState.PROMOTED)
    show_status(opened, backfill.backfill_id)


@app.command()
def discard(
    backfill_id: Annotated[str, typer.Argument(metavar="ID", help="the dry run, by the first letters of its id")],
    database: DatabaseOption = None,
) -> None:
    """Forget the results of a dry run."""
    from blocks.database.pipeline import backfills
    from deployments.cli.options import open_existing
    from tasks.backfill.beside import end_dry_run

    opened = open_existing(database)
    dry_run = backfills.find_backfill(opened, backfill_id)
    end_dry_run(opened, dry_run, backfills.BackfillState.DISCARDED)
    note(f"the results of {dry_run.backfill_id[:12]} are forgotten; what its calls cost stays in the ledger")


@app.command()
def status(
    backfill_id: IdArgument = None,
    database: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object, and nothing else")] = False,
) -> None:
    """Show how far a backfill is: documents, time left, money, failures by kind, shards."""
    from deployments.cli.backfill_status import show_status
    from deployments.cli.options import open_existing

    show_status(open_existing(database), backfill_id, as_json=as_json)


@app.command()
def cancel(
    backfill_id: IdArgument = None,
    database: DatabaseOption = None,
) -> None:
    """Stop a backfill within seconds, wherever its shards run. The same winnow backfill run goes on with it."""
    from blocks.backfill.errors import WrongState
    from blocks.database.pipeline import backfills
    from deployments.cli.options import open_existing

    opened = open_existing(database)
    found = backfills.find_backfill(opened, backfill_id)
    if found.state not in {backfills.BackfillState.RUNNING, backfills.BackfillState.STOPPED}:
        raise WrongState(found.backfill_id, found.state, "only one that runs or has stopped can be cancelled")
    backfills.set_state(opened, found.backfill_id, backfills.BackfillState.CANCELLED)
    note(f"backfill {found.backfill_id[:12]} is cancelled; its runs end within seconds")


def compared(database: "Database", letters: str | None) -> "Comparison":
    """A dry run's results against those in force. Raises `BackfillUnknown` and `WrongState`."""
    from blocks.database.pipeline import backfills
    from tasks.backfill.beside import compare_dry_run

    return compare_dry_run(database, backfills.find_backfill(database, letters))


def read_plan(file: Path) -> "Plan":
    """The plan in a file. Raises `PlanInvalid`."""
    from pydantic import ValidationError

    from blocks.backfill.errors import PlanInvalid
    from blocks.backfill.plan import Plan
    from blocks.yaml.messages import first_finding

    try:
        return Plan.model_validate_json(file.read_bytes())
    except OSError as error:
        raise PlanInvalid(str(file), str(error.strerror)) from None
    except ValidationError as error:
        raise PlanInvalid(str(file), first_finding(error)) from None


def _planned(
    selection: "Selection", terms: "Terms", sample: int | None, sample_usd: Decimal
) -> "tuple[Plan, Comparison | None]":
    """The plan, and the comparison of a sample, made in this process. It needs no Prefect server."""
    from deployments.cli.backfill_run import planning_run
    from tasks.backfill.plan import plan_with_documents

    run, prepared = planning_run(selection, terms)
    plan, document_ids = plan_with_documents(run, prepared.registry, selection, terms)
    if sample is None or not document_ids:
        return plan, None
    from tasks.backfill.beside import compute_sample
    from tasks.stages import PIPELINE

    note(
        f"computing {min(sample, len(document_ids)):,} documents beside the current rows, for {sample_usd} USD at most"
    )
    comparison, spent_usd = compute_sample(prepared, PIPELINE, plan, document_ids, sample, sample_usd)
    note(f"the sample cost {spent_usd} USD")
    return plan, comparison
