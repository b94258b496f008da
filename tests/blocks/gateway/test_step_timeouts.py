"""A step of a route may give a call more or less time than the model does."""

import time

from blocks.document_types.schema import RouteStep
from tests.doubles.routed_models import ScriptedGateway, bill, model, reads, take


def seconds_given(step: RouteStep) -> float:
    gateway = ScriptedGateway({"a": reads(day="2024-05-01", total="9.00")}, (model("a", timeout_s=60.0),))
    started = time.monotonic()
    take(gateway.assignment(bill(step)), gateway)
    ((_, question),) = gateway.asked
    assert question.timeout_s == step.timeout_s
    return question.deadline - started


def test_the_time_of_a_step_goes_before_the_model_s() -> None:
    assert 300 <= seconds_given(RouteStep(model="a", timeout_s=300)) < 330
    assert 5 <= seconds_given(RouteStep(model="a", timeout_s=5)) < 35
    assert 60 <= seconds_given(RouteStep(model="a")) < 90


def test_the_time_of_a_step_makes_no_result_stale() -> None:
    usual, patient = bill(RouteStep(model="a")), bill(RouteStep(model="a", timeout_s=300))
    assert usual.score_digest == patient.score_digest
    assert usual.score_digest != bill(RouteStep(model="a", asks="unsure")).score_digest
