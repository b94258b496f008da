"""data/models.yaml, and the file and line of every mistake in such a file."""

from pathlib import Path

import pytest

from blocks.database.engine import Database
from blocks.gateway.registry.errors import ModelsFileInvalid
from blocks.gateway.registry.registry import default_key
from blocks.gateway.registry.seed import SEED_FILE, read_seed
from blocks.gateway.spending.prices import listed_context_window, price_of
from tasks.runs.models import open_registry

ENTRY = "models:\n  a:\n    provider: openai\n    upstream: x\n"


def test_no_shipped_model_is_enabled_and_each_can_be_paid_for() -> None:
    models = read_seed()
    assert {model.provider for model in models} == {"openai", "openai-responses", "anthropic", "gemini"}
    assert not any(model.is_enabled or model.was_enabled for model in models)
    assert [model.name for model in models if price_of(model) is None] == []
    assert [model.position for model in models] == list(range(len(models)))
    assert {model.tier for model in models} == {"cheap", "strong"}


def test_the_shipped_context_windows_are_those_of_the_price_list() -> None:
    for model in read_seed():
        listed = listed_context_window(model.provider, model.upstream, "")
        assert listed in (None, model.context_window), model.name


def test_a_key_is_sent_by_itself_to_its_provider_only() -> None:
    assert default_key("openai", "") == "env:OPENAI_API_KEY"
    assert default_key("anthropic", "") == "env:ANTHROPIC_API_KEY"
    assert default_key("gemini", "") == "env:GEMINI_API_KEY"
    assert default_key("openai", "http://localhost:11434/v1") is None


def test_the_commented_example_of_a_local_server_can_be_used_as_it_stands(tmp_path: Path) -> None:
    lines = SEED_FILE.read_text().splitlines()
    start = lines.index("#  local-llama:")
    file = tmp_path / "models.yaml"
    file.write_text("models:\n" + "\n".join(line.removeprefix("#") for line in lines[start:]) + "\n")
    (model,) = read_seed(file)
    price = price_of(model)
    assert price is not None
    assert price.is_free
    assert model.key is None


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("models:\n  a:\n    provider: openai\n", 2, "'upstream' is missing"),
        ("models:\n  a:\n    provider: opnai\n    upstream: x\n", 3, "did you mean 'openai'"),
        ("models:\n  a:\n    provider: openai\n    upstream: x\n    rmp: 3\n", 5, "did you mean 'rpm'"),
        ("models:\n  a:\n    provider: openai\n    upstream: x\n    rpm: 0\n", 5, "'rpm' is 0; it must be at least 1"),
        ("models:\n  a:\n    provider: openai\n    upstream: x\n    input_price: -1\n", 5, "'input_price'"),
        ("models:\n  a:\n    provider: openai\n    upstream: x\n    is_enabled: true\n", 5, "winnow models enable"),
        ("models:\n  a:\n    provider: openai\n    upstream: x\n    name: b\n", 5, "has no place here"),
        ("models:\n  a:\n    provider: openai\n    upstream: x\n    key: sk-canary-7f3a\n", 5, "env:VARIABLE"),
        (f"{ENTRY}    endpoint: https://a.b/v1?api-key=sk-canary-7f3a\n", 5, "holds a secret"),
        (f"{ENTRY}    endpoint: https://sk-canary-7f3a@a.b/v1\n", 5, "holds a secret"),
        (f"{ENTRY}    headers: {{authorization: Bearer sk-canary-7f3a}}\n", 5, "header authorization holds a secret"),
        (f"{ENTRY}    headers: {{X-Org: Bearer sk-canary-7f3a}}\n", 5, "key_env"),
        (f"{ENTRY}    key: secret:sk-canary-7f3a\n", 5, "looks like the key itself"),
        (f"{ENTRY}    tier: sk-canary-7f3a\n", 5, "looks like a key"),
        ("models:\n  a:\n    provider: openai\n    upstream: sk-canary-7f3a\n", 4, "its upstream looks like a key"),
        ('models:\n  a:\n    provider: openai\n    upstream: "a\\e[31mb"\n', 4, "control character"),
        (f"{ENTRY}    headers: {{X-Org: a, x-org: b}}\n", 5, "stands twice"),
        (f"{ENTRY}    headers: {{1: a}}\n", 5, "the key 1 must be text; put it in quotes"),
        (f"{ENTRY}    extra_body: {{temperature: 1}}\n", 5, "temperature is set by the gateway itself"),
        (f"{ENTRY}    extra_body: {{metadata: {{1: sk-canary-7f3a}}}}\n", 5, "hold a secret"),
        (f"{ENTRY}    timeout_s: 0.0001\n", 5, "0.1 seconds or more"),
        (f"{ENTRY}    context_window: 4096\n", 5, "leaves no room"),
        ("models:\n  a: sk-canary-7f3a\n", 2, "keys with values"),
        ("models:\n  sk-canary-7f3a1:\n    provider: openai\n    upstream: x\n", 2, "looks like a key"),
        ("models:\n  a: openai\n", 2, "keys with values"),
        ("models:\n  local@gpu:\n    provider: openai\n    upstream: x\n", 2, "choose another name"),
        ("models:\n  cheap:\n    provider: openai\n    upstream: x\n", 2, "a tier has this name"),
        ("modles:\n  a:\n    provider: openai\n", 1, "did you mean 'models'"),
        ("models:\n  a:\n    provider: openai\n    upstream: x\n  a:\n    provider: openai\n", 5, "is given twice"),
        ("models:\n\ta: 1\n", 2, "tab"),
        ("models: [", 2, "not YAML"),
    ],
)
def test_a_mistake_names_file_line_and_remedy(text: str, line: int, says: str, tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(text)
    with pytest.raises(ModelsFileInvalid) as raised:
        read_seed(file)
    assert f"{file}:{line}: " in str(raised.value)
    assert says in str(raised.value)
    assert "sk-canary" not in str(raised.value)


def test_a_file_that_is_not_there_or_not_text_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ModelsFileInvalid, match=r"none.yaml:1: it is not there; take it from"):
        read_seed(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"models: {} # \xe9\n")
    with pytest.raises(ModelsFileInvalid, match="UTF-8"):
        read_seed(tmp_path / "latin.yaml")
    (tmp_path / "empty.yaml").write_text("")
    assert read_seed(tmp_path / "empty.yaml") == ()


def test_the_registry_is_seeded_once_and_what_a_person_changed_stays(database: Database) -> None:
    registry = open_registry(database)
    first = registry.load()
    assert [model.name for model in first.models] == [model.name for model in read_seed()]
    registry.set_values("gpt-4.1", {"rpm": 7})
    registry.enable("gpt-4.1")
    again = open_registry(database).load().get("gpt-4.1")
    assert again is not None
    assert (again.rpm, again.is_enabled, again.was_enabled) == (7, True, True)
