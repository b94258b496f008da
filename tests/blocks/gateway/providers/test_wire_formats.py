"""The wire formats: requests against the types of the providers' own clients, replies as their references show them."""

import base64
import json
from collections.abc import Mapping
from typing import Any, cast, get_type_hints

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from blocks.gateway import errors
from blocks.gateway.model import Correction, ModelRequest, Question
from blocks.gateway.providers.catalogue import PROVIDERS
from blocks.gateway.providers.wire import WireRequest
from blocks.gateway.registry.entry_checks import CONTAINERS, OWN_FIELDS, REFUSED_FIELDS
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.reply_schema import reply_schema
from blocks.gateway.replies.wire_reply import Finish, WireReply
from blocks.records import PageImage
from tests.blocks.gateway.questions import BILL, PAGES, ask

KEY = "sk-canary-123"
PICTURE = PageImage(page=2, media_type="image/png", content=b"\x89PNG", width=10, height=10)
CLIENT_TYPES = {
    "openai": CompletionCreateParamsNonStreaming,
    "openai-responses": ResponseCreateParamsNonStreaming,
    "anthropic": MessageCreateParamsNonStreaming,
}
OPENAI_STYLE = ("openai", "openai-responses")


def model(provider: str, **values: Any) -> RegisteredModel:
    named = {"name": "asked", "provider": provider, "upstream": "some-model", "max_output_tokens": 777}
    return RegisteredModel.model_validate(named | values)


def rendered(
    provider: str, question: Question | None = None, mode: JsonMode = JsonMode.SCHEMA, **values: Any
) -> WireRequest:
    asked = model(provider, **values)
    return PROVIDERS[asked.provider].render(asked, question or ask(), KEY, mode)


def read(provider: str, body: object) -> WireReply:
    asked = model(provider)
    return PROVIDERS[asked.provider].read(asked, body)


def pictured() -> Question:
    return ask(ModelRequest(document_id="d", document_type=BILL, pages=PAGES, images=(PICTURE,)))


CORRECTED = Correction(reply='{"fields": {}}', problem="fields.total is missing")
VARIANTS: Mapping[str, Any] = {
    "plain": dict,
    "corrected": lambda: {"question": ask(correction=CORRECTED)},
    "corrected prose": lambda: {"question": ask(correction=Correction("I think  ", "no JSON"))},
    "corrected nothing": lambda: {"question": ask(correction=Correction(" ", "no JSON"))},
    "pictured": lambda: {"question": pictured()},
    "object": lambda: {"mode": JsonMode.OBJECT},
    "prompt": lambda: {"mode": JsonMode.PROMPT},
    "logprobs": lambda: {"logprobs": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("provider", CLIENT_TYPES)
def test_requests_are_what_the_providers_own_clients_send(provider: str, variant: str) -> None:
    body = json.loads(json.dumps(rendered(provider, **VARIANTS[variant]()).body))
    params = CLIENT_TYPES[provider]
    # The client is of Anthropic's version 2026-10-21, which has no temperature any more; what is sent is 2023-06-01.
    assert set(body) - ({"temperature"} if provider == "anthropic" else set()) <= set(get_type_hints(params))
    TypeAdapter(params).validate_python(body)


@pytest.mark.parametrize("upstream", ["some-model", "claude-haiku-4-5"])
@pytest.mark.parametrize("mode", [JsonMode.SCHEMA, JsonMode.OBJECT, JsonMode.PROMPT])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_extra_field_can_be_one_that_a_request_has(provider: str, mode: JsonMode, upstream: str) -> None:
    for endpoint in ("", "http://localhost:1/v1"):
        body = rendered(provider, mode=mode, upstream=upstream, endpoint=endpoint, logprobs=True).body
        inner = [name for container in CONTAINERS for name in cast(Mapping[str, object], body.get(container, {}))]
        assert {*body, *inner} <= OWN_FIELDS | REFUSED_FIELDS.keys()


def test_claude_is_held_to_the_schema_by_its_output_format_and_by_a_tool_where_it_refuses_that() -> None:
    schema = reply_schema(ask().request)
    native: Any = rendered("anthropic", upstream="claude-haiku-4-5").body
    assert native["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert "tools" not in native
    tool: Any = rendered("anthropic", mode=JsonMode.OBJECT, upstream="claude-haiku-4-5").body
    assert tool["tools"][0]["input_schema"] == schema
    assert "output_config" not in tool
    assert "JSON schema" not in tool["system"][0]["text"]
    assert "tools" in rendered("anthropic", upstream="glm-5").body
    assert "tools" not in rendered("anthropic", mode=JsonMode.OBJECT, upstream="glm-5").body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_is_in_a_header_and_nowhere_else(provider: str) -> None:
    request = rendered(provider, headers={"X-Team": "finance", "Authorization": "row", "x-api-key": "row"})
    assert KEY not in request.url
    assert KEY not in json.dumps(request.body)
    assert [name for name, value in request.headers.items() if KEY in value] != []
    assert request.headers["x-team"] == "finance"
    asked = model(provider)
    assert KEY not in str(PROVIDERS[asked.provider].render(asked, ask(), None, JsonMode.SCHEMA).headers)


@pytest.mark.parametrize(
    ("provider", "endpoint", "url"),
    [
        ("openai", "", "https://api.openai.com/v1/chat/completions"),
        ("openai", "http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
        ("openai", "http://localhost:8000/v1/", "http://localhost:8000/v1/chat/completions"),
        ("openai", "https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions"),
        ("openai", "http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        (
            "openai",
            "https://x.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21",
            "https://x.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        ),
        ("openai-responses", "", "https://api.openai.com/v1/responses"),
        ("anthropic", "", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "http://localhost:9", "http://localhost:9/v1/messages"),
        ("gemini", "", "https://generativelanguage.googleapis.com/v1beta/models/some-model:generateContent"),
        ("gemini", "http://localhost:9", "http://localhost:9/v1beta/models/some-model:generateContent"),
    ],
)
def test_endpoints_are_taken_as_people_write_them(provider: str, endpoint: str, url: str) -> None:
    assert rendered(provider, endpoint=endpoint).url == url


def test_azure_takes_its_key_in_its_own_header() -> None:
    headers = rendered("openai", endpoint="https://x.openai.azure.com/openai/v1").headers
    assert headers["api-key"] == KEY
    assert "authorization" not in headers
    assert rendered("openai").headers["authorization"] == f"Bearer {KEY}"
    assert rendered("anthropic").headers["x-api-key"] == KEY
    assert rendered("anthropic").headers["anthropic-version"] == "2023-06-01"
    assert rendered("gemini").headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize(
    ("provider", "values", "bound"),
    [
        ("openai", {}, "max_completion_tokens"),
        ("openai", {"endpoint": "https://x.openai.azure.com/openai/v1"}, "max_completion_tokens"),
        ("openai", {"endpoint": "http://localhost:8000/v1"}, "max_tokens"),
        ("openai-responses", {}, "max_output_tokens"),
        ("anthropic", {}, "max_tokens"),
    ],
)
def test_replies_are_bounded_and_sampling_is_off(provider: str, values: dict[str, Any], bound: str) -> None:
    body = rendered(provider, **values).body
    assert body[bound] == 777
    assert body["temperature"] == 0


def test_gemini_bounds_replies_and_samples_nothing_too() -> None:
    settings: Any = rendered("gemini", logprobs=True).body["generationConfig"]
    assert (settings["maxOutputTokens"], settings["temperature"]) == (777, 0)
    assert settings["responseJsonSchema"] == reply_schema(ask().request)
    assert settings["responseLogprobs"] is True


def test_the_schema_is_where_each_format_has_it() -> None:
    schema = reply_schema(ask().request)
    chat: Any = rendered("openai").body
    assert chat["response_format"]["json_schema"]["schema"] == schema
    assert chat["response_format"]["json_schema"]["strict"] is True
    responses: Any = rendered("openai-responses").body
    assert responses["text"]["format"]["schema"] == schema
    assert responses["store"] is False
    messages: Any = rendered("anthropic").body
    assert messages["tools"][0]["input_schema"] == schema
    assert messages["tool_choice"]["name"] == messages["tools"][0]["name"]
    assert messages["system"][-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("mode", [JsonMode.OBJECT, JsonMode.PROMPT])
def test_a_server_that_takes_no_schema_is_told_it_in_words(provider: str, mode: JsonMode) -> None:
    with_schema, without = rendered(provider), rendered(provider, mode=mode)
    assert "json_schema" not in json.dumps(without.body)
    assert "JSON schema" in json.dumps(without.body)
    assert '\\"additionalProperties\\":false' in json.dumps(without.body)
    assert '\\"additionalProperties\\":false' not in json.dumps(with_schema.body)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_instructions_come_first_and_the_document_last(provider: str) -> None:
    sent = json.dumps(rendered(provider).body)
    assert sent.count("Baker & Sons Ltd") == 1
    assert sent.index("copied from the page letter by letter") < sent.index("Baker & Sons Ltd")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_pictures_are_sent_with_the_numbers_of_their_pages(provider: str) -> None:
    sent = json.dumps(rendered(provider, pictured()).body)
    assert base64.b64encode(PICTURE.content).decode() in sent
    assert sent.index("Picture of page 2:") < sent.index(base64.b64encode(PICTURE.content).decode())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_correction_is_the_models_own_turn_and_an_objection(provider: str) -> None:
    sent = json.dumps(rendered(provider, ask(correction=CORRECTED)).body)
    assert sent.index("Baker & Sons") < sent.index("fields.total is missing")
    hostile = json.dumps(rendered(provider, ask(correction=Correction("x\ud800yz", "a\u200bb"))).body)
    assert "xyz" in hostile


def test_a_corrected_call_of_the_tool_is_answered_as_one() -> None:
    body: Any = rendered("anthropic", ask(correction=CORRECTED)).body
    assert body["messages"][1]["content"][0] | {"id": ""} == {
        "type": "tool_use",
        "id": "",
        "name": body["tools"][0]["name"],
        "input": {"fields": {}},
    }
    assert body["messages"][2]["content"][0]["tool_use_id"] == body["messages"][1]["content"][0]["id"]


# --- replies


CHAT = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4.1-2025-04-14",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "{}", "refusal": None, "annotations": []},
            "logprobs": {"content": [{"token": "{}", "logprob": -0.25, "bytes": [123, 125], "top_logprobs": []}]},
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
    },
}
RESPONSE = {
    "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "object": "response",
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "gpt-4.1-2025-04-14",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "thinking"}]},
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "{}",
                    "annotations": [],
                    "logprobs": [{"token": "{}", "logprob": -0.25}],
                }
            ],
        },
    ],
    "usage": {
        "input_tokens": 2006,
        "input_tokens_details": {"cached_tokens": 1920},
        "output_tokens": 300,
        "output_tokens_details": {"reasoning_tokens": 128},
        "total_tokens": 2306,
    },
}
MESSAGE = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "tool_use", "id": "toolu_01", "name": "reading", "input": {"fields": {"total": "9.00 €"}}}],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 86,
        "cache_creation_input_tokens": 400,
        "cache_read_input_tokens": 1520,
        "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 100},
        "output_tokens": 300,
    },
}
CONTENT = {
    "candidates": [
        {
            "content": {
                "parts": [{"text": "thinking", "thought": True}, {"text": "{"}, {"text": "}"}],
                "role": "model",
            },
            "finishReason": "STOP",
            "index": 0,
            "logprobsResult": {"chosenCandidates": [{"token": "{}", "tokenId": 5, "logProbability": -0.25}]},
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 2006,
        "candidatesTokenCount": 172,
        "thoughtsTokenCount": 128,
        "cachedContentTokenCount": 1920,
        "totalTokenCount": 2306,
    },
    "modelVersion": "gemini-2.5-flash",
    "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
}
BODIES: dict[str, dict[str, Any]] = {
    "openai": CHAT,
    "openai-responses": RESPONSE,
    "anthropic": MESSAGE,
    "gemini": CONTENT,
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_documented_reply_is_read(provider: str) -> None:
    reply = read(provider, BODIES[provider])
    assert reply.finish is Finish.STOP
    assert reply.served_by in ("gpt-4.1-2025-04-14", "claude-sonnet-4-5-20250929", "gemini-2.5-flash")
    usage = reply.usage
    assert usage.is_stated
    assert (usage.input_tokens, usage.output_tokens) == (2006, 300)
    if provider == "anthropic":
        assert json.loads(reply.text) == {"fields": {"total": "9.00 €"}}
        assert (usage.cached_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (1520, 400, 100)
    else:
        assert reply.text == "{}"
        assert reply.token_logprobs == (("{}", -0.25),)
        assert (usage.cached_tokens, usage.reasoning_tokens) == (1920, 128)


def changed(body: Mapping[str, Any], path: str, value: object) -> Any:
    """The body with one value exchanged, at a path such as choices.0.finish_reason."""
    copy = json.loads(json.dumps(body))
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    inner = copy
    for part in way:
        inner = inner[part]
    inner[last] = value
    return copy


@pytest.mark.parametrize(
    ("provider", "path", "value", "finish"),
    [
        ("openai", "choices.0.finish_reason", "length", Finish.LENGTH),
        ("openai", "choices.0.finish_reason", "model_length", Finish.LENGTH),
        ("openai", "choices.0.finish_reason", "content_filter", Finish.FILTERED),
        ("openai", "choices.0.finish_reason", "abort", Finish.UNKNOWN),
        ("openai", "choices.0.finish_reason", None, Finish.UNKNOWN),
        ("anthropic", "stop_reason", "end_turn", Finish.STOP),
        ("anthropic", "stop_reason", "max_tokens", Finish.LENGTH),
        ("anthropic", "stop_reason", "model_context_window_exceeded", Finish.LENGTH),
        ("anthropic", "stop_reason", "refusal", Finish.REFUSAL),
        ("anthropic", "stop_reason", "pause_turn", Finish.UNKNOWN),
        ("anthropic", "stop_reason", "content_filter", Finish.FILTERED),
        ("anthropic", "stop_reason", "guardrail_intervened", Finish.FILTERED),
        ("gemini", "candidates.0.finishReason", "MAX_TOKENS", Finish.LENGTH),
        ("gemini", "candidates.0.finishReason", "SAFETY", Finish.FILTERED),
        ("gemini", "candidates.0.finishReason", "RECITATION", Finish.FILTERED),
        ("gemini", "candidates.0.finishReason", "IMAGE_SAFETY", Finish.FILTERED),
        ("gemini", "candidates.0.finishReason", "OTHER", Finish.UNKNOWN),
        ("gemini", "promptFeedback", {"blockReason": "PROHIBITED_CONTENT"}, Finish.FILTERED),
    ],
)
def test_why_a_model_stopped(provider: str, path: str, value: object, finish: Finish) -> None:
    assert read(provider, changed(BODIES[provider], path, value)).finish is finish


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", Finish.LENGTH), ("content_filter", Finish.FILTERED)]
)
def test_why_a_response_is_incomplete(reason: str, finish: Finish) -> None:
    body = RESPONSE | {"status": "incomplete", "incomplete_details": {"reason": reason}}
    assert read("openai-responses", body).finish is finish


def test_refusals_are_read_from_their_fields() -> None:
    refused = changed(CHAT, "choices.0.message", {"role": "assistant", "content": None, "refusal": "I'm sorry"})
    assert read("openai", refused).refusal == "I'm sorry"
    part = [{"type": "refusal", "refusal": "I can't"}]
    assert read("openai-responses", changed(RESPONSE, "output.1.content", part)).refusal == "I can't"


EMPTY = [
    {},
    {"choices": []},
    {"choices": [{}]},
    {"choices": [None]},
    {"choices": "x"},
    {"candidates": []},
    {"output": []},
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("body", [*EMPTY, {"content": []}, {"content": [{"type": "tool_use"}]}, [], None, "text", 5])
def test_a_body_without_content_is_an_empty_reply_of_unknown_cost(provider: str, body: object) -> None:
    reply = read(provider, body)
    assert reply.text == ""
    assert not reply.usage.is_stated


USAGE_AT = {"openai": "usage", "openai-responses": "usage", "anthropic": "usage", "gemini": "usageMetadata"}
INPUT_AT = {
    "openai": "usage.prompt_tokens",
    "openai-responses": "usage.input_tokens",
    "anthropic": "usage.input_tokens",
    "gemini": "usageMetadata.promptTokenCount",
}
OUTPUT_AT = {
    "openai": "usage.completion_tokens",
    "openai-responses": "usage.output_tokens",
    "anthropic": "usage.output_tokens",
    "gemini": "usageMetadata.candidatesTokenCount",
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("garbage", [-1, "12", None, 1.5, 10**30, True, [], {}, "NaN"])
def test_a_count_that_can_be_none_is_not_stated(provider: str, garbage: object) -> None:
    for path in (USAGE_AT[provider], INPUT_AT[provider], OUTPUT_AT[provider]):
        usage = read(provider, changed(BODIES[provider], path, garbage)).usage
        assert not usage.is_stated
        assert (usage.input_tokens, usage.output_tokens) == (0, 0)


@pytest.mark.parametrize("garbage", [-1, "12", None, 10**30])
def test_a_cached_share_that_cannot_be_gives_no_discount(garbage: object) -> None:
    usage = read("openai", changed(CHAT, "usage.prompt_tokens_details.cached_tokens", garbage)).usage
    assert usage.is_stated
    assert usage.cached_tokens == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_zeros_under_an_answer_are_no_usage(provider: str) -> None:
    zeros = {name: 0 for name, value in BODIES[provider][USAGE_AT[provider]].items() if isinstance(value, int)}
    usage = read(provider, BODIES[provider] | {USAGE_AT[provider]: zeros}).usage
    assert not usage.is_stated


def test_a_text_of_gemini_whose_tokens_are_not_counted_has_no_usage() -> None:
    for counts in ({"promptTokenCount": 8}, {"promptTokenCount": 8, "thoughtsTokenCount": 4}):
        assert not read("gemini", CONTENT | {"usageMetadata": counts}).usage.is_stated


def test_a_blocked_prompt_of_gemini_has_no_output() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 20}}
    usage = read("gemini", body).usage
    assert (usage.is_stated, usage.input_tokens, usage.output_tokens) == (True, 20, 0)


@pytest.mark.parametrize("bad", [None, "x", float("nan"), float("-inf"), 0.5])
def test_logarithms_that_are_none_are_left_out_altogether(bad: object) -> None:
    tokens = [{"token": "{", "logprob": -0.1}, {"token": "}", "logprob": bad}]
    body = json.loads(json.dumps(CHAT))
    body["choices"][0]["logprobs"]["content"] = tokens
    assert read("openai", body).token_logprobs == ()


def test_a_tool_called_twice_is_not_one_answer() -> None:
    twice = read("anthropic", MESSAGE | {"content": [*MESSAGE["content"], *MESSAGE["content"]]})  # type: ignore[misc]
    with pytest.raises(json.JSONDecodeError):
        json.loads(twice.text)


def test_content_in_parts_is_joined_without_what_was_only_thought() -> None:
    parts = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "{"}, {"type": "text", "text": "}"}]
    assert read("openai", changed(CHAT, "choices.0.message.content", parts)).text == "{}"


@pytest.mark.parametrize(
    ("provider", "body", "kind"),
    [
        ("openai", {"error": {"message": "Provider returned error", "code": 502}}, errors.ServerFailed),
        ("openai", {"error": {"message": "slow down", "code": 429}}, errors.RateLimited),
        ("openai", {"error": "it broke"}, errors.ServerFailed),
        ("openai", {"error": {"message": "slow down", "code": "429"}}, errors.RateLimited),
        (
            "openai",
            {"object": "error", "message": "max_tokens must be at least 1, got -9.", "code": 400},
            errors.ContextTooLong,
        ),
        (
            "openai",
            {"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "Upstream broke"}}]},
            errors.ServerFailed,
        ),
        ("openai-responses", RESPONSE | {"status": "failed", "error": {"code": "server_error"}}, errors.ServerFailed),
        (
            "openai-responses",
            RESPONSE | {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}},
            errors.RateLimited,
        ),
        ("openai-responses", RESPONSE | {"status": "failed", "error": None}, errors.ServerFailed),
        ("openai-responses", RESPONSE | {"status": "cancelled"}, errors.ServerFailed),
        ("openai-responses", RESPONSE | {"status": "in_progress"}, errors.ServerFailed),
        ("anthropic", {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, errors.ServerFailed),
        ("anthropic", {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, errors.RateLimited),
        ("gemini", {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, errors.ServerFailed),
    ],
)
def test_an_error_in_place_of_a_reply_is_one(provider: str, body: object, kind: type[errors.CallFailed]) -> None:
    with pytest.raises(kind):
        read(provider, body)


def test_what_a_failed_response_has_cost_is_kept() -> None:
    with pytest.raises(errors.ServerFailed) as caught:
        read("openai-responses", RESPONSE | {"status": "failed", "error": {"code": "server_error", "message": "x"}})
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens == 300
