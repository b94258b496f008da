"""Runs that ask language models, by the real command: faults, money, routes, the cache and bad configuration."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.model_runs import PRICES, TRUTHFUL, Notes, asked_notes

pytestmark = pytest.mark.prefect

LATENCY_S = 0.02
FAULTS_OF_SERVERS = {
    "rate limited": {"error": "rate_limited", "headers": {"retry-after": "1"}},
    "failed": {"error": "server_error"},
    "overloaded": {"error": "overloaded", "status": 529},
    "reset": {"cut": "reset", "cut_at": 0.5},
    "stalled": {"cut": "stall", "cut_at": 0.3},
}
FAULTS_OF_REPLIES = {
    "truncated": {"finish": "length", "keep_text": 0.5},
    "malformed": {"text": '{"fields": {"reference": NaN, "reference": "x"'},
    "no choices": {"body": '{"id": "x", "object": "chat.completion", "model": "m", "choices": []}'},
    "refused": {"text": "I cannot help with that.", "finish": "refusal"},
    "wrong schema": {"text": '{"fields": {"colour": {"value": "red", "evidence": [], "confidence": 1}}}'},
}


def tell_faults(notes: Notes) -> None:
    """One in ten requests to `first` meets each fault of servers, one in ten to `second` each fault of replies."""
    of_models = {"up-first": FAULTS_OF_SERVERS, "up-second": FAULTS_OF_REPLIES}
    rules = [
        {"name": name, "when": {"share": 0.1, "model": model}, "do": do}
        for model, faults in of_models.items()
        for name, do in faults.items()
    ]
    notes.provider.script(
        hook=TRUTHFUL, prices=PRICES, rules=rules, keep_bodies=True, latency_s=LATENCY_S, seed=11
    )  # fmt: skip
    for position, name in enumerate(("first", "second")):  # at endpoints that do not fail together
        notes.add(name, timeout_s=5, position=position, endpoint=f"{notes.provider.url}/{name}/v1")


def assert_books_agree(notes: Notes) -> None:
    """The ledger has each request of the double's log once, costs what the double bills, and reserves nothing."""
    assert notes.ledger_usd() == notes.provider.total_usd()
    assert notes.attempts() == asked_notes(notes.provider.log())
    assert notes.reserved_usd() == 0


def test_200_documents_through_ten_faults(notes: Notes) -> None:
    tell_faults(notes)
    summary = notes.run(notes.write(200), "--model", "first,second", "--budget", "5")
    states = notes.states()
    assert summary["documents"] == sum(states.values()) == 200
    assert sum(summary[state] for state in ("accepted", "in_review", "rejected", "failed")) == 200
    assert_books_agree(notes)
    assert notes.query("select * from limit_leases") == [], "the next run has all of the limits"
    assert {entry["rule"] for entry in notes.provider.log()} == {"", *FAULTS_OF_SERVERS, *FAULTS_OF_REPLIES}
    kinds = {"ok", "rate_limited", "server_failed", "connection_failed", "deadline_passed", "truncated_reply"}
    kinds |= {"malformed_reply", "empty_reply", "model_refusal", "wrong_schema"}
    assert set(notes.outcomes()) == kinds
    assert Decimal(summary["cost_usd"]) == notes.ledger_usd() > 0
    assert Decimal(summary["unconfirmed_usd"]) == notes.unconfirmed_usd() > 0
    assert Decimal(summary["cost_usd"]) + Decimal(summary["unconfirmed_usd"]) <= 5
    # Nothing wrong was believed, and what no model read is in review under that reason, for the next run.
    assert set(states) == {"accepted", "in_review, provisional"}
    assert states["accepted"] >= 100
    assert notes.reasons() == Counter({"model_unavailable": states["in_review, provisional"]})
    for reference, (status, _, fields, _) in notes.results().items():
        at = int(reference[-4:])
        expected = {"reference": reference, "amount": f"{10 + at}.{at % 100:02}"}
        assert status != "accepted" or fields == expected

    taken_up = notes.provisional()
    notes.provider.script(hook=TRUTHFUL, prices=PRICES, keep_bodies=True, latency_s=LATENCY_S)
    billed_before = notes.ledger_usd()
    summary = notes.run("notes.jsonl", "--model", "first,second")
    assert set(asked_notes(notes.provider.log())) == taken_up
    assert (summary["skipped"], summary["accepted"]) == (200 - len(taken_up), len(taken_up))
    assert notes.ledger_usd() - billed_before == notes.provider.total_usd()


@pytest.mark.parametrize("number", [60, pytest.param(400, marks=pytest.mark.long)])
def test_a_small_budget_is_not_passed_through_ten_faults(notes: Notes, number: int) -> None:
    tell_faults(notes)
    budget = Decimal("0.02")
    summary = notes.run(notes.write(number), "--model", "first,second", "--budget", str(budget))
    assert sum(notes.states().values()) == number
    assert_books_agree(notes)
    assert notes.ledger_usd() + notes.unconfirmed_usd() <= budget
    assert Decimal(summary["cost_usd"]) + Decimal(summary["unconfirmed_usd"]) <= budget
    assert notes.states()["accepted"] >= 1
    assert notes.reasons()["budget_exhausted"] >= number / 6


REWRITE = "Write it once more.\n{% for name, text in written.items() %}{{ text }}{% endfor %}\n{{ document }}\n"
OPINIONS = """\
  place: {type: text}
route: [{tier: cheap, accept: {confidence: 0.999}}, {tier: strong, role: second_opinion}]
"""
ROUTES = {
    "rewriting": """\
  reply: {type: text, written: true}
rubric:
  criteria: [{name: tone, description: It is friendly., judges: reply}]
route:
  - {tier: cheap, accept: {criteria: {tone: 0.7}, checks: false}}
  - {tier: cheap, prompt: rewrite, role: rewrite, when: {criterion_below: {tone: 0.7}}}
""",
    "falling": "route: [{model: dead}, {model: first}]\n",
    "cascading": """\
route:
  - {model: local, accept: {confidence: 0.999}}
  - {tier: cheap, accept: {confidence: 0.999}}
  - {tier: strong}
""",
    "doubting": OPINIONS,
    "agreeing": OPINIONS,
}


def test_routes_are_walked_step_by_step_and_nothing_is_paid_twice(notes: Notes) -> None:
    for name, more in ROUTES.items():
        notes.type(f"{more}classification: {{signals: [{{phrase: {name}, weight: 6}}]}}\n", name)
    prompts = notes.types / "rewriting" / "prompts"
    prompts.mkdir()
    (prompts / "rewrite.md").write_text(REWRITE)
    rules = [{"when": {"model": "up-dead"}, "do": {"error": "server_error"}}]
    notes.provider.script(
        hook="tests.doubles.note_reader:of_routes", prices=PRICES, rules=rules, keep_bodies=True, latency_s=LATENCY_S
    )
    notes.add("first", tier="cheap")
    notes.add("second", tier="strong", position=1)
    notes.add("dead", position=2)
    source = notes.write(len(ROUTES), kinds=tuple(ROUTES))
    summary = notes.workplace.run(source, "--rows", "text")
    assert summary["documents"] == len(ROUTES)
    assert_books_agree(notes)

    steps = {kind: notes.steps()[f"REF-{at:04}"] for at, kind in enumerate(ROUTES)}
    walked = {kind: [(one["step"], one["model"], one["outcome"]) for one in told] for kind, told in steps.items()}
    assert walked == {
        "rewriting": [(0, "first", "unsure"), (1, "first", "answered")],
        "falling": [(0, "dead", "server_failed"), (1, "first", "answered")],
        "cascading": [(0, "local", "unsure"), (1, "first", "unsure"), (2, "second", "answered")],
        "doubting": [(0, "first", "unsure"), (1, "second", "answered")],
        "agreeing": [(0, "first", "unsure"), (1, "second", "answered")],
    }
    assert steps["rewriting"][0]["why"] == "tone is graded 0.20, under 0.7"
    assert steps["doubting"][1]["why"] == "differing: place"
    assert steps["agreeing"][1]["why"] == ""
    place_sure = notes.confidences("place")
    assert place_sure["REF-0003"] < 0.8 < place_sure["REF-0004"]

    results = notes.results()
    answered = [call for call in notes.provider.log() if call["status"] == 200]
    again = notes.workplace.run(source, "--rows", "text")
    assert (again["skipped"], again["model_calls"]) == (len(ROUTES), 0)
    notes.provider.script(hook="tests.doubles.note_reader:of_routes", prices=PRICES, latency_s=LATENCY_S)
    notes.add("dead", position=2, is_enabled=False)  # what failed was not kept, and would be asked again
    kept = notes.workplace.run(source, "--rows", "text", "--rerun", "all")
    assert (kept["cost_usd"], kept["cache_hits"], notes.provider.log()) == ("0", len(answered), [])
    assert notes.results() == results
    paid = notes.workplace.run(source, "--rows", "text", "--rerun", "all", "--no-cache")
    assert paid["cache_hits"] == 0
    assert len(notes.provider.log()) == len(answered)
    assert Decimal(str(paid["cost_usd"])) == notes.provider.total_usd() > 0


def test_bad_configuration_ends_before_anything_is_asked(notes: Notes) -> None:
    notes.provider.script(hook=TRUTHFUL)
    source = notes.write(1)
    notes.add("first")
    notes.add("keyless", key="env:NOT_SET_ANYWHERE")
    notes.add("priceless", input_price=None, output_price=None)
    notes.add("retired", is_enabled=False)

    environment = notes.workplace.environment | {"XDG_STATE_HOME": str(notes.workplace.folder / "state")}

    def refused(route: str, *options: str) -> str:
        folder = notes.workplace.folder / f"types of {route} {options}"
        (folder / "note").mkdir(parents=True)
        text = (notes.types / "note" / "type.yaml").read_text()
        (folder / "note" / "type.yaml").write_text(f"{text}route:\n  - {route}\n" if route else text)
        there = replace(notes.workplace, environment=environment | {"WINNOW_DOCUMENT_TYPES_DIR": str(folder)})
        done = there.command("run", *notes.arguments(source, *options), expect=2)
        assert done.stdout == ""
        return done.stderr.replace(str(folder), "TYPES")

    cases: dict[tuple[str, ...], tuple[str, ...]] = {
        ("", "--model", "frist"): ("--model: there is no model 'frist'", "did you mean 'first'?"),
        ("{model: frist}",): ("TYPES/note/type.yaml:7: there is no model 'frist'", "winnow models add frist"),
        ("{model: keyless}",): ("TYPES/note/type.yaml:7: model 'keyless'", "env:NOT_SET_ANYWHERE", "set it, or"),
        ("{model: priceless}",): ("TYPES/note/type.yaml:7: no price", "winnow models set priceless input_price="),
        ("", "--model", "retired"): ("--model: model 'retired' is disabled", "winnow models enable retired"),
    }
    for case, expected in cases.items():
        message = refused(*case)
        assert [part for part in expected if part not in message] == [], message
    assert notes.provider.log() == []
    assert notes.query("select * from model_calls") == []
    assert not (notes.workplace.folder / "state").exists(), "a Prefect server was started"
