"""How `winnow run` reads and prints its models and its budget."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from blocks.errors import UsageError
from deployments.cli.output import note, warn

if TYPE_CHECKING:
    from blocks.settings import Settings
    from tasks.runs.prepare import PreparedRun

MAX_BUDGET_USD = 1_000_000_000
MIN_EXPONENT = -12
"""A larger amount, or one below a millionth of a millionth, is a typing mistake."""


def names_of(options: Sequence[str] | None) -> tuple[str, ...]:
    """The models of all --model options, each once, in order. Raises `UsageError`."""
    names = tuple(dict.fromkeys(name.strip() for option in options or () for name in option.split(",")))
    if not all(names):  # an empty variable in a script must not start the types' routes, which cost money
        raise UsageError("--model has an empty name; name a model, or leave --model out for the types' routes")
    return names


def budget_of(option: str | None) -> Decimal | None:
    """--budget in USD, if it is given. Raises `UsageError`."""
    if option is None:
        return None
    try:
        usd = Decimal(option.strip().removeprefix("$"))
    except InvalidOperation:
        usd = Decimal("nan")
    if not usd.is_finite() or usd < 0 or usd > MAX_BUDGET_USD or (usd and usd.adjusted() < MIN_EXPONENT):
        raise UsageError(f"--budget is {option[:40]!r}: give an amount of USD, such as --budget 2.50")
    return usd


def budgets_text(run_usd: Decimal, settings: "Settings") -> str:
    """The budgets in words."""
    day_usd, document_usd = settings.budget_per_day_usd, settings.budget_per_document_usd
    return f"${run_usd:f} for this run, ${day_usd:f} a day, ${document_usd:f} a document"


def show_models(prepared: "PreparedRun", budget_usd: Decimal | None) -> None:
    """Print which models the types' routes, or --model, may call and which budgets apply, if there are any."""
    from blocks.gateway.routing.plan import plan_route

    settings, state = prepared.settings, prepared.registry
    plans = (plan_route(document_type, state, prepared.models) for document_type in prepared.types.values())
    planned = {name for plan in plans for step in plan for name in step.models}
    names = [model.name for model in state.models if model.name in planned]
    if not names:
        return
    run_usd = settings.budget_per_run_usd if budget_usd is None else budget_usd
    note(f"models: {', '.join(names)}; budget: {budgets_text(run_usd, settings)}")
    if state.is_paused:
        warn("models are paused: documents that need a model go to review; winnow models resume ends the pause")
