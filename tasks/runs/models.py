"""Joins the database's rows and the gateway's records, for runs and for the command: registry, keys, gateway."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from blocks.database.engine import Database
from blocks.database.models.circuit_states import DatabaseCircuitStates
from blocks.database.models.ledger import DatabaseLedger
from blocks.database.models.limit_leases import DatabaseLimitLeases
from blocks.database.models.registry import DatabaseRegistry
from blocks.database.models.reply_cache import DatabaseReplyCache
from blocks.database.outages import wait_out_outages
from blocks.gateway.event_loop import collect_garbage_less_often, gateway_loop
from blocks.gateway.policies.shared_state import CircuitReport
from blocks.gateway.registry.keys import KeyReference, KeyRing
from blocks.gateway.registry.registry import RegistryState, registry_state
from blocks.gateway.registry.seed import read_seed
from blocks.settings import load_settings
from blocks.telemetry.telemetry import configure_telemetry

if TYPE_CHECKING:
    from blocks.gateway.gateway import Gateway

UNUSED_REPLIES_DAYS, MAX_REPLIES = 90, 1_000_000
"""How long an unused reply is stored, and how many replies are: a reply takes about a kilobyte."""

_gateways: dict[Database, "Gateway"] = {}
_holders: Counter[Database] = Counter()
_opening, _holding = threading.Lock(), threading.Lock()


def open_registry(database: Database) -> DatabaseRegistry[RegistryState]:
    """The registry of a database, after the models of data/models.yaml are in it. Raises `ModelsFileInvalid`."""
    registry = DatabaseRegistry(database, registry_state)
    registry.seed(read_seed())
    return registry


def put_blocks(registry: DatabaseRegistry[RegistryState]) -> None:
    """Write the models that are Prefect blocks to the registry.

    A block does not have these columns, which the registry keeps: `position`, `json_mode`, `was_enabled` and
    `cache_write_price`. Raises `ModelInvalid` and `PrefectUnreachable`.
    """
    from blocks.gateway.block import registered_blocks  # Prefect takes 2 s to import

    blocks = registered_blocks()
    if not blocks:
        return
    state = registry.load()
    for block in blocks:
        known = state.get(block.name)
        kept: dict[str, object] = {"was_enabled": block.is_enabled or bool(known and known.was_enabled)}
        if known is not None:
            kept |= {name: getattr(known, name) for name in ("position", "json_mode", "cache_write_price")}
        model = block.model_copy(update=kept)
        if model != known:
            registry.put(model)


def open_gateway(database: Database) -> "Gateway":
    """The gateway of this process over a database. The open calls of dead workers are settled first."""
    with _opening:
        if database not in _gateways:
            _gateways[database] = wait_out_outages(lambda: _make_gateway(database), database.outage_wait_s)
        return _gateways[database]


@contextmanager
def hold_gateway(database: Database) -> Iterator[None]:
    """Use the gateway of this process, in a run or a trial; the last user closes it.

    Closing writes what is buffered and releases the leases before they expire. A later run opens a new gateway.
    """
    with _holding:
        _holders[database] += 1
    try:
        yield
    finally:
        with _holding:
            _holders[database] -= 1
            if not _holders[database]:
                del _holders[database]
                if gateway := _gateways.pop(database, None):
                    gateway_loop().submit(gateway.close()).result()


def _make_gateway(database: Database) -> "Gateway":
    from blocks.gateway.gateway import Gateway, SharedState  # imports the HTTP client, which most commands do without

    collect_garbage_less_often()
    configure_telemetry(load_settings())
    ledger = DatabaseLedger(database)
    ledger.recover()
    replies = DatabaseReplyCache(database)
    replies.prune(UNUSED_REPLIES_DAYS, MAX_REPLIES)
    shared = SharedState(
        registry=open_registry(database),
        ledger=ledger,
        circuits=DatabaseCircuitStates(database, CircuitReport),
        leases=DatabaseLimitLeases(database, ledger.worker_id),
        replies=replies,
    )
    return Gateway(shared, key_ring())


def key_ring() -> KeyRing:
    """The keys of this process: from its environment, and from Prefect's blocks if there is a Prefect API."""
    return KeyRing(_find_block_key)


def _find_block_key(reference: KeyReference) -> SecretStr | None:
    if not load_settings().prefect_api_url:
        return None
    from blocks.gateway.block import find_block_key  # Prefect takes 2 s to import

    return find_block_key(reference)
