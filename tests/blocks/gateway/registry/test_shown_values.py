"""Keys are distinguished from names of models, variables and blocks, and no message repeats them."""

import pytest

from blocks.gateway.registry.seed import read_seed
from blocks.gateway.registry.shown_values import (
    endpoint_problem,
    headers_problem,
    holds_secret,
    looks_like_a_key,
    quoted,
    upstream_problem,
)

KEYS = (
    "sk-proj-Zm9vYmFy", "sk_live_0a1b2c3d", "sk-canary-9b41e7", "sk-ant-api03-Qx", "sk-or-v1-0a1b2c3d",
    "sk-abcdefghijklmnopqrstuv",
    "AKIAIOSFODNN7EXAMPLE", "AIzaSyD-9tSrke72PouQMnMX", "ya29.a0AfH6SMBx7-q", "xai-8Kq2mZ0pLw7Tn3Rv",
    "gsk_9fQk2LmZx0Rt7Vw3", "hf_qWeRtYuIoPaSdFgHjKlZ", "nvapi-0aB1cD2eF3gH", "dapi0123456789abcdef",
    "github_pat_11ABCDEFG0", "eyJhbGciOiJIUzI1NiJ9", "9Kq3ABCDEFgh12345678901234567890abcd",
)  # fmt: skip
NAMES = (
    "accounts/fireworks/models/llama-v3p1-8b-instruct", "anthropic/claude-3.5-sonnet", "deepseek-ai/DeepSeek-V3",
    "ft:gpt-4o-mini-2024-07-18:org::abc123", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "xai-org/grok-1",
    "hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "hf_transformers", "pplx-70b-chat-alpha", "llama3.1:8b",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6", "sk-openai-prod",
    "risk-scoring-2024-07-18", "ANTHROPIC_API_KEY_2", "AZURE_OPENAI_KEY", "openai-prod-2", "gpt-4.1",
)  # fmt: skip
ENDPOINTS = (
    "http://localhost:11434/v1",
    "https://acme.openai.azure.com/openai/deployments/prod?api-version=2024-10-21",
    "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/v1",
    "https://abc123xyz456.us-east-1.aws.endpoints.huggingface.cloud/v1",
)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_known_wherever_it_stands_and_not_repeated(key: str) -> None:
    for text in (key, f"secret:{key}", f"openai/{key}", f" {key} "):
        assert looks_like_a_key(text)
        assert key not in quoted(text)
    for endpoint in (f"https://a.b/v1/{key}/x", f"https://a.b/v1#{key}", f"https://a.b/v1?x={key}"):
        assert "holds a secret" in str(endpoint_problem(endpoint))
    for problem in (headers_problem({"X-Org": key}), headers_problem({f"X-{key}": "a"}), upstream_problem(key)):
        assert problem is not None
        assert key not in problem


def test_names_and_addresses_of_real_models_are_no_keys() -> None:
    shipped = [model.upstream for model in read_seed()]
    assert [name for name in (*NAMES, *ENDPOINTS, *shipped) if looks_like_a_key(name)] == []
    assert [name for name in (*NAMES, *shipped) if upstream_problem(name)] == []
    assert [endpoint for endpoint in ENDPOINTS if endpoint_problem(endpoint)] == []


def test_a_text_is_repeated_in_quotes_and_cut_where_it_is_long() -> None:
    assert quoted("fats") == "'fats'"
    assert quoted("m" * 300) == f"'{'m' * 60}…'"
    assert "0a1b2c" not in quoted("0a1b2c" * 6), "some keys have no beginning of their own"


@pytest.mark.parametrize(
    "endpoint",
    ["http://exa mple.com/v1", "http://a.b/v1\nx", "http://a.b\t/v1", "\x1b[31mhttp://a.b", "localhost:80", "http://"],
)
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    assert "is no address" in str(endpoint_problem(endpoint))


def test_headers_that_requests_have_already_and_those_given_twice_are_refused() -> None:
    for name in ("Host", "content-type", "Content-Length", "Transfer-Encoding"):
        assert f"header {name} is set by each request" in str(headers_problem({name: "x"}))
    assert "stands twice" in str(headers_problem({"X-Org": "a", "x-org": "b"}))
    assert headers_problem({"X-Org": "a", "OpenAI-Beta": "assistants=v2", "anthropic-version": "2023-06-01"}) is None


PLAIN_HEADERS = (
    "x-portkey-provider", "x-portkey-config", "x-portkey-trace-id", "X-Keycloak-Realm", "X-Monkey", "X-Keyword-Set",
    "x-max-tokens", "X-Author", "cf-aig-cache-key", "X-Design", "X-Turnkey-Org",
)  # fmt: skip
SECRET_HEADERS = (
    "x-portkey-api-key", "X-Api-Key", "x_api_key", "apikey", "X-APIKey", "apiKey", "Ocp-Apim-Subscription-Key",
    "X-Goog-Api-Key", "AccessKey", "x-secretkey", "Authorization", "X-Auth-Token", "Helicone-Auth", "Cookie",
    "X-Session-Token", "usertoken", "X-Amz-Signature", "X-Sig", "X-Client-Secret", "Password",
)  # fmt: skip


@pytest.mark.parametrize("name", PLAIN_HEADERS)
def test_a_header_whose_name_only_contains_key_is_no_secret(name: str) -> None:
    assert headers_problem({name: "acme"}) is None


@pytest.mark.parametrize("name", SECRET_HEADERS)
def test_a_header_for_a_credential_is_refused_whatever_its_value(name: str) -> None:
    assert f"header {name} holds a secret" in str(headers_problem({name: "acme"}))


def test_a_secret_in_json_is_found_by_its_name_or_its_form_wherever_it_stands() -> None:
    assert holds_secret({"a": [{"api_key": "abc"}]})
    assert holds_secret({"headers": {"x": "Bearer abc"}})
    assert holds_secret({"a": ["sk-canary-9b41e7"]})
    assert not holds_secret({"provider": {"order": ["acme"], "max_tokens": 5}, "prompt_cache_key": "invoices"})
