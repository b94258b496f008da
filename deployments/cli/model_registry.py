"""What the `winnow models` commands share: they open the registry, check keys, and print warnings."""

import getpass
import json
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from blocks.database.address import database_url
from blocks.database.models.circuit_states import DatabaseCircuitStates
from blocks.database.models.registry import DatabaseRegistry
from blocks.errors import PrefectUnreachable, UsageError
from blocks.gateway.policies.shared_state import CircuitReport
from blocks.gateway.registry.errors import KeyUnusable, ModelUnknown
from blocks.gateway.registry.keys import KeyRing
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.registry.seed import read_seed
from blocks.gateway.spending.prices import price_of
from blocks.records import LOCAL
from blocks.secret_url import SecretUrl
from blocks.settings import Settings, configure, load_settings
from deployments.cli.model_rows import hides_costs, needs_prefect, price_with_sources
from deployments.cli.options import open_or_create
from deployments.cli.output import note, warn
from tasks.runs.models import key_ring, open_registry


def open_models(url: SecretUrl | None) -> DatabaseRegistry[RegistryState]:
    """The registry of the database at `url`; by default the configured one."""
    return open_registry(open_or_create(url))


def current_models(url: SecretUrl | None) -> tuple[RegistryState, dict[str, CircuitReport]]:
    """The registry and its open circuits. If there is no database yet: the registry that it would start with."""
    settings = configure(database_url=url)
    if not has_database(settings):
        return RegistryState(read_seed()), {}
    database = open_or_create(url)
    return open_registry(database).load(), dict(DatabaseCircuitStates(database, CircuitReport).load())


def has_database(settings: Settings) -> bool:
    """Whether there is a database. One on a server counts as existing, and so does one that a block may name."""
    if settings.prefect_api_url:
        return True
    address = database_url(settings).get_secret_value()
    return not address.startswith("sqlite") or Path(address.partition("///")[2]).exists()


def close_circuit(url: SecretUrl | None, model: RegisteredModel) -> None:
    """Close the model's circuit for every worker."""
    DatabaseCircuitStates(open_or_create(url), CircuitReport).close(model.name)


def known_model(state: RegistryState, name: str) -> RegisteredModel:
    """The registry's model of that name. Raises `ModelUnknown`, and `UsageError` for the built-in reader."""
    model = state.get(name)
    if name == LOCAL:
        raise UsageError(
            "local is the built-in reader: it needs no registry, no key and no network; "
            "winnow run SOURCE --model local uses it alone"
        )
    if model is None:
        raise ModelUnknown(name, state.names, offered=state.offered)
    return model


def key_state(model: RegisteredModel, keys: KeyRing) -> str:
    """The state of a model's key: set, missing, unusable, none (no key is needed) or unknown (it cannot be checked)."""
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


def note_what_is_missing(model: RegisteredModel) -> None:
    """Warn about a missing price or key, without which the model is not called."""
    if price_of(model) is None:
        so = "no run that may call it starts" if model.is_enabled else "it stays disabled"
        warn(
            f"NO PRICE IS KNOWN for {model.name} ({model.upstream}), so {so}. State it in USD per million tokens "
            f"(0 for your own server): winnow models set {model.name} input_price=… output_price=…, then "
            f"winnow models enable {model.name}"
        )
    else:
        note(f"price in USD per million tokens: {price_with_sources(model)}")
    if hides_costs(model):
        warn(
            f"a price of {model.name} is 0, but its provider charges money: budgets do not count its cost; "
            f"winnow models set {model.name} input_price= output_price= restores the listed prices"
        )
    other = f"winnow models set {model.name} key_env=…"
    match key_state(model, key_ring()):
        case "none":
            note(f"its requests carry no key; if its server asks for one, name its place: {other}")
        case "missing":
            warn(
                f"its key is not set, so no run that may call it starts: put it into {model.key}, or name another "
                f"place: {other}"
            )
        case "unusable":
            warn(f"the key in {model.key} has a blank, a line break or a character outside ASCII; set the key alone")
        case "unknown":
            note(f"its key is in {model.key}, which cannot be checked here: no Prefect API is configured")
    note_block(model)


def note_block(model: RegisteredModel) -> None:
    """Warn if a Prefect block will override the registry."""
    if model.key == f"block:{model.name}":
        warn(
            f"{model.name} is also a Prefect block, which overrides the registry at the next run: change the block too"
        )


def storable(value: object) -> object:
    """A column's value as the database stores it."""
    return str(value) if isinstance(value, StrEnum) else value


def setting_text(model: RegisteredModel, column: str) -> str:
    """A column and its value, in words."""
    value = getattr(model, column)
    if column == "headers":
        headers = ", ".join(f"{name}: {text}" for name, text in model.headers.items())
        return f"its extra headers are {headers}" if headers else "it has no extra headers"
    if column == "extra_body":
        return f"its extra fields are {json.dumps(value)}" if value else "it has no extra fields"
    if value in (None, ""):
        return f"{column} is not set"
    return f"{column} is {value.normalize():f}" if isinstance(value, Decimal) else f"{column} is {value}"


def user_name() -> str:
    """The name of the user, for the record of a pause."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
