"""`winnow models`: the registry of language models, the switches, and the ledger of their calls."""

import getpass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from blocks.database.address import database_url
from blocks.database.models import calls as calls_queries
from blocks.database.models.breaker_states import DatabaseBreakerStates
from blocks.database.models.registry import DatabaseRegistry
from blocks.database.pipeline.known_ids import check_document
from blocks.errors import PrefectUnreachable, UsageError
from blocks.gateway.policies.shared_state import CircuitReport
from blocks.gateway.registry.errors import KeyUnusable, ModelInvalid, ModelUnknown
from blocks.gateway.registry.keys import KeyRing
from blocks.gateway.registry.registry import ProviderName, RegisteredModel, RegistryState, Tier
from blocks.gateway.registry.seed import read_seed
from blocks.gateway.spending.prices import price_of
from blocks.records import LOCAL
from blocks.settings import configure, load_settings
from deployments.cli.model_rows import (
    COLUMNS,
    NARROW_COLUMNS,
    hides_costs,
    model_row,
    needs_prefect,
    price_with_sources,
)
from deployments.cli.model_values import Served, checked_model, parse_headers, parse_values, values_of_new
from deployments.cli.options import DatabaseOption, FormatOption, RunOption, chosen_run, open_existing, open_or_create
from deployments.cli.output import OutputFormat, show_rows, stderr, stdout
from tasks.runs.models import key_ring, open_registry

CALL_COLUMNS = (
    "called_at",
    "document_id",
    "model",
    "step",
    "attempt",
    "outcome",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "unconfirmed_usd",
    "latency_ms",
    "lane",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="what routes call the model")]

app = typer.Typer(
    help="The language models: which there are, what they cost, and what was asked of them.", no_args_is_help=True
)


@app.command("list")
def list_models(output_format: FormatOption = OutputFormat.TABLE, database: DatabaseOption = None) -> None:
    """List the models with prices, limits, keys, and which of them may be asked. Keys themselves are never shown."""
    state, breakers = _current(database)
    keys = key_ring()
    rows = [
        model_row(model, _key_state(model, keys), breakers.get(model.name), state.is_paused) for model in state.models
    ]
    show_rows(rows, COLUMNS, output_format, "no models; winnow models add NAME makes one known", NARROW_COLUMNS)
    if output_format is OutputFormat.TABLE:
        if state.is_paused:
            _warn("all models are paused: nothing is asked until `winnow models resume`")
        if not any(model.is_enabled for model in state.models):
            _say("none is enabled: every document type is read by the built-in model; winnow models enable NAME")


@app.command()
def add(
    name: NameArgument,
    provider: Annotated[ProviderName, typer.Option(help="whose wire format the endpoint speaks")],
    upstream: Annotated[str, typer.Option("--model", metavar="UPSTREAM", help="what the provider calls the model")],
    endpoint: Annotated[
        str, typer.Option(metavar="URL", help="base address of a server of your own; by default the provider's")
    ] = "",
    key_env: Annotated[
        str | None,
        typer.Option(metavar="VAR", help="environment variable that holds the key; by default the provider's usual"),
    ] = None,
    input_price: Annotated[
        str | None, typer.Option(metavar="USD_PER_MTOK", help="by default that of the price list; 0 where it is free")
    ] = None,
    output_price: Annotated[str | None, typer.Option(metavar="USD_PER_MTOK", help="as --input-price")] = None,
    tier: Annotated[Tier | None, typer.Option(help="for routes that name a tier in place of a model")] = None,
    rpm: Annotated[int | None, typer.Option(metavar="N", help="requests per minute, over all workers")] = None,
    tpm: Annotated[int | None, typer.Option(metavar="N", help="tokens per minute, over all workers")] = None,
    in_flight: Annotated[int | None, typer.Option(metavar="N", help="calls at once, over all workers")] = None,
    timeout_s: Annotated[
        float | None, typer.Option(metavar="S", help="seconds for one call, attempts included")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="extra header of requests, once each; never a key")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Make a model known, and let it be asked from the next call on. Its key stays where it is."""
    registry = _open(database)
    state = registry.load()
    known = state.get(name)
    if known and known.was_enabled:
        enabling = "" if known.is_enabled else f", and let it be asked with `winnow models enable {name}`"
        change = f"change it with `winnow models set {name} key=value`{enabling}"
        raise ModelInvalid(name, f"it is in the registry already; {change}")
    given = {
        "key": None if key_env is None else f"env:{key_env}",
        "input_price": input_price,
        "output_price": output_price,
        "tier": tier,
        "rpm": rpm,
        "tpm": tpm,
        "in_flight": in_flight,
        "timeout_s": timeout_s,
        "headers": parse_headers(header) if header else None,
    }
    served = Served(provider, upstream, endpoint)
    values = values_of_new(state, name, served)
    model = checked_model(name, values | {option: value for option, value in given.items() if value is not None})
    registry.put(model)
    _say(f"{name} can be asked from now on: {model.version}")
    if known:
        place = "keeps its place" if model.position == known.position else "is another model now, and comes last"
        _say(f"it was known, and {place} among those of its tier: position {model.position}")
    _tell_what_is_missing(model)


@app.command("set")
def set_values(
    name: NameArgument,
    values: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="such as rpm=60 timeout_s=30 tier=cheap")],
    database: DatabaseOption = None,
) -> None:
    """Change a model; the next call follows. An empty value takes a limit, price, key or tier away.

    Keys: upstream, endpoint, key_env, input_price, output_price, cached_price, cache_write_price (USD per million
    tokens), tier, rpm, tpm, in_flight, timeout_s, max_output_tokens, context_window, json_mode, images, logprobs,
    position; key names another place of the key: env:VAR, secret:name or block:name; header.NAME an extra header of
    requests, such as header.X-Org=acme (never a credential).
    """
    registry = _open(database)
    known = _known(registry.load(), name)
    changes = parse_values(known, values)
    model = checked_model(name, known.model_dump(exclude={"name"}) | changes)
    registry.set_values(name, {column: _storable(getattr(model, column)) for column in changes})
    _say(f"{name}: " + ", ".join(_set_to(model, column) for column in changes))
    _tell_of_block(model)
    if model.is_enabled:
        _tell_what_is_missing(model)


@app.command()
def enable(name: NameArgument, database: DatabaseOption = None) -> None:
    """Let a model be asked, at once: its circuit breaker is closed too."""
    registry = _open(database)
    model = _known(registry.load(), name)
    registry.enable(name)
    _close_circuit(database, model)
    _say(f"{name} can be asked from now on")
    _tell_what_is_missing(model)


@app.command()
def disable(name: NameArgument, database: DatabaseOption = None) -> None:
    """Let a model not be asked any more. Nothing that it read becomes stale."""
    registry = _open(database)
    model = _known(registry.load(), name)
    registry.disable(name)
    _say(f"{name} is not asked any more")
    _tell_of_block(model)


@app.command()
def pause(database: DatabaseOption = None) -> None:
    """Stop all spending: within seconds no worker asks any model. Runs go on; what needs a model goes to review."""
    _open(database).pause(_user())
    _say("models are paused; `winnow models resume` ends it")


@app.command()
def resume(database: DatabaseOption = None) -> None:
    """Allow spending again. The next run takes up what was left."""
    _open(database).resume(_user())
    _say("models may be asked again")


@app.command("test")
def try_once(name: NameArgument, database: DatabaseOption = None) -> None:
    """Make one real call, which may cost a fraction of a cent: latency, usage, cost, schema support.

    The model need not be enabled. The call is in the ledger, in the lane `test`.
    """
    from deployments.cli.model_trial import told, try_model

    opened = open_or_create(database)
    registry = open_registry(opened)
    model = _known(registry.load(), name)
    _close_circuit(database, model)
    trial = try_model(opened, model, load_settings())
    for line in told(_known(registry.load(), name), trial):
        stdout.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def calls(
    run: RunOption = None,
    document: Annotated[
        str | None, typer.Option("--document", metavar="ID", help="only calls for this document; its first letters do")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="list so many of the newest calls at most")] = 1_000,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List the ledger: one row per attempt at a model, with tokens, cost, latency and outcome."""
    opened = open_existing(database)
    run_id = chosen_run(opened, run)
    if document is not None:
        check_document(opened, document)
    rows = calls_queries.list_calls(opened, run_id=run_id, document_id=document, newest=limit + 1)
    if len(rows) > limit:
        rows = rows[1:]
        _say(f"only the newest calls, {limit:,} of them; --limit lists more, --run and --document choose")
    shown = [row | {"document_id": str(row["document_id"])[:12]} for row in rows]
    is_table = output_format is OutputFormat.TABLE
    show_rows(shown if is_table else rows, CALL_COLUMNS, output_format, "no calls of a model")


def _open(url: str | None) -> DatabaseRegistry[RegistryState]:
    return open_registry(open_or_create(url))


def _current(url: str | None) -> tuple[RegistryState, dict[str, CircuitReport]]:
    """The registry and its breakers; where there is no database yet, what it would start with. Makes none."""
    settings = configure(database_url=url)
    if not settings.prefect_api_url and not _is_made(database_url(settings)):
        return RegistryState(read_seed()), {}
    database = open_or_create(url)
    return open_registry(database).load(), dict(DatabaseBreakerStates(database, CircuitReport).load())


def _is_made(address: str) -> bool:
    """Whether the database is there; one on a server always counts as there."""
    return not address.startswith("sqlite") or Path(address.partition("///")[2]).exists()


def _close_circuit(url: str | None, model: RegisteredModel) -> None:
    """Let the next call of every worker through: somebody has put right what was wrong."""
    DatabaseBreakerStates(open_or_create(url), CircuitReport).close(model.name)


def _known(state: RegistryState, name: str) -> RegisteredModel:
    model = state.get(name)
    if name == LOCAL:
        raise UsageError(
            "local is the built-in model: it is in no registry, costs nothing, asks no network and is always there; "
            "winnow run SOURCE --model local asks it alone"
        )
    if model is None:
        raise ModelUnknown(name, state.names, offered=state.offered)
    return model


def _key_state(model: RegisteredModel, keys: KeyRing) -> str:
    if not model.key:
        return "none"
    if needs_prefect(model) and not load_settings().prefect_api_url:
        return "unknown"
    try:
        return "set" if model.key in keys else "missing"
    except PrefectUnreachable:
        return "unknown"
    except KeyUnusable:
        return "unusable"


def _tell_what_is_missing(model: RegisteredModel) -> None:
    """Say what will make runs refuse to start, where a person can still do something about it."""
    if price_of(model) is None:
        _warn(
            f"NO PRICE IS KNOWN for {model.name} ({model.upstream}): every run that may ask it refuses to start until "
            f"you say, in USD per million tokens: winnow models set {model.name} input_price=… output_price=… "
            "(0 for a server of your own)"
        )
    else:
        _say(f"price in USD per million tokens: {price_with_sources(model)}")
    if hides_costs(model):
        _warn(
            f"a price of {model.name} is 0, and its provider takes money: budgets cannot see what it costs; "
            f"winnow models set {model.name} input_price= output_price= takes the listed prices"
        )
    match _key_state(model, key_ring()):
        case "missing":
            other = f"winnow models set {model.name} key_env=…"
            _warn(f"its key is not set: put it into {model.key}, or name another: {other}")
        case "unusable":
            _warn(f"the key in {model.key} has a blank, a line break or a character outside ASCII; set the key alone")
        case "unknown":
            _say(f"its key is taken from {model.key}; no Prefect API is configured here that could be asked for it")
    _tell_of_block(model)


def _tell_of_block(model: RegisteredModel) -> None:
    if model.key == f"block:{model.name}":
        _warn(f"{model.name} stands in Prefect as a block, which the next run follows: change the block too")


def _storable(value: object) -> object:
    return str(value) if isinstance(value, StrEnum) else value


def _set_to(model: RegisteredModel, column: str) -> str:
    """What a column says now, in words."""
    value = getattr(model, column)
    if column == "headers":
        headers = ", ".join(f"{name}: {text}" for name, text in model.headers.items())
        return f"its extra headers are {headers}" if headers else "it has no extra headers"
    if value in (None, ""):
        return f"{column} is not set"
    return f"{column} is {value.normalize():f}" if isinstance(value, Decimal) else f"{column} is {value}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need have no name
        return "unknown"


def _say(text: str) -> None:
    stderr.print(text, markup=False, highlight=False, soft_wrap=True)


def _warn(text: str) -> None:
    stderr.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
