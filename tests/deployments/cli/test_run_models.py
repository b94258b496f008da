"""Which models a run names before it starts."""

from decimal import Decimal

import pytest

from blocks.database.engine import Database
from blocks.document_types.schema import RouteStep
from blocks.gateway.registry.registry import RegistryState
from blocks.records import LOCAL
from blocks.settings import Settings
from deployments.cli.run_models import show_models
from tasks.runs.prepare import PreparedRun
from tests.doubles.routed_models import bill, model

REGISTRY = RegistryState((model("a"), model("b"), model("off", is_enabled=False)))
LOCAL_STEP, A_STEP, OFF_STEP = (RouteStep(model=name) for name in (LOCAL, "a", "off"))


@pytest.mark.parametrize(
    ("routes", "models", "named"),
    [
        ([(LOCAL_STEP,)], (), ""),
        ([(LOCAL_STEP, A_STEP)], (), "models: a; budget: $2 for this run"),
        ([(LOCAL_STEP,), (A_STEP, OFF_STEP)], (), "models: a; budget: $2 for this run"),
        ([(LOCAL_STEP, OFF_STEP)], (), ""),
        ([(LOCAL_STEP,)], ("b", LOCAL), "models: b; budget: $2 for this run"),
        ([(LOCAL_STEP, A_STEP)], (LOCAL,), ""),
    ],
)
def test_only_models_that_a_route_or_the_option_can_reach_are_named(
    routes: list[tuple[RouteStep, ...]],
    models: tuple[str, ...],
    named: str,
    sqlite_database: Database,
    capsys: pytest.CaptureFixture[str],
) -> None:
    types = {str(at): bill(*route) for at, route in enumerate(routes)}
    show_models(PreparedRun(Settings(), types, sqlite_database, REGISTRY, models), Decimal(2))
    printed = capsys.readouterr().err
    assert printed.startswith(named) if named else printed == ""
