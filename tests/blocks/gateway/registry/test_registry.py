from typing import Any

import pytest

from blocks.gateway.gateway import Gateway, RunTerms, SharedState
from blocks.gateway.registry.errors import ModelInvalid
from blocks.gateway.registry.registry import JsonMode, RegistryState, name_problem, registry_state
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
    gateway = Gateway(SharedState(registry, UNUSED, UNUSED, UNUSED, UNUSED), {})
    assert names_of(gateway.for_run(RunTerms()).registry()) == ["a"]
    registry.names = ("a", "b")
    assert names_of(gateway.registry()) == ["a"], "nobody looks while nothing is asked"
    assert names_of(gateway.for_run(RunTerms()).registry()) == ["a", "b"]


@pytest.mark.parametrize("name", ["local", "cheap", "strong", "a@b", "", "-a", "a b", "a" * 101, "sk-canary-9b41e7"])
def test_names_that_mean_something_else_or_are_none(name: str) -> None:
    problem = name_problem(name)
    assert problem is not None
    assert "choose another name" in problem


@pytest.mark.parametrize("name", ["a", "gpt-4.1", "meta/llama:8b", "A_1", "a" * 100])
def test_names_that_models_have(name: str) -> None:
    assert name_problem(name) is None


def test_what_decides_answers_changes_the_digest_and_switches_limits_and_prices_do_not() -> None:
    before = model("a").digest
    for change in ({"upstream": "b"}, {"endpoint": "http://h"}, {"headers": {"x": "1"}}, {"images": True},
                   {"logprobs": True}, {"max_output_tokens": 1}, {"context_window": 9}):  # fmt: skip
        assert model("a", **({"upstream": "a"} | change)).digest != before, change
    same = {"is_enabled": False, "rpm": 1, "timeout_s": 9, "input_price": 5, "json_mode": "prompt", "key": "env:K"}
    assert model("a", **same).digest == before


def test_messages_offer_every_name_but_those_that_a_person_disabled() -> None:
    off = model("off", is_enabled=False)
    new = model("new", is_enabled=False, was_enabled=False)
    state = RegistryState((model("on"), off, new))
    assert (state.names, state.offered) == (("local", "on", "off", "new"), ("local", "on", "new"))


def test_a_row_that_is_no_model_is_named_with_its_column() -> None:
    with pytest.raises(ModelInvalid, match=r"model 'a': rpm: .*correct it with winnow models set"):
        registry_state([model("a").model_dump() | {"rpm": 0}], is_paused=False)
