"""prefect.yaml against a strict model, since Prefect ignores unknown keys; and the forms of its deployments."""

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from deployments.up.prepare import deployments_of_file

ROOT = Path(__file__).parent.parent
COSTS = {"models", "budget_usd", "use_cache", "rerun", "limit"}
"""Parameters on which it depends what a run costs; their descriptions say how."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Schedule(_Strict):
    cron: str
    timezone: Literal["UTC"]
    active: bool


class _Concurrency(_Strict):
    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class _WorkPool(_Strict):
    name: Literal["winnow"]
    work_queue_name: str | None = None


class _Deployment(_Strict):
    name: str
    description: str = Field(pattern=r"^[A-Z].+\.$")
    entrypoint: str
    tags: list[str] = Field(min_length=2)
    parameters: dict[str, object]
    schedules: list[_Schedule] = []
    concurrency_limit: _Concurrency
    work_pool: _WorkPool


class _PrefectYaml(_Strict):
    name: str
    deployments: list[_Deployment]


def prefect_yaml() -> dict[str, object]:
    content = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())
    content.pop("prefect-version")
    return dict(content)


def deployments() -> Iterator[_Deployment]:
    yield from _PrefectYaml.model_validate(prefect_yaml()).deployments


@cache
def form(entrypoint: str) -> dict[str, Any]:
    """The form that Prefect makes of a flow's parameters when it is deployed."""
    from prefect.utilities.callables import parameter_schema

    return parameter_schema(flow_of(entrypoint)).model_dump()


def flow_of(entrypoint: str) -> Any:
    file, _, function = entrypoint.partition(":")
    return getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), function)


def test_the_flow_that_closes_dead_runs_does_not_wait_for_a_dead_run_of_its_own() -> None:
    [closing] = [one for one in deployments() if one.entrypoint.endswith(":close_dead_runs")]
    assert closing.concurrency_limit.limit > 1


def test_every_flow_is_deployed_and_has_the_tag_that_automations_look_for() -> None:
    flows = {f"flows/{file.name}" for file in (ROOT / "flows").glob("*.py")} - {"flows/__init__.py"}
    assert {deployment.entrypoint.partition(":")[0] for deployment in deployments()} == flows
    assert all("winnow" in deployment.tags for deployment in deployments())
    told_of = [{"documents", "upkeep"} & set(deployment.tags) for deployment in deployments()]
    assert all(len(tags) == 1 for tags in told_of), "one automation tells of a failure: failed-runs or -upkeep"
    names = [(deployment.entrypoint, deployment.name) for deployment in deployments()]
    assert len(names) == len(set(names))


def test_upkeep_is_scheduled_from_the_start_and_what_may_cost_money_is_not() -> None:
    for deployment in deployments():
        costs = "budget_usd" in form(deployment.entrypoint)["properties"]
        assert deployment.schedules or "start" in deployment.description.lower(), "it says what starts it"
        assert all(schedule.active != costs for schedule in deployment.schedules), deployment.name


def test_flows_are_named_as_their_functions_which_doctor_looks_for() -> None:
    named = [(flow_of(deployment.entrypoint).name, deployment.name) for deployment in deployments()]
    assert named == deployments_of_file()


def test_a_misspelt_key_is_found() -> None:
    content = prefect_yaml()
    content["concurency_limit"] = 1
    with pytest.raises(ValueError, match="concurency_limit"):
        _PrefectYaml.model_validate(content)


@pytest.mark.parametrize("entrypoint", sorted({deployment.entrypoint for deployment in deployments()}))
def test_a_person_can_fill_the_form(entrypoint: str) -> None:
    fields = form(entrypoint)["properties"]
    unexplained = [name for name, field in fields.items() if not field.get("description", "").endswith((".", ")"))]
    assert unexplained == []
    assert inspect.getdoc(flow_of(entrypoint).fn)


def test_parameters_of_deployments_fit_their_forms() -> None:
    for deployment in deployments():
        flow_of(deployment.entrypoint).validate_parameters(deployment.parameters | _needed(deployment))


def _needed(deployment: _Deployment) -> dict[str, object]:
    """A value for each parameter that only the person who starts the run can give."""
    shown = form(deployment.entrypoint)
    needed = set(shown.get("required", [])) - set(deployment.parameters)
    return {name: 1 if shown["properties"][name].get("type") == "integer" else "a name" for name in needed}


def test_the_form_of_documents_offers_what_is_known() -> None:
    shown = form("flows/process_documents.py:process_documents")
    fields = shown["properties"]
    types = sorted(folder.parent.name for folder in (ROOT / "data" / "document_types").glob("*/type.yaml"))
    offered = [{"type": "string", "enum": types}, {"type": "null"}]
    assert fields["document_type"]["anyOf"] == offered
    of_selection = form("flows/backfill.py:backfill")["definitions"]["Selection"]["properties"]
    assert of_selection["document_type"]["anyOf"] == offered


@pytest.mark.parametrize("flow", ["process_documents", "backfill"])
def test_the_form_of_a_flow_that_asks_models_says_what_costs(flow: str) -> None:
    shown = form(f"flows/{flow}.py:{flow}")
    fields = shown["properties"]
    assert shown["definitions"]["Rerun"]["enum"] == ["stale", "never", "failed", "all"]
    assert fields["budget_usd"]["anyOf"] == [{"type": "number", "minimum": 0}, {"type": "null"}]
    for name in fields.keys() & COSTS:
        assert re.search(r"\b(costs?|pays|paid|USD)\b", fields[name]["description"]), name
