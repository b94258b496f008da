"""Which models a step may ask, in which order a low budget puts the steps, and what makes scorings stale."""

import pytest

from blocks.document_types.schema import DocumentType, RouteStep, StepAcceptance, StepCondition
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.routing.plan import PlannedStep, asks_models, cheapest_first, plan_route, route_digest
from tests.doubles.routed_models import bill, model

CHEAP = RouteStep(tier="cheap")
LOCAL = RouteStep(model="local")


def plan(step: RouteStep, *models: RegisteredModel) -> PlannedStep:
    (planned,) = plan_route(bill(step), RegistryState(models))
    return planned


def test_a_tier_has_its_enabled_models_in_the_registry_s_order() -> None:
    off = model("b", tier="cheap", is_enabled=False)
    planned = plan(CHEAP, model("z", tier="cheap"), off, model("a", tier="cheap"), model("s", tier="strong"))
    assert planned.models == ("z", "a")


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (RouteStep(model="a"), "a is disabled"),
        (RouteStep(model="gone"), "gone is not in the registry"),
        (CHEAP, "no model of the tier cheap is enabled"),
    ],
)
def test_a_step_without_models_says_why(step: RouteStep, why: str) -> None:
    planned = plan(step, model("a", tier="cheap", is_enabled=False))
    assert (planned.models, planned.why, planned.asks_model) == ((), why, False)


def test_the_built_in_reader_is_no_model() -> None:
    planned = plan(LOCAL)
    assert (planned.is_local, planned.asks_model, asks_models([planned])) == (True, False, False)
    assert asks_models([planned, plan(RouteStep(model="a"), model("a"))])


def test_models_of_the_run_replace_the_route() -> None:
    planned = plan_route(bill(CHEAP, LOCAL), RegistryState((model("a"), model("b"))), ("b", "a"))
    assert [(step.at, step.models) for step in planned] == [(0, ("b",)), (1, ("a",))]
    assert all(step.step.images for step in planned), "they get pictures where they take them"


def test_only_steps_that_ask_for_an_answer_are_sorted_by_cost() -> None:
    prices = {"dear": 9, "middling": 5, "fair": 3, "free": 0}
    models = [model(name, input_price=price, output_price=price) for name, price in prices.items()]
    unpriced = model("unpriced", input_price=None, output_price=None, upstream="in-no-list")
    registry = RegistryState((*models, unpriced))
    opinion = RouteStep(model="free", role="second_opinion")
    route = (RouteStep(model="unpriced"), RouteStep(model="dear"), opinion, LOCAL, RouteStep(model="fair"))
    planned = plan_route(bill(*route), registry)
    found = [step.step.model for step in cheapest_first(planned, registry)]
    assert found == ["fair", "dear", "free", "local", "unpriced"], "second opinion and local keep their places"


def test_a_step_costs_what_its_cheapest_model_costs() -> None:
    models = [model(name, input_price=price, output_price=price, tier=tier) for name, price, tier in (
        ("dear", 9, "cheap"), ("free", 0, "cheap"), ("fair", 3, None))]  # fmt: skip
    registry = RegistryState(tuple(models))
    planned = plan_route(bill(RouteStep(model="fair"), CHEAP), registry)
    assert [step.at for step in cheapest_first(planned, registry)] == [1, 0]


def digest(document_type: DocumentType, *models: RegisteredModel, reader: str = "1") -> str:
    return route_digest(document_type, RegistryState(models), reader_version=reader)


def test_what_changes_answers_makes_scorings_stale_and_switches_and_prices_do_not() -> None:
    asked, usual = bill(CHEAP), model("a", tier="cheap")
    before = digest(asked, usual)
    assert digest(asked, usual, reader="2") != before
    assert digest(asked, model("a", tier="cheap", upstream="newer")) != before
    assert digest(asked, usual, model("b", tier="cheap")) != before
    assert digest(asked, model("a", tier="cheap", was_enabled=False)) != before
    assert digest(asked, model("a", tier="cheap", is_enabled=False)) == before
    assert digest(asked, model("a", tier="cheap", input_price=5, rpm=1, timeout_s=5)) == before
    assert digest(asked, usual, model("b", tier="strong")) == before


@pytest.mark.parametrize(
    ("step", "counts"),
    [
        (RouteStep(model="a"), False),
        (RouteStep(model="a", asks="unsure"), True),
        (RouteStep(model="a", accept=StepAcceptance(checks=True)), True),
        (RouteStep(model="a", accept=StepAcceptance(confidence=0.5, checks=False)), False),
    ],
)
def test_the_review_rules_count_for_steps_that_go_by_them(step: RouteStep, counts: bool) -> None:
    usual = bill(step)
    strict = usual.model_copy(update={"review": usual.review.model_copy(update={"accept_at": 0.99})})
    assert (digest(usual, model("a")) != digest(strict, model("a"))) is counts


@pytest.mark.parametrize(("when", "counts"), [(StepCondition(sensitive=True), True), (StepCondition(), False)])
def test_sensitivity_counts_for_steps_that_go_by_it(when: StepCondition, counts: bool) -> None:
    step = RouteStep(model="a", when=when)
    assert (digest(bill(step), model("a")) != digest(bill(step, sensitive=True), model("a"))) is counts
