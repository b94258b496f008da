"""What each failure of a call says of itself to the policies around it."""

from collections.abc import Iterator

import pytest

from blocks.gateway.errors import (
    BudgetHeld,
    CallFailed,
    CircuitOpen,
    DeadlinePassed,
    MalformedReply,
    ReplyRefused,
    UpstreamMissing,
)
from blocks.records import Retry


def leaves(kind: type[CallFailed]) -> Iterator[type[CallFailed]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == CallFailed.__module__]
    if not children:
        yield kind
    for child in children:
        yield from leaves(child)


LEAVES = tuple(leaves(CallFailed))


def test_each_failure_has_its_own_kind_and_waits_for_the_next_run() -> None:
    assert len({leaf.kind for leaf in LEAVES}) == len(LEAVES)
    assert {leaf.retry for leaf in LEAVES} == {Retry.NEXT_RUN}


def test_what_is_an_outage_and_what_is_about_the_document() -> None:
    about_the_document = {leaf.kind for leaf in LEAVES if not leaf.is_outage}
    refused = {leaf.kind for leaf in leaves(ReplyRefused)}
    assert about_the_document == refused | {"request_refused", "context_too_long", "prompt_failed"}
    assert all(leaf.is_outage for leaf in LEAVES if leaf.is_endpoint_fault)


def test_what_is_refused_here_was_not_sent() -> None:
    assert {leaf.kind for leaf in LEAVES if not leaf.was_sent} == {
        "breaker_open",
        "budget_exhausted",
        "ledger_unavailable",
        "limits_reached",
        "models_paused",
        "prompt_failed",
    }


@pytest.mark.parametrize(
    ("kind", "waits_for_person"),
    [("key_refused", True), ("out_of_credit", True), ("upstream_missing", True), ("server_failed", False)],
)
def test_an_open_circuit_says_whether_a_person_must_act_first(kind: str, waits_for_person: bool) -> None:
    failure = CircuitOpen("a", f"the probe failed with {kind}", 12.4)
    assert (failure.waits_for_person, failure.again_in_s) == (waits_for_person, 12.4)
    assert "circuit of a open for 12 s" in str(failure)


def test_a_word_that_only_contains_a_kind_is_no_reason_to_wait_for_a_person() -> None:
    assert not CircuitOpen("a", "the probe failed with key_refused_once", 1).waits_for_person
    assert not CircuitOpen("a", "key_refused before, the last with server_failed", 1).waits_for_person


def test_what_only_a_person_puts_right() -> None:
    assert {leaf.kind for leaf in LEAVES if leaf.needs_person} == {
        "proxy_unusable",
        "key_refused",
        "out_of_credit",
        "upstream_missing",
    }


def test_a_held_budget_is_not_a_matter_of_the_models_limits() -> None:
    held = BudgetHeld("day")
    assert (held.kind, held.retry, held.is_outage, held.was_sent) == ("limits_reached", Retry.NEXT_RUN, True, False)
    assert "the rest of the day budget" in str(held)
    assert "winnow models set" not in str(held)


def test_a_deadline_that_passed_before_the_model_was_asked_does_not_blame_its_timeout() -> None:
    unsent, late = DeadlinePassed("a", 60, "the database"), DeadlinePassed("a", 60)
    assert str(unsent) == "a was not asked within 60 s: the database was slow; run again"
    assert str(late) == "a did not answer within 60 s; raise timeout_s (winnow models set)"
    assert (unsent.was_sent, late.was_sent) == (False, True)


def test_a_web_page_in_place_of_a_model_is_a_matter_of_the_endpoint() -> None:
    assert "check its endpoint" in str(MalformedReply("a", "its body is no JSON object"))
    assert "check its endpoint" not in str(MalformedReply("a", "more than one object"))
    assert "check its endpoint" in str(UpstreamMissing("a", "gpt", "it redirects elsewhere"))
    assert "knows no model 'gpt'" in str(UpstreamMissing("a", "gpt"))
