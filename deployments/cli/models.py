"""`winnow models`: the registry of language models, the switches, and the ledger of their calls."""

from typing import Annotated

import typer

from blocks.gateway.registry.registry import ProviderName, Tier
from deployments.cli.lazy_group import COMMANDS, new_group
from deployments.cli.options import (
    MOST,
    DatabaseOption,
    FormatOption,
    RunOption,
    chosen_run,
    open_existing,
    open_or_create,
)
from deployments.cli.output import OutputFormat, note, say, show_rows, warn

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
    "stated_cost_usd",
    "latency_ms",
    "lane",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="the model's name in routes")]

app = new_group(COMMANDS["models"].help)


@app.command("list")
def list_models(output_format: FormatOption = OutputFormat.TABLE, database: DatabaseOption = None) -> None:
    """List the models: prices, limits, keys and switches. Keys themselves are never shown."""
    from deployments.cli.model_registry import current_models, key_state
    from deployments.cli.model_rows import COLUMNS, NARROW_COLUMNS, model_row
    from tasks.runs.models import key_ring

    state, circuits = current_models(database)
    keys = key_ring()
    rows = [
        model_row(model, key_state(model, keys), circuits.get(model.name), state.is_paused) for model in state.models
    ]
    show_rows(rows, COLUMNS, output_format, "no models; winnow models add NAME adds one", NARROW_COLUMNS)
    if output_format is OutputFormat.TABLE:
        if state.is_paused:
            warn("all models are paused: no model is called until `winnow models resume`")
        if not any(model.is_enabled for model in state.models):
            note(
                "no model is enabled: the built-in reader reads every document; "
                "to enable one: winnow models enable NAME"
            )


@app.command()
def add(
    name: NameArgument,
    provider: Annotated[ProviderName, typer.Option(help="the API that the endpoint speaks")],
    upstream: Annotated[str, typer.Option("--model", metavar="UPSTREAM", help="the provider's name for the model")],
    endpoint: Annotated[
        str, typer.Option(metavar="URL", help="base address of your own server; by default the provider's")
    ] = "",
    key_env: Annotated[
        str | None,
        typer.Option(metavar="VAR", help="environment variable with the key; by default the provider's usual one"),
    ] = None,
    input_price: Annotated[
        str | None,
        typer.Option(metavar="USD_PER_MTOK", help="USD per million tokens; by default from the price list; 0 if free"),
    ] = None,
    output_price: Annotated[str | None, typer.Option(metavar="USD_PER_MTOK", help="like --input-price")] = None,
    tier: Annotated[Tier | None, typer.Option(help="the tier by which routes may name it")] = None,
    rpm: Annotated[int | None, typer.Option(metavar="N", help="requests per minute, over all workers")] = None,
    tpm: Annotated[int | None, typer.Option(metavar="N", help="tokens per minute, over all workers")] = None,
    in_flight: Annotated[int | None, typer.Option(metavar="N", help="calls at once, over all workers")] = None,
    timeout_s: Annotated[float | None, typer.Option(metavar="S", help="seconds for one call, retries included")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="extra request header, repeatable; never a key")
    ] = None,
    body: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="extra field of requests, repeatable, such as reasoning_effort=low"),
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Add a model and enable it. Winnow stores where its key is, never the key.

    A model without a known price is added disabled. Adding the same model again changes the values that you give.
    """
    from blocks.gateway.spending.prices import price_of
    from deployments.cli.model_registry import note_what_is_missing, open_models
    from deployments.cli.model_values import (
        Served,
        checked_model,
        parse_body,
        parse_headers,
        refuse_other_model,
        values_of_new,
    )

    registry = open_models(database)
    state = registry.load()
    known = state.get(name)
    served = Served(provider, upstream, endpoint)
    if is_update := bool(known and known.was_enabled):
        refuse_other_model(known, served)
    values = values_of_new(state, name, served)
    given = {
        "key": None if key_env is None else f"env:{key_env}",
        "input_price": input_price,
        "output_price": output_price,
        "tier": tier,
        "rpm": rpm,
        "tpm": tpm,
        "in_flight": in_flight,
        "timeout_s": timeout_s,
        "headers": parse_headers(header, values.get("headers", {})) if header else None,
        "extra_body": parse_body(body, values.get("extra_body", {})) if body else None,
    }
    model = checked_model(name, values | {option: value for option, value in given.items() if value is not None})
    may_be_asked = price_of(model) is not None and (known.is_enabled if known and is_update else True)
    model = model.model_copy(update={"is_enabled": may_be_asked, "was_enabled": may_be_asked or is_update})
    registry.put(model)
    note(f"{name} is {'updated, and ' * is_update}{'enabled' if may_be_asked else 'disabled'}: {model.version}")
    if not may_be_asked and price_of(model) is not None:
        note(f"to use it: winnow models enable {name}")
    if known and not is_update:
        place = "keeps its place" if model.position == known.position else "is another model now and comes last"
        note(f"the registry had this name already; the model {place} in its tier: position {model.position}")
    note_what_is_missing(model)


@app.command("set")
def set_values(
    name: NameArgument,
    values: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="such as rpm=60 timeout_s=30 tier=cheap")],
    database: DatabaseOption = None,
) -> None:
    """Change a model, from the next call on. An empty value removes a limit, price, key or tier.

    Keys: upstream, endpoint, key_env, input_price, output_price, cached_price, cache_write_price (USD per million
    tokens), tier, rpm, tpm, in_flight, timeout_s, max_output_tokens, context_window, json_mode, images, logprobs,
    position; key is where the API key is: env:VAR, secret:name or block:name; header.NAME is an extra request header,
    such as header.X-Org=acme (never a credential); body.NAME is an extra field of requests, such as
    body.reasoning_effort=low or body.provider={"order":["x"]}.
    """
    from deployments.cli.model_registry import (
        known_model,
        note_block,
        note_what_is_missing,
        open_models,
        setting_text,
        storable,
    )
    from deployments.cli.model_values import checked_model, parse_values

    registry = open_models(database)
    known = known_model(registry.load(), name)
    changes = parse_values(known, values)
    model = checked_model(name, known.model_dump(exclude={"name"}) | changes)
    registry.set_values(name, {column: storable(getattr(model, column)) for column in changes})
    note(f"{name}: " + ", ".join(setting_text(model, column) for column in changes))
    if model.is_enabled:
        note_what_is_missing(model)
    else:
        note(f"{name} is disabled: winnow models enable {name}")
        note_block(model)


@app.command()
def enable(name: NameArgument, database: DatabaseOption = None) -> None:
    """Allow calls of a model, at once: its circuit is closed too. The model needs a price."""
    from blocks.gateway.registry.errors import ModelPriceUnknown
    from blocks.gateway.spending.prices import price_of
    from deployments.cli.model_registry import close_circuit, known_model, note_what_is_missing, open_models

    registry = open_models(database)
    model = known_model(registry.load(), name)
    if price_of(model) is None:
        raise ModelPriceUnknown(name, model.upstream)
    registry.enable(name)
    close_circuit(database, model)
    note(f"{name} is enabled")
    note_what_is_missing(model)


@app.command()
def disable(name: NameArgument, database: DatabaseOption = None) -> None:
    """Forbid calls of a model. Results that it gave stay current."""
    from deployments.cli.model_registry import known_model, note_block, open_models

    registry = open_models(database)
    model = known_model(registry.load(), name)
    registry.disable(name)
    note(f"{name} is disabled")
    note_block(model)


@app.command()
def remove(name: NameArgument, database: DatabaseOption = None) -> None:
    """Take a model out of the registry. Its attempts stay in the ledger.

    A route that names it fails from then on. Documents whose routes could ask it are computed again at the next run;
    `winnow models disable` recomputes nothing.
    """
    from blocks.gateway.registry.seed import SEED_FILE, read_seed
    from deployments.cli.model_registry import close_circuit, known_model, note_block, open_models

    registry = open_models(database)
    model = known_model(registry.load(), name)
    close_circuit(database, model)
    registry.remove(name)
    note(f"{name} is removed")
    if any(seeded.name == name for seeded in read_seed()):
        note(f"{SEED_FILE.name} has it, so it comes back as it is there, disabled; take it out of that file too")
    note_block(model)


@app.command()
def pause(database: DatabaseOption = None) -> None:
    """Stop all spending: within seconds no worker calls a model. Runs go on; what needs a model goes to review."""
    from deployments.cli.model_registry import open_models, user_name

    open_models(database).pause(user_name())
    note("models are paused until `winnow models resume`")


@app.command()
def resume(database: DatabaseOption = None) -> None:
    """Allow spending again. The next run takes up the documents that wait for a model."""
    from deployments.cli.model_registry import open_models, user_name

    open_models(database).resume(user_name())
    note("models are resumed")


@app.command("test")
def try_once(name: NameArgument, database: DatabaseOption = None) -> None:
    """Make one real call and show its latency, usage, cost and schema support. It may cost a fraction of a cent.

    The model need not be enabled. The ledger has the call in the lane `test`.
    """
    from blocks.settings import load_settings
    from deployments.cli.model_registry import close_circuit, known_model
    from deployments.cli.model_trial import trial_lines, try_model
    from tasks.runs.models import open_registry

    opened = open_or_create(database)
    registry = open_registry(opened)
    model = known_model(registry.load(), name)
    close_circuit(database, model)
    trial = try_model(opened, model, load_settings())
    for line in trial_lines(known_model(registry.load(), name), trial):
        say(line)


@app.command()
def calls(
    run: RunOption = None,
    document: Annotated[
        str | None,
        typer.Option("--document", metavar="ID", help="only this document; the first letters of its id are enough"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="list at most this many calls, the newest")] = 1_000,
    output_format: FormatOption = OutputFormat.TABLE,
    database: DatabaseOption = None,
) -> None:
    """List the ledger: one row per attempt, with tokens, cost, latency and outcome."""
    from blocks.database.models import calls as calls_queries
    from blocks.database.pipeline.known_ids import check_document

    opened = open_existing(database)
    run_id = chosen_run(opened, run)
    if document is not None:
        check_document(opened, document)
    rows = calls_queries.list_calls(opened, run_id=run_id, document_id=document, newest=limit + 1)
    if len(rows) > limit:
        rows = rows[1:]
        note(f"only the newest {limit:,} calls; --limit lists more, --run and --document choose")
    shown = [row | {"document_id": str(row["document_id"])[:12]} for row in rows]
    is_table = output_format is OutputFormat.TABLE
    show_rows(shown if is_table else rows, CALL_COLUMNS, output_format, "no calls of models")
