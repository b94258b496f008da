from typing import Any

from blocks.gateway.gateway import Gateway, Kept, RunTerms
from blocks.gateway.registry.registry import JsonMode, RegistryState
from tests.doubles.routed_models import model

UNUSED: Any = None


class Registry:
    """Has whatever models it is given."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def load(self) -> RegistryState:
        return RegistryState(tuple(model(name) for name in self.names))

    def remember_json_mode(self, name: str, mode: JsonMode) -> None:
        raise AssertionError("nothing is asked here")


def names_of(state: RegistryState) -> list[str]:
    return [model.name for model in state.models]


def test_a_run_begins_with_the_registry_as_it_stands_however_long_the_worker_was_idle() -> None:
    registry = Registry("a")
    gateway = Gateway(Kept(registry, UNUSED, UNUSED, UNUSED, UNUSED), {})
    assert names_of(gateway.for_run(RunTerms()).registry()) == ["a"]
    registry.names = ("a", "b")
    assert names_of(gateway.registry()) == ["a"], "nobody looks while nothing is asked"
    assert names_of(gateway.for_run(RunTerms()).registry()) == ["a", "b"]
