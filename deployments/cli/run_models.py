"""What `winnow run` settles about language models before anything starts: names, routes, prices, keys, the budget."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from blocks.database.address import connect
from blocks.document_types.schema import DocumentType
from blocks.errors import UsageError
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.checks import check_routes
from blocks.settings import Settings, load_settings
from deployments.cli.output import stderr
from deployments.prefect_api import local_server as prefect_server
from deployments.prefect_api.client import profile_url
from tasks.runs.models import key_ring, open_registry, put_blocks

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


def check_before_prefect(types: Mapping[str, DocumentType], models: tuple[str, ...]) -> None:
    """Refuse a configuration that no Prefect block can mend, before a server is started or anything else is slow.

    Raises the `UsageError` of `check_routes`.
    """
    may_hold_blocks = load_settings().prefect_api_url or profile_url() or prefect_server.has_been_used()
    if not may_hold_blocks:
        check_routes(types, _registry(load_settings(), with_blocks=False), key_ring(), models)


def check_with_prefect(types: Mapping[str, DocumentType], models: tuple[str, ...], budget_usd: Decimal | None) -> None:
    """Refuse a configuration that cannot work; say which budget is in force where a model may be asked.

    Prefect's blocks are in the registry by then. Raises the `UsageError` of `check_routes`, `ModelInvalid` and
    `PrefectUnreachable`.
    """
    settings = load_settings()
    state = _registry(settings, with_blocks=True)
    check_routes(types, state, key_ring(), models)
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


def _registry(settings: Settings, *, with_blocks: bool) -> RegistryState:
    registry = open_registry(connect(settings))
    if with_blocks:
        put_blocks(registry)
    return registry.load()
