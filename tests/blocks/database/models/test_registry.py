from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import event, select

from blocks.database.engine import Database
from blocks.database.models.registry import DatabaseRegistry
from blocks.database.tables import gateway_switches
from blocks.gateway.registry.registry import JsonMode, RegisteredModel, Registry, RegistryState


def state_of(rows: Sequence[Mapping[str, Any]], is_paused: bool) -> RegistryState:
    return RegistryState(tuple(RegisteredModel.model_validate(dict(row)) for row in rows), is_paused)


def registry_of(database: Database) -> DatabaseRegistry[RegistryState]:
    return DatabaseRegistry(database, state_of)


MINI = RegisteredModel(
    name="mini",
    provider="openai",
    upstream="gpt-mini",
    key="env:OPENAI_API_KEY",
    headers={"X-Team": "Rechnungswesen – Süd"},
    input_price=Decimal("0.15"),
    output_price=Decimal("0.6000000001"),
    tier="cheap",
    rpm=500,
    tpm=200_000,
    timeout_s=12.5,
    context_window=128_000,
    images=True,
    position=2,
)
OPUS = RegisteredModel(
    name="opus", provider="anthropic", upstream="claude", tier="strong", is_enabled=False, position=1
)


def test_a_model_comes_back_as_it_was_put_and_in_the_order_of_position(database: Database) -> None:
    registry = registry_of(database)
    kept: Registry = registry
    assert kept.load() == RegistryState()
    registry.put(MINI)
    registry.put(OPUS)
    assert registry.load() == RegistryState((OPUS, MINI), is_paused=False)
    registry.put(MINI.model_copy(update={"rpm": None, "headers": {}}))
    mini = registry.load().get("mini")
    assert mini is not None
    assert (mini.rpm, mini.headers, mini.tpm) == (None, {}, 200_000)


def test_single_values_change_and_the_rest_stays(database: Database) -> None:
    registry = registry_of(database)
    registry.put(MINI)
    assert registry.set_values("mini", {"rpm": 7, "input_price": Decimal("0.2")})
    registry.remember_json_mode("mini", JsonMode.OBJECT)
    expected = MINI.model_copy(update={"rpm": 7, "input_price": Decimal("0.2"), "json_mode": JsonMode.OBJECT})
    assert registry.load().models == (expected,)
    assert not registry.set_values("none", {"rpm": 7})
    assert not registry.enable("none")


def test_a_model_that_was_enabled_stays_marked_as_such(database: Database) -> None:
    registry = registry_of(database)
    registry.put(OPUS.model_copy(update={"was_enabled": False}))
    registry.enable("opus")
    registry.disable("opus")
    (opus,) = registry.load().models
    assert (opus.is_enabled, opus.was_enabled) == (False, True)


def test_pausing_is_seen_by_all_and_says_by_whom(database: Database) -> None:
    registry = registry_of(database)
    registry.pause(by="ada")
    assert registry_of(database).load() == RegistryState((), is_paused=True)
    with database.read() as connection:
        assert connection.execute(select(gateway_switches.c.changed_by)).scalar_one() == "ada"
    registry.put(MINI)
    assert registry_of(database).load().is_paused
    registry.resume(by="ada")
    assert not registry.load().is_paused


def test_seeding_adds_what_is_missing_and_overwrites_nothing(database: Database) -> None:
    registry = registry_of(database)
    assert registry.seed([]) == 0
    assert registry.seed([MINI]) == 1
    registry.set_values("mini", {"rpm": 1})
    assert registry.seed([MINI, OPUS]) == 1
    assert registry.seed([MINI, OPUS]) == 0
    assert {model.name: model.rpm for model in registry.load().models} == {"mini": 1, "opus": None}


@dataclass
class Statements:
    count: int = 0

    def count_statement(self, *_: object) -> None:
        self.count += 1


def test_loading_is_one_query(database: Database) -> None:
    registry = registry_of(database)
    registry.seed([MINI, OPUS])
    seen = Statements()
    event.listen(database.engine, "before_cursor_execute", seen.count_statement)
    try:
        registry.load()
    finally:
        event.remove(database.engine, "before_cursor_execute", seen.count_statement)
    assert seen.count == (2 if database.is_sqlite else 1), "SQLite adds BEGIN"
