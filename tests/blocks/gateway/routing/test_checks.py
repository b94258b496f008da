from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.document_types.loader import check, load_document_types
from blocks.document_types.schema import DocumentType, RouteStep
from blocks.errors import DocumentTypeInvalid, UsageError
from blocks.gateway.registry.errors import (
    ModelDisabled,
    ModelKeyMissing,
    ModelNeverAsked,
    ModelPriceUnknown,
    ModelUnknown,
    RouteUnusable,
)
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.routing.checks import check_routes
from blocks.settings import Settings
from tests.doubles.routed_models import bill, model

KEYS: Mapping[str, SecretStr] = {"env:KEY": SecretStr("canary")}
NOTE = """\
title: Note
fields:
  day: {type: date}
route:
  - {model: local, accept: {confidence: 0.9}}
  - tier: cheap
  - model: clever
"""


def types(folder: Path) -> dict[str, DocumentType]:
    (folder / "note").mkdir()
    (folder / "note" / "type.yaml").write_text(NOTE)
    return load_document_types(folder)


@pytest.mark.parametrize(
    ("models", "error", "line", "says"),
    [
        ([], ModelUnknown, 7, "winnow models add clever"),
        ([model("clever", key="env:OTHER")], ModelKeyMissing, 7, "env:OTHER"),
        ([model("clever", input_price=None, upstream="no-such-model")], ModelPriceUnknown, 7, "no-such-model"),
        ([model("clever"), model("x", tier="cheap", key="env:OTHER")], ModelKeyMissing, 6, "env:OTHER"),
    ],
)
def test_a_route_that_cannot_work_is_told_with_file_and_line(
    tmp_path: Path, models: list[RegisteredModel], error: type[UsageError], line: int, says: str
) -> None:
    with pytest.raises(error) as raised:
        check_routes(types(tmp_path), RegistryState(tuple(models)), KEYS)
    assert f"{tmp_path / 'note' / 'type.yaml'}:{line}" in str(raised.value)
    assert says in str(raised.value)


def test_models_that_are_disabled_may_lack_key_and_price(tmp_path: Path) -> None:
    off = {"is_enabled": False, "key": "env:OTHER", "input_price": None, "upstream": "no-such-model"}
    check_routes(types(tmp_path), RegistryState((model("clever", **off), model("x", tier="cheap", **off))), KEYS)


def test_a_route_needs_somebody_to_ask() -> None:
    cheap = bill(RouteStep(tier="cheap"))
    with pytest.raises(RouteUnusable, match="no model of the tier cheap is enabled"):
        check_routes({"bill": cheap}, RegistryState(), KEYS)
    check_routes({"bill": cheap}, RegistryState((model("x", tier="cheap", key="env:KEY"),)), KEYS)


def test_models_of_the_command_are_checked_in_place_of_the_routes() -> None:
    cheap = {"bill": bill(RouteStep(tier="cheap"))}
    check_routes(cheap, RegistryState((model("x"),)), KEYS, ("x",))
    check_routes(cheap, RegistryState(), KEYS, ("local",))
    with pytest.raises(ModelUnknown, match="--model: there is no model 'y'; known are local, x"):
        check_routes(cheap, RegistryState((model("x"),)), KEYS, ("y",))
    with pytest.raises(ModelUnknown, match="did you mean 'local'"):
        check_routes(cheap, RegistryState((model("x"),)), KEYS, ("LOCAL",))
    with pytest.raises(ModelDisabled, match="'x' is disabled; `winnow models enable x`"):
        check_routes(cheap, RegistryState((model("x", is_enabled=False),)), KEYS, ("x",))
    with pytest.raises(ModelNeverAsked, match="'y' after it is never asked; put local last"):
        check_routes(cheap, RegistryState((model("x"), model("y"))), KEYS, ("x", "local", "y"))
    check_routes(cheap, RegistryState((model("x"),)), KEYS, ("x", "local"))


@pytest.mark.parametrize(
    "template",
    [
        "{{ ().__class__.__mro__ }}",
        '{% include "/etc/passwd" %}',
        "{% for at in range(10**9) %}x{% endfor %}",
        "{% for field in fields.values() %}\n{{ field.descripton }}{% endfor %}",
    ],
)
def test_a_prompt_that_cannot_be_rendered_stops_the_runs_that_ask_by_it(tmp_path: Path, template: str) -> None:
    (tmp_path / "note" / "prompts").mkdir(parents=True)
    (tmp_path / "note" / "type.yaml").write_text(NOTE.replace("tier: cheap", "{tier: cheap, prompt: short}"))
    (tmp_path / "note" / "prompts" / "short.md").write_text(template)
    loaded = load_document_types(tmp_path)
    clever, cheap = model("clever"), model("x", tier="cheap")
    check_routes(loaded, RegistryState((clever,)), KEYS)
    check_routes(loaded, RegistryState((clever, cheap)), KEYS, ("clever",))
    (problem,) = check(tmp_path)
    with pytest.raises(DocumentTypeInvalid) as raised:
        check_routes(loaded, RegistryState((clever, cheap)), KEYS)
    assert raised.value.problems == (str(problem),)


def test_models_of_the_command_are_asked_by_the_default_prompt(tmp_path: Path) -> None:
    (tmp_path / "note" / "prompts").mkdir(parents=True)
    (tmp_path / "note" / "type.yaml").write_text("title: Note\nfields:\n  day: {type: date}\n")
    (tmp_path / "note" / "prompts" / "default.md").write_text("{{ pages[7].text }}")
    loaded, registry = load_document_types(tmp_path), RegistryState((model("x"),))
    check_routes(loaded, registry, KEYS, ("local",))
    with pytest.raises(DocumentTypeInvalid, match=r"note/prompts/default.md:1: the template fails"):
        check_routes(loaded, registry, KEYS, ("x",))


def test_the_shipped_types_work_without_any_model_and_with_one_of_a_tier() -> None:
    shipped = load_document_types(Settings().document_types_dir)
    for models in ((), (model("c", tier="cheap"),), (model("s", tier="strong"),)):
        check_routes(shipped, RegistryState(models), {})
