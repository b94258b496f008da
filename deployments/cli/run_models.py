"""What `winnow run` says and is told about language models: names, and the budget."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from blocks.errors import UsageError
from blocks.settings import Settings
from deployments.cli.output import stderr
from tasks.runs.prepare import PreparedRun

MOST_BUDGET_USD = 1_000_000_000
LEAST_EXPONENT = -12
"""An amount of more, or of less than a millionth of a millionth, is a slip of the keyboard."""


def names_of(options: Sequence[str] | None) -> tuple[str, ...]:
    """The models that --model names, each once, in order; it may be given more than once. Raises `UsageError`."""
    names = tuple(dict.fromkeys(name.strip() for option in options or () for name in option.split(",")))
    if not all(names):  # as a script's empty variable gives: the types' routes would then spend what was not meant
        raise UsageError("--model has an empty name in it; name a model, or leave --model out for the types' routes")
    return names


def budget_of(option: str | None) -> Decimal | None:
    """What --budget says in USD; None where it is not given. Raises `UsageError`."""
    if option is None:
        return None
    try:
        usd = Decimal(option.strip().removeprefix("$"))
    except InvalidOperation:
        usd = Decimal("nan")
    if not usd.is_finite() or usd < 0 or usd > MOST_BUDGET_USD or (usd and usd.adjusted() < LEAST_EXPONENT):
        raise UsageError(f"--budget is {option[:40]!r}: give an amount of USD, such as --budget 2.50")
    return usd


def budgets_told(run_usd: Decimal, settings: Settings) -> str:
    """The budgets in words, amounts as people write them."""
    day_usd, document_usd = settings.budget_per_day_usd, settings.budget_per_document_usd
    return f"${run_usd:f} for this run, ${day_usd:f} a day, ${document_usd:f} a document"


def show_models(prepared: PreparedRun, budget_usd: Decimal | None) -> None:
    """Print which models may be asked and which budget is in force, where there are any."""
    settings, state, models = prepared.settings, prepared.registry, prepared.models
    asked = [model.name for model in state.models if (model.name in models if models else model.is_enabled)]
    if not asked:
        return
    run_usd = settings.budget_per_run_usd if budget_usd is None else budget_usd
    stderr.print(
        f"models: {', '.join(asked)}; budget: {budgets_told(run_usd, settings)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if state.is_paused:
        stderr.print("models are paused: what needs one goes to review; winnow models resume", style="yellow")
