"""`winnow models` as a user types it: what is told, what is kept, what is refused, and that no key is ever shown."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner, Result

from blocks import settings
from blocks.database.engine import Database
from blocks.database.models.circuit_states import DatabaseCircuitStates
from blocks.database.tables import limit_leases, model_calls
from blocks.errors import DocumentUnknown, RunUnknown, UsageError
from blocks.gateway.errors import KeyRefused, ModelsPaused
from blocks.gateway.policies.shared_state import CircuitReport
from blocks.gateway.registry.errors import ModelInvalid, ModelPriceUnknown, ModelUnknown
from blocks.gateway.registry.registry import RegisteredModel
from blocks.settings import Settings
from deployments.cli import output
from deployments.cli.main import app
from deployments.cli.model_values import SETTABLE, checked_model
from deployments.cli.run_models import budget_of, budgets_text, names_of
from tasks.runs.models import open_registry
from tests.doubles.model_provider.handle import ModelProviderDouble
from tests.winnow_command import winnow

CANARY = "sk-canary-9b41e7"
LOCAL_SERVER = ("--provider", "openai", "--model", "llama3.1:8b", "--endpoint", "http://localhost:11434/v1")

Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `winnow models …` in this process, on an empty database."""
    monkeypatch.setattr(settings, "_current", None)
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "PREFECT_API_URL"):
        monkeypatch.delenv(variable, raising=False)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["models", *arguments, "--database", sqlite_database.url.get_secret_value()])

    return invoke


def rows(run: Run) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run("list", "--format", "json").stdout)}


def kept(database: Database, name: str) -> RegisteredModel:
    model = open_registry(database).load().get(name)
    assert model is not None
    return model


def test_a_hosted_model_is_added_with_its_provider_s_usual_key_and_the_listed_price(
    run: Run, sqlite_database: Database
) -> None:
    added = run("add", "fast", "--provider", "openai", "--model", "gpt-4.1-mini", "--tier", "cheap", "--rpm", "60")
    assert added.exit_code == 0
    assert "0.4 in, 1.6 out, by the price list" in added.stderr
    assert "its key is not set, so no run that may call it starts: put it into env:OPENAI_API_KEY" in added.stderr
    model = kept(sqlite_database, "fast")
    assert (model.key, model.endpoint, model.tier, model.rpm) == ("env:OPENAI_API_KEY", "", "cheap", 60)
    assert (model.is_enabled, model.was_enabled, model.context_window) == (True, True, 1_000_000)
    row = rows(run)["fast"]
    assert (row["input_price"], row["output_price"], row["key_state"]) == ("0.4", "1.6", "missing")


def test_each_price_is_told_with_who_says_so_and_a_price_that_hides_costs_loudly(run: Run) -> None:
    hosted = ("--provider", "openai", "--model", "gpt-4.1-mini")
    mixed = run("add", "mixed", *hosted, "--input-price", "0.3").stderr
    assert "0.3 in (yours), 1.6 out (listed), 0.1 read from the cache (listed)\n" in mixed
    assert "0.3 in, 1 out, as you set it\n" in run("add", "own", *LOCAL_SERVER, *prices("0.3", "1")).stderr
    assert "0.4 in, 1.6 out, by the price list\n" in run("set", "mixed", "input_price=").stderr
    assert "budgets do not count" not in mixed
    for zero in ("input_price=0", "output_price=0"):
        assert "budgets do not count its cost" in run("set", "mixed", zero).stderr
    groq = (
        "--provider",
        "openai",
        "--model",
        "llama-3.3-70b-versatile",
        "--endpoint",
        "https://api.groq.com/openai/v1",
    )
    assert "budgets do not count" in run("add", "groq", *groq, *prices("0", "0")).stderr
    assert "budgets do not count" not in run("add", "free", *LOCAL_SERVER, *prices("0", "0")).stderr


def prices(input_price: str, output_price: str) -> tuple[str, ...]:
    return "--input-price", input_price, "--output-price", output_price


def test_a_server_of_one_s_own_gets_no_key_and_its_unknown_price_is_told_loudly(
    run: Run, sqlite_database: Database
) -> None:
    added = run("add", "own", *LOCAL_SERVER)
    assert added.exit_code == 0
    assert "NO PRICE IS KNOWN for own (llama3.1:8b), so it stays disabled" in added.stderr
    assert "winnow models set own input_price=… output_price=…" in added.stderr
    assert "its requests carry no key" in added.stderr
    model = kept(sqlite_database, "own")
    assert (model.key, model.is_enabled, model.was_enabled) == (None, False, False)
    assert rows(run)["own"]["price"] == "unknown"
    assert isinstance(run("enable", "own").exception, ModelPriceUnknown)
    priced = run("set", "own", "input_price=0", "output_price=0").stderr
    assert "NO PRICE" not in priced
    assert "own is disabled: winnow models enable own" in priced
    assert rows(run)["own"]["price"] == "free"
    assert "NO PRICE" not in run("add", "own2", *LOCAL_SERVER, "--input-price", "0", "--output-price", "0").stderr


def test_every_option_of_add_reaches_the_registry(run: Run, sqlite_database: Database) -> None:
    options = {
        "--key-env": "OWN_KEY",
        "--input-price": "0.07",
        "--output-price": "0.21",
        "--tier": "strong",
        "--rpm": "11",
        "--tpm": "12000",
        "--in-flight": "3",
        "--timeout-s": "7.5",
    }
    assert run("add", "own", *LOCAL_SERVER, *(part for pair in options.items() for part in pair)).exit_code == 0
    model = kept(sqlite_database, "own")
    assert model.key == "env:OWN_KEY"
    assert (model.input_price, model.output_price) == (Decimal("0.07"), Decimal("0.21"))
    assert (model.tier, model.rpm, model.tpm, model.in_flight, model.timeout_s) == ("strong", 11, 12_000, 3, 7.5)
    assert model.version == "openai:llama3.1:8b@http://localhost:11434/v1"


def test_a_seeded_model_can_be_added_by_its_name_and_keeps_what_is_known_of_it(
    run: Run, sqlite_database: Database
) -> None:
    assert run("add", "gpt-4.1", "--provider", "openai", "--model", "gpt-4.1", "--rpm", "9").exit_code == 0
    model = kept(sqlite_database, "gpt-4.1")
    assert (model.is_enabled, model.rpm, model.tier, model.images) == (True, 9, "strong", True)
    other = run("add", "gpt-4.1", "--provider", "openai", "--model", "gpt-4.1-mini")
    assert isinstance(other.exception, ModelInvalid)
    assert "it is already in the registry, as openai:gpt-4.1" in str(other.exception)


def test_a_model_without_a_price_is_enabled_when_it_is_added_again_with_one(
    run: Run, sqlite_database: Database
) -> None:
    run("add", "own", *LOCAL_SERVER, "--rpm", "7")
    again = run("add", "own", *LOCAL_SERVER, *prices("0.1", "0.2"), "--tier", "cheap")
    assert again.exit_code == 0, again.exception
    model = kept(sqlite_database, "own")
    assert (model.is_enabled, model.input_price, model.rpm, model.tier) == (True, Decimal("0.1"), 7, "cheap")


def test_a_model_that_is_added_again_is_updated_and_stays_disabled_if_somebody_disabled_it(
    run: Run, sqlite_database: Database
) -> None:
    run("add", "own", *LOCAL_SERVER, *prices("0.1", "0.2"), "--rpm", "7")
    assert "own is updated, and enabled" in run("add", "own", *LOCAL_SERVER, "--in-flight", "3").stderr
    model = kept(sqlite_database, "own")
    assert (model.rpm, model.in_flight, model.output_price) == (7, 3, Decimal("0.2"))
    run("disable", "own")
    assert "own is updated, and disabled" in run("add", "own", *LOCAL_SERVER, "--rpm", "8").stderr
    model = kept(sqlite_database, "own")
    assert (model.rpm, model.is_enabled, model.was_enabled) == (8, False, True)


def test_a_removed_model_is_gone_and_one_of_the_seed_comes_back_as_it_is_there(
    run: Run, sqlite_database: Database
) -> None:
    run("add", "own", *LOCAL_SERVER, *prices("0", "0"))
    DatabaseCircuitStates(sqlite_database, CircuitReport).open("own", "server_failed", 60)
    removed = run("remove", "own")
    assert removed.stderr == "own is removed\n"
    assert "own" not in rows(run)
    assert DatabaseCircuitStates(sqlite_database, CircuitReport).load() == {}
    assert isinstance(run("remove", "own").exception, ModelUnknown)
    run("enable", "gpt-4.1")
    assert "models.yaml has it, so it comes back" in run("remove", "gpt-4.1").stderr
    assert not kept(sqlite_database, "gpt-4.1").is_enabled


def test_extra_fields_are_json_or_text_and_are_set_one_by_one(run: Run, sqlite_database: Database) -> None:
    fields = ("--body", "reasoning_effort=low", "--body", 'provider={"order": ["acme"]}')
    added = run("add", "own", *LOCAL_SERVER, *prices("0", "0"), *fields)
    assert added.exit_code == 0, added.exception
    assert kept(sqlite_database, "own").extra_body == {"reasoning_effort": "low", "provider": {"order": ["acme"]}}
    assert run("add", "own", *LOCAL_SERVER, "--body", "reasoning_effort=low").exit_code == 0
    assert set(kept(sqlite_database, "own").extra_body) == {"reasoning_effort", "provider"}, "the others stay"
    before = kept(sqlite_database, "own").digest
    changed = run("set", "own", "body.provider=", "body.generationConfig.thinkingConfig.thinkingBudget=0")
    assert 'its extra fields are {"reasoning_effort": "low", "generationConfig"' in changed.stderr
    model = kept(sqlite_database, "own")
    budget = {"thinkingConfig": {"thinkingBudget": 0}}
    assert model.extra_body == {"reasoning_effort": "low", "generationConfig": budget}
    assert model.digest != before, "they decide answers"
    for name in ("body.temperature=1", "body.generationConfig.seed=1", "body.stream=true", f"body.api_key={CANARY}"):
        refused = run("set", "own", name)
        assert isinstance(refused.exception, ModelInvalid)
        assert CANARY not in str(refused.exception) + refused.output
    assert kept(sqlite_database, "own") == model


def test_a_model_that_the_seed_knows_by_another_name_can_do_what_it_says_there(
    run: Run, sqlite_database: Database
) -> None:
    assert run("add", "fast", "--provider", "openai", "--model", "gpt-4.1-mini").exit_code == 0
    model, seeded = kept(sqlite_database, "fast"), kept(sqlite_database, "gpt-4.1-mini")
    for column in ("images", "logprobs", "json_mode", "context_window"):
        assert getattr(model, column) == getattr(seeded, column) is not False, column
    assert (model.tier, model.position) == (None, max(row["position"] for row in rows(run).values()))
    proxied = ("--provider", "openai", "--model", "gpt-4.1-mini", "--endpoint", "http://localhost:4000")
    run("add", "proxied", *proxied)
    assert not kept(sqlite_database, "proxied").images, "what a server of one's own passes on is not known"


def test_what_becomes_of_the_place_of_a_seeded_model_is_told(run: Run, sqlite_database: Database) -> None:
    place = kept(sqlite_database, "gpt-4.1-mini").position
    same = run("add", "gpt-4.1-mini", "--provider", "openai", "--model", "gpt-4.1-mini").stderr
    assert f"the registry had this name already; the model keeps its place in its tier: position {place}\n" in same
    assert kept(sqlite_database, "gpt-4.1-mini").position == place
    other = run("add", "gpt-4.1", "--provider", "openai", "--model", "gpt-4.1-nano").stderr
    last = max(row["position"] for row in rows(run).values())
    assert f"is another model now and comes last in its tier: position {last}\n" in other


def test_a_small_window_leaves_room_for_a_document(run: Run, sqlite_database: Database) -> None:
    small = (
        "--provider",
        "openai",
        "--model",
        "openai/gpt-3.5-turbo-instruct",
        "--endpoint",
        "https://openrouter.ai/api/v1",
    )
    assert run("add", "small", *small).exit_code == 0
    model = kept(sqlite_database, "small")
    assert (model.context_window, model.max_output_tokens) == (4095, 2047)


def test_the_built_in_model_is_in_no_registry_and_told_so(run: Run) -> None:
    for command in (("test", "local"), ("enable", "local"), ("disable", "local"), ("set", "local", "rpm=1")):
        refused = run(*command)
        assert isinstance(refused.exception, UsageError)
        assert "local is the built-in reader" in str(refused.exception)


def test_models_that_somebody_put_out_of_use_are_not_offered(run: Run) -> None:
    def more() -> int:
        unknown = str(run("enable", "zzz").exception)
        told = re.search(r"known are local, .* and (\d+) more \(winnow models list\); add it:", unknown)
        assert told, unknown
        return int(told[1])

    run("add", "mine", *LOCAL_SERVER, *prices("0", "0"))
    before = more()
    run("disable", "mine")
    assert more() == before - 1
    assert "did you mean 'mine'?" in str(run("enable", "mime").exception), "it is still there"


@pytest.mark.parametrize(
    ("change", "column", "value"),
    [
        ("upstream=gpt-5", "upstream", "gpt-5"),
        ("endpoint=https://proxy.example/v1", "endpoint", "https://proxy.example/v1"),
        ("key_env=OTHER_KEY", "key", "env:OTHER_KEY"),
        ("key-env=OTHER_KEY", "key", "env:OTHER_KEY"),
        ("key_env=", "key", None),
        ("key=secret:openai", "key", "secret:openai"),
        ("input_price=1.25", "input_price", Decimal("1.25")),
        ("output_price=0", "output_price", Decimal(0)),
        ("cached_price=0.125", "cached_price", Decimal("0.125")),
        ("input_price=", "input_price", None),
        ("tier=strong", "tier", "strong"),
        ("tier=", "tier", None),
        ("rpm=600", "rpm", 600),
        ("tpm=200000", "tpm", 200_000),
        ("in_flight=64", "in_flight", 64),
        ("timeout_s=2.5", "timeout_s", 2.5),
        ("max_output_tokens=9000", "max_output_tokens", 9000),
        ("context_window=128000", "context_window", 128_000),
        ("json_mode=json_object", "json_mode", "json_object"),
        ("images=true", "images", True),
        ("logprobs=yes", "logprobs", True),
        ("position=3", "position", 3),
    ],
)
def test_set_changes_one_value_and_nothing_else(
    change: str, column: str, value: object, run: Run, sqlite_database: Database
) -> None:
    run("add", "fast", "--provider", "openai", "--model", "gpt-4.1-mini", "--tier", "cheap")
    run("set", "fast", "json_mode=unknown")
    before = kept(sqlite_database, "fast").model_dump()
    changed = run("set", "fast", change)
    assert changed.exit_code == 0, changed.exception
    after = kept(sqlite_database, "fast").model_dump()
    assert after[column] == value
    assert {name for name in after if after[name] != before[name]} <= {column}


def test_another_upstream_is_asked_anew_how_it_can_be_held_to_a_schema(run: Run, sqlite_database: Database) -> None:
    run("add", "own", *LOCAL_SERVER)
    run("set", "own", "json_mode=json_object")
    run("set", "own", "upstream=qwen3")
    assert kept(sqlite_database, "own").json_mode == "unknown"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("set", "fast", "inptu_price=1"), "did you mean 'input_price'"),
        (("set", "fast", "rpm"), "no key=value"),
        (("set", "fast", "body.=x"), "names no field"),
        (("set", "fast", "header.=x"), "names no field"),
        (("set", "fast", "body..=x"), "empty name"),
        (("set", "fast", "body.a.=x"), "empty name"),
        (("set", "fast", "rpm=many"), "'rpm' must be a whole number"),
        (("set", "fast", "rpm=0"), "'rpm' is '0'; it must be at least 1"),
        (("set", "fast", "timeout_s=nan"), "'timeout_s' is 'nan'; it must be"),
        (("set", "fast", "timeout_s=inf"), "'timeout_s' is 'inf'; it must be"),
        (("set", "fast", "input_price=-1"), "'input_price' is '-1'; it must be at least 0"),
        (("set", "fast", "input_price=inf"), "'input_price' must be"),
        (("set", "fast", "tier=medium"), "'medium' is not allowed for 'tier'"),
        (("set", "fast", "json_mode=xml"), "'xml' is not allowed for 'json_mode'"),
        (("set", "fast", "input_price=NaN"), "'input_price' must be a finite number; it is 'NaN'"),
        (("set", "fast", "upstream="), "'upstream' is empty; give it a value"),
        (("set", "fast", "endpoint=localhost"), "its endpoint is no address"),
        (("set", "fast", "endpoint=https://me:secret@proxy.example/v1"), "its endpoint holds a secret"),
        (("set", "fast", "endpoint=https://proxy.example/v1?api_key=abc"), "its endpoint holds a secret"),
        (("set", "fast", f"key={CANARY}"), "a key is given by its place: env:VARIABLE"),
        (("set", "fast", f"key_env={CANARY}"), "no name of a variable"),
        (("add", "local", *LOCAL_SERVER), "the built-in reader has this name"),
        (("add", "a,b", *LOCAL_SERVER), "choose another name"),
        (("add", "own", *LOCAL_SERVER, "--input-price", "free"), "'input_price' must be"),
        (("add", "own", *LOCAL_SERVER, "--key-env", CANARY), "no name of a variable"),
        (("set", "fast", CANARY), "no key=value"),
        (("set", "fast", f"{CANARY}="), "to set"),
        (("set", "fast", f"header.{CANARY}=x"), "holds a secret"),
        (("set", "fast", f"key=secret:{CANARY}"), "looks like the key itself"),
        (("set", "fast", f"key=block:{CANARY}"), "looks like the key itself"),
        (("set", "fast", "key_env=AKIAIOSFODNN7EXAMPLE"), "looks like the key itself"),
        (("set", "fast", f"upstream={CANARY}"), "its upstream looks like a key"),
        (("set", "fast", f"rpm={CANARY}"), "what is given as rpm looks like a key"),
        (("set", "fast", f"tier={CANARY}"), "what is given as tier looks like a key"),
        (("set", "fast", f"endpoint=https://a.b/v1/{CANARY}"), "its endpoint holds a secret"),
        (("set", "fast", f"endpoint=https://a.b/v1#{CANARY}"), "its endpoint holds a secret"),
        (("set", "fast", f"header.X-Org={CANARY}"), "header X-Org holds a secret"),
        (("set", "fast", "header.X-Org=a", "header.x-org=b"), "given twice"),
        (("set", "fast", "rpm=1", "rpm=2"), "given twice"),
        (("set", "fast", "header.Host=a.b"), "is set by each request"),
        (("set", "fast", "upstream=a\x1b[31mb"), "control character"),
        (("set", "fast", "upstream=a\nb"), "a line break"),
        (("set", "fast", "endpoint=http://exa mple.com"), "is no address"),
        (("set", "fast", "timeout_s=0.0001"), "give 0.1 seconds or more"),
        (("set", "fast", "context_window=4096"), "leaves no room for a document"),
        (("add", "own", *LOCAL_SERVER, "--header", "X-Org=a", "--header", "x-org=b"), "given twice"),
        (("add", "own", *LOCAL_SERVER, "--header", f"{CANARY}="), "holds a secret"),
        (("add", "own", *LOCAL_SERVER, "--timeout-s", "0.01"), "give 0.1 seconds or more"),
        (("add", CANARY, *LOCAL_SERVER), "a name is shown"),
        (("add", "n" * 300, *LOCAL_SERVER), "at most 100 letters"),
        (("enable", CANARY), "there is no model (not repeated"),
        (("enable", "fats"), "did you mean 'fast'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    arguments: tuple[str, ...], says: str, run: Run, sqlite_database: Database
) -> None:
    run("add", "fast", "--provider", "openai", "--model", "gpt-4.1-mini", "--tier", "cheap")
    before = open_registry(sqlite_database).load()
    refused = run(*arguments)
    assert isinstance(refused.exception, UsageError)
    assert says in str(refused.exception)
    assert CANARY.rpartition("-")[2] not in str(refused.exception) + refused.output
    assert open_registry(sqlite_database).load() == before


def test_models_are_disabled_and_enabled_and_remembered(run: Run, sqlite_database: Database) -> None:
    assert run("enable", "gpt-4.1").exit_code == 0
    assert kept(sqlite_database, "gpt-4.1").is_enabled
    assert run("disable", "gpt-4.1").exit_code == 0
    model = kept(sqlite_database, "gpt-4.1")
    assert (model.is_enabled, model.was_enabled) == (False, True)
    assert isinstance(run("disable", "nobody").exception, ModelUnknown)


def test_pausing_is_shown_and_ends(run: Run, sqlite_database: Database) -> None:
    run("pause")
    assert open_registry(sqlite_database).load().is_paused
    assert all(row["is_paused"] for row in rows(run).values())
    assert "all models are paused" in run("list").stderr
    run("resume")
    assert not open_registry(sqlite_database).load().is_paused
    assert "paused" not in run("list").stderr


def test_extra_headers_are_set_one_by_one_and_credentials_are_none(run: Run, sqlite_database: Database) -> None:
    assert run("add", "own", *LOCAL_SERVER, "--header", "X-Org=acme", "--header", "X-Team=a=b").exit_code == 0
    assert kept(sqlite_database, "own").headers == {"X-Org": "acme", "X-Team": "a=b"}
    changed = run("set", "own", "header.x-org=other", "header.X-Team=")
    assert "own: its extra headers are x-org: other, json_mode is unknown\n" in changed.stderr
    assert kept(sqlite_database, "own").headers == {"x-org": "other"}
    for name in ("Authorization", "x-api-key", "X-Auth-Token", "Cookie"):
        refused = run("set", "own", f"header.{name}={CANARY}")
        assert isinstance(refused.exception, ModelInvalid)
        assert f"header {name} holds a secret" in str(refused.exception)
        assert CANARY not in str(refused.exception) + refused.output
    assert kept(sqlite_database, "own").headers == {"x-org": "other"}


@pytest.mark.parametrize("width", [80, 120])
def test_a_narrow_terminal_shows_a_line_per_model_and_cuts_nothing(
    width: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output.stdout(), "width", width)
    listed = run("list")
    head, *lines = listed.stdout.splitlines()
    assert max(map(len, (head, *lines))) <= width
    assert [line.split()[0] for line in lines] == list(rows(run))
    assert all("missing" in line and " in, " in line and "…" not in line for line in lines)
    assert "--format json shows all" in listed.stderr


def test_an_open_circuit_is_shown_with_its_reason(run: Run, sqlite_database: Database) -> None:
    DatabaseCircuitStates(sqlite_database, CircuitReport).open("gpt-4.1", "9 of 10 calls failed: server_failed", 60)
    row = rows(run)["gpt-4.1"]
    assert row["circuit_is_open"]
    assert row["circuit"].endswith("s: 9 of 10 calls failed: server_failed")
    assert rows(run)["gpt-4.1-mini"]["circuit"] == "closed"


def test_a_circuit_whose_pause_is_over_is_half_open(run: Run, sqlite_database: Database) -> None:
    DatabaseCircuitStates(sqlite_database, CircuitReport).open("gpt-4.1", "9 of 10 calls failed: server_failed", 0)
    assert rows(run)["gpt-4.1"]["circuit"] == "half-open: the next call is a probe"


def test_a_key_that_is_set_is_told_and_not_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    added = run("add", "fast", "--provider", "openai", "--model", "gpt-4.1-mini")
    listed = run("list", "--format", "json")
    assert rows(run)["fast"]["key"] == "env:OPENAI_API_KEY (set)"
    assert CANARY not in added.output + listed.output + run("list").output


def test_the_seed_is_listed_where_there_is_no_database_and_none_is_made(tmp_path: Path) -> None:
    done = winnow("models", "list", cwd=tmp_path)
    assert done.returncode == 0
    assert "gpt-4.1-mini" in done.stdout
    assert "no model is enabled" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_tested_by_one_real_call(
    run: Run,
    model_provider: ModelProviderDouble,
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("DOUBLE_KEY", CANARY)
    total, date = ("Total EUR   9.00", "9.00"), ("Paid on 2026-03-14, thank you", "2026-03-14")
    fields = {
        name: {"value": value, "evidence": [{"page": 1, "quote": quote}], "confidence": 0.9}
        for name, (quote, value) in {"total": total, "date": date}.items()
    }
    answers = {"Bakery Miller": {"fields": fields, "criteria": {}}}
    model_provider.script(answers=answers)
    endpoint = ("--endpoint", f"{model_provider.url}/v1", "--key-env", "DOUBLE_KEY")
    run("add", "double", "--provider", "openai", "--model", "m", *endpoint)
    refused = run("test", "double")
    assert isinstance(refused.exception, ModelPriceUnknown)
    assert model_provider.log() == []
    run("set", "double", "input_price=1", "output_price=2")
    run("disable", "double")
    tested = run("test", "double")
    assert tested.exit_code == 0, tested.exception
    assert "total 9.00, date 2026-03-14; all correct" in tested.stdout
    assert "the server enforces the schema" in tested.stdout
    assert rows(run)["double"]["json_mode"] == "json_schema"
    (entry,) = model_provider.log()
    (ledgered,) = json.loads(run("calls", "--format", "json").stdout)
    assert (ledgered["lane"], ledgered["outcome"]) == ("test", "ok")
    usage = entry["usage"]
    assert (ledgered["input_tokens"], ledgered["output_tokens"]) == (usage["input"], usage["output"])
    cost = Decimal(usage["input"] + 2 * usage["output"]).scaleb(-6)
    assert Decimal(ledgered["cost_usd"]) == cost
    assert f"cost: ${cost:f}\n" in tested.stdout
    model_provider.script(answers=answers, rules=[{"do": {"usage": "none"}}])
    unstated = run("test", "double")
    at_most = Decimal(json.loads(run("calls", "--format", "json").stdout)[-1]["unconfirmed_usd"])
    assert at_most > 0
    assert f"cost: not confirmed, at most ${at_most.normalize():f}" in unstated.stdout
    model_provider.script(rules=[{"do": {"status": 401}}])
    assert isinstance(run("test", "double").exception, KeyRefused)
    assert rows(run)["double"]["circuit"] == "closed"
    assert [record.getMessage() for record in caplog.records if "circuit" in record.getMessage()] == []
    run("pause")
    assert isinstance(run("test", "double").exception, ModelsPaused)
    assert CANARY not in tested.output + run("calls", "--format", "json").output
    with sqlite_database.read() as connection:
        assert connection.execute(select(limit_leases)).all() == [], "the next run has all of its limits"


def test_calls_are_filtered_by_run_and_document(run: Run, sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        connection.execute(
            insert(model_calls),
            [call(1, "run-1", "abc111"), call(2, "run-1", "def222"), call(3, "run-2", "abc111")],
        )

    def listed(*arguments: str) -> list[str]:
        return [row["call_key"] for row in json.loads(run("calls", "--format", "json", *arguments).stdout)]

    assert listed() == ["key-1", "key-2", "key-3"]
    assert listed("--run", "run-1") == ["key-1", "key-2"]
    assert listed("--document", "abc") == ["key-1", "key-3"]
    assert listed("--document", "abc111", "--run", "run-2") == ["key-3"]
    assert listed("--run", "run-2", "--document", "def") == []
    for option, unknown in (("--document", "%"), ("--document", ""), ("--document", "abd")):
        assert isinstance(run("calls", option, unknown).exception, DocumentUnknown)
    for unknown in ("nosuch", "", "run-"):
        assert isinstance(run("calls", "--run", unknown).exception, RunUnknown)
    row = json.loads(run("calls", "--format", "json", "--run", "run-2").stdout)[0]
    assert (row["cost_usd"], row["outcome"], row["lane"]) == ("0.00123", "ok", "run")
    assert "def222" in run("calls").stdout
    assert listed("--limit", "2") == ["key-2", "key-3"]
    assert listed("--limit", "1", "--run", "run-1") == ["key-2"]
    for output_format in ("table", "json"):
        cut = run("calls", "--limit", "2", "--format", output_format)
        assert "only the newest 2 calls; --limit lists more" in cut.stderr
        assert "newest" not in run("calls", "--limit", "3", "--format", output_format).stderr


def call(number: int, run_id: str, document_id: str) -> dict[str, object]:
    counts = ("step", "input_characters", "output_characters", "input_tokens", "output_tokens", "latency_ms")
    return dict.fromkeys(counts, 0) | {
        "run_id": run_id,
        "document_id": document_id,
        "model": "fast",
        "model_version": "openai:gpt-4.1-mini",
        "attempt": 1,
        "request_digest": "",
        "cost_usd": Decimal("0.00123"),
        "outcome": "ok",
        "called_at": datetime(2026, 11, 20, 12, number, tzinfo=UTC),
        "call_key": f"key-{number}",
    }


@pytest.mark.parametrize("amount", ["plenty", "-1", "-0.001", "nan", "inf", "", "1,5", "1e400", "1e-400"])
def test_a_budget_is_an_amount_of_money(amount: str) -> None:
    with pytest.raises(UsageError, match="--budget is"):
        budget_of(amount)


@pytest.mark.parametrize("option", ["", ",", "fast,", " "])
def test_an_empty_name_of_a_model_is_no_wish_for_the_routes_of_the_types(option: str) -> None:
    with pytest.raises(UsageError, match="--model has an empty name"):
        names_of([option])


@pytest.mark.parametrize("name", ["local", "cheap", "strong", "local@gpu", "gpt@eu", "", "two words"])
def test_a_model_is_named_neither_like_what_routes_name_nor_like_a_model_with_its_version(name: str) -> None:
    with pytest.raises(ModelInvalid, match="choose another name"):
        checked_model(name, {"provider": "openai", "upstream": "x"})


def test_budgets_are_told_as_people_write_them() -> None:
    told = budgets_text(Decimal("1E-7"), Settings(budget_per_day_usd=Decimal("1E+2")))
    assert told.startswith("$0.0000001 for this run, $100 a day, ")


def test_models_and_budget_of_a_run_are_read_as_they_are_meant() -> None:
    assert names_of(["fast, strong", "local", "fast"]) == ("fast", "strong", "local")
    assert names_of(None) == ()
    assert (budget_of("2.50"), budget_of("$0.1"), budget_of("0"), budget_of(None)) == (
        Decimal("2.50"),
        Decimal("0.1"),
        Decimal(0),
        None,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "a.txt", "--model", "nobody"), "there is no model 'nobody'"),
        (("run", "a.txt", "--model", "gpt-4.1"), "winnow models enable gpt-4.1"),
        (("run", "a.txt", "--model", "local,gpt-4.1"), "'gpt-4.1' is disabled"),
        (("run", "a.txt", "--budget", "plenty"), "--budget is 'plenty'"),
    ],
)
def test_bad_configuration_ends_with_2_before_anything_starts(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    done = winnow(*arguments, cwd=tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "Prefect" not in done.stderr


def test_a_prompt_that_cannot_be_rendered_ends_a_run_with_the_line_that_the_check_prints(tmp_path: Path) -> None:
    prompts = tmp_path / "types" / "note" / "prompts"
    prompts.mkdir(parents=True)
    (prompts.parent / "type.yaml").write_text("title: Note\nfields:\n  day: {type: date}\n")
    (prompts / "default.md").write_text("Read this.\n{{ ().__class__.__mro__ }}\n")
    (tmp_path / "a.txt").write_text("hello")
    told = {"XDG_STATE_HOME": str(tmp_path / "state"), "OPENAI_API_KEY": CANARY}
    told |= {"WINNOW_DOCUMENT_TYPES_DIR": str(tmp_path / "types")}
    assert winnow("models", "enable", "gpt-4.1", cwd=tmp_path, **told).returncode == 0
    done = winnow("run", "a.txt", "--model", "gpt-4.1", cwd=tmp_path, **told)
    (line,) = winnow("types", "check", cwd=tmp_path, **told).stderr.splitlines()
    assert "note/prompts/default.md:2: the template fails" in line
    assert done.returncode == 2
    assert line in done.stderr
    assert "Prefect" not in done.stderr


def test_the_page_on_models_names_every_key_that_can_be_set() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    table = page.split("## What can be set")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
    assert named == set(SETTABLE)
    helped = CliRunner().invoke(app, ["models", "set", "--help"]).output
    assert {key for key in SETTABLE if not re.search(rf"\b{key}\b", helped)} == set()
