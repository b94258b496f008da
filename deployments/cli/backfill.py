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

app = new_group(COMMANDS["backfill"].help)


@app.callback()
def _group() -> None:
    """Compute known documents again, by a plan."""


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


def _planned(selection: "Selection", terms: "Terms") -> "Plan":
    """The plan, made in this process. It needs no Prefect server."""
    from tasks.backfill.plan import make_plan
    from tasks.runs.chunk import RunContext
    from tasks.runs.prepare import load_types, prepare_run
    from tasks.runs.run import Run
    from tasks.stages import PIPELINE

    prepared = prepare_run(load_types(selection.document_type), terms.models, with_blocks=False)
    context = RunContext(run_id="plan", rerun=terms.rerun, models=terms.models, reopen=terms.reopen)
    return make_plan(Run(prepared, context, PIPELINE), prepared.registry, selection, terms)


def _write(plan: "Plan", file: Path) -> None:
    """Write a plan. Raises `UsageError` where the file cannot be written."""
    try:
        file.write_text(plan.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
