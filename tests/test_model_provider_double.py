"""The double against the providers' own clients: what they can read, a provider can have sent."""

import http.client
import json
import re
import threading
from collections.abc import Callable
from decimal import Decimal
from email.message import Message
from pathlib import Path
from typing import Any

import anthropic
import jsonschema  # type: ignore[import-untyped] # ships no types
import openai
import pytest
from pydantic import BaseModel

from tests.doubles.model_provider.handle import ModelProviderDouble

DOCUMENT = "ACME GmbH\nInvoice 4711\nTotal due 1,234.50 EUR"
KEY = "sk-double-canary"


class Reading(BaseModel):
    value: str
    confidence: float


class Reply(BaseModel):
    supplier: Reading
    pages: list[int]


SCHEMA = {
    "type": "object",
    "properties": {
        "supplier": {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "properties": {
                        "value": {"type": ["string", "null"]},
                        "evidence": {"type": "array", "items": {"$ref": "#/$defs/quote"}},
                        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                    },
                    "required": ["value", "evidence", "confidence"],
                    "additionalProperties": False,
                },
            ]
        },
        "kind": {"type": "string", "enum": ["invoice", "receipt"]},
        "paid": {"type": "boolean"},
    },
    "required": ["supplier", "kind", "paid"],
    "additionalProperties": False,
    "$defs": {
        "quote": {
            "type": "object",
            "properties": {"page": {"type": "integer", "minimum": 1}, "quote": {"type": "string"}},
            "required": ["page", "quote"],
            "additionalProperties": False,
        }
    },
}


def _openai(double: ModelProviderDouble, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{double.url}/v1", api_key=KEY, **{"max_retries": 0, **options})


def _anthropic(double: ModelProviderDouble, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=double.url, api_key=KEY, **{"max_retries": 0, **options})


def _ask_chat(double: ModelProviderDouble, text: str = DOCUMENT, **more: Any) -> Any:
    messages: Any = [{"role": "system", "content": "Read it."}, {"role": "user", "content": text}]
    return _openai(double).chat.completions.create(model="gpt-x", messages=messages, **more)


def _ask_responses(double: ModelProviderDouble, text: str = DOCUMENT, **more: Any) -> Any:
    return _openai(double).responses.create(model="gpt-x", instructions="Read it.", input=text, **more)


def _ask_messages(double: ModelProviderDouble, text: str = DOCUMENT, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    return _anthropic(double).messages.create(model="claude-x", max_tokens=500, messages=messages, **more)


def _post(double: ModelProviderDouble, path: str, body: object, key: str = KEY) -> tuple[int, Message, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", double.port, timeout=60)
    connection.request("POST", path, json.dumps(body), {"x-goog-api-key": key, "content-type": "application/json"})
    reply = connection.getresponse()
    said = json.loads(reply.read())
    connection.close()
    return reply.status, reply.headers, said


def _ask_gemini(double: ModelProviderDouble, text: str = DOCUMENT, **config: Any) -> tuple[int, Message, Any]:
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config}
    return _post(double, "/v1beta/models/gemini-x:generateContent", body)


ASK: dict[str, Callable[..., Any]] = {
    "chat": _ask_chat,
    "responses": _ask_responses,
    "messages": _ask_messages,
    "gemini": _ask_gemini,
}


def test_chat_completions_with_a_schema_log_probabilities_and_usage(model_provider: ModelProviderDouble) -> None:
    format_ = {"type": "json_schema", "json_schema": {"name": "reading", "schema": SCHEMA, "strict": True}}
    reply = _ask_chat(model_provider, response_format=format_, logprobs=True, seed=1, temperature=0)
    text = reply.choices[0].message.content
    jsonschema.validate(json.loads(text), SCHEMA)
    assert "".join(token.token for token in reply.choices[0].logprobs.content) == text
    assert reply.choices[0].finish_reason == "stop"
    (entry,) = model_provider.log()
    assert entry["usage"]["input"] == reply.usage.prompt_tokens > 0
    assert entry["usage"]["output"] == reply.usage.completion_tokens > 0


def test_openai_parses_structured_replies_and_tool_calls(model_provider: ModelProviderDouble) -> None:
    client = _openai(model_provider)
    messages: Any = [{"role": "user", "content": DOCUMENT}]
    parsed = client.chat.completions.parse(model="gpt-x", messages=messages, response_format=Reply)
    assert parsed.choices[0].message.parsed is not None
    parsed_response = client.responses.parse(model="gpt-x", input=DOCUMENT, text_format=Reply)
    assert parsed_response.output_parsed is not None
    tool: Any = {"type": "function", "function": {"name": "report", "parameters": SCHEMA}}
    called = _ask_chat(model_provider, tools=[tool], tool_choice={"type": "function", "function": {"name": "report"}})
    jsonschema.validate(json.loads(called.choices[0].message.tool_calls[0].function.arguments), SCHEMA)
    assert called.choices[0].finish_reason == "tool_calls"


def test_responses_with_a_schema_log_probabilities_and_usage(model_provider: ModelProviderDouble) -> None:
    model_provider.script(rules=[{"do": {"usage": {"reasoning": 3, "cached": 2}}}])
    format_ = {"format": {"type": "json_schema", "name": "reading", "schema": SCHEMA, "strict": True}}
    reply = _ask_responses(model_provider, text=DOCUMENT, include=["message.output_text.logprobs"])
    assert "".join(one.token for one in reply.output[-1].content[0].logprobs) == reply.output_text
    body = {"model": "gpt-x", "input": DOCUMENT, "text": format_}
    _, _, said = _post(model_provider, "/v1/responses", body)
    response = openai.types.responses.Response.model_validate(said)
    jsonschema.validate(json.loads(response.output_text), SCHEMA)
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 3
    assert response.usage.input_tokens_details.cached_tokens == 2
    assert [item.type for item in response.output] == ["reasoning", "message"]


def test_messages_with_a_forced_tool_and_cached_tokens(model_provider: ModelProviderDouble) -> None:
    model_provider.script(rules=[{"do": {"usage": {"input": 100, "cached": 60, "cache_write": 30}}}])
    system = [{"type": "text", "text": "Read it.", "cache_control": {"type": "ephemeral"}}]
    tool = {"name": "report", "input_schema": SCHEMA}
    choice = {"type": "tool", "name": "report"}
    reply = _ask_messages(model_provider, system=system, tools=[tool], tool_choice=choice)
    jsonschema.validate(reply.content[0].input, SCHEMA)
    assert reply.stop_reason == "tool_use"
    assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens) == (10, 60)
    assert reply.usage.cache_creation_input_tokens == 30


def test_gemini_with_a_schema_and_log_probabilities(model_provider: ModelProviderDouble) -> None:
    model_provider.script(rules=[{"do": {"usage": {"output": 40, "reasoning": 30}}}])
    status, _, said = _ask_gemini(
        model_provider, responseMimeType="application/json", responseJsonSchema=SCHEMA, responseLogprobs=True
    )
    assert status == 200
    (candidate,) = said["candidates"]
    text = candidate["content"]["parts"][0]["text"]
    jsonschema.validate(json.loads(text), SCHEMA)
    assert "".join(one["token"] for one in candidate["logprobsResult"]["chosenCandidates"]) == text
    assert candidate["finishReason"] == "STOP"
    usage = said["usageMetadata"]
    assert (usage["candidatesTokenCount"], usage["thoughtsTokenCount"]) == (10, 30)
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + 40
    status, _, said = _ask_gemini(model_provider, responseJsonSchema=SCHEMA)
    assert (status, said["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("format_", ["chat", "responses", "messages", "gemini"])
@pytest.mark.parametrize("finish", ["length", "refusal", "filtered", "empty"])
def test_every_way_to_stop_is_told_as_the_provider_tells_it(
    model_provider: ModelProviderDouble, format_: str, finish: str
) -> None:
    model_provider.script(rules=[{"do": {"text": "I cannot help.", "finish": finish}}])
    reply = ASK[format_](model_provider)
    if format_ == "chat":
        seen = (reply.choices or [None])[0] and (reply.choices[0].finish_reason, reply.choices[0].message.refusal)
        expected: Any = {"length": ("length", None), "refusal": ("stop", "I cannot help."), "empty": None}
        assert seen == expected.get(finish, ("content_filter", None))
    elif format_ == "responses":
        kinds = [part.type for item in reply.output for part in item.content]
        details = reply.incomplete_details and reply.incomplete_details.reason
        expected = {
            "length": (["output_text"], "max_output_tokens"),
            "filtered": (["output_text"], "content_filter"),
            "refusal": (["refusal"], None),
            "empty": ([], None),
        }
        assert (kinds, details) == expected[finish]
    elif format_ == "messages":
        reasons = {"length": "max_tokens", "empty": "end_turn"}
        assert reply.stop_reason == reasons.get(finish, "refusal")
        assert bool(reply.content) == (finish != "empty")
    else:
        said = reply[2]
        reasons = {"length": "MAX_TOKENS", "refusal": "SAFETY"}
        assert [one["finishReason"] for one in said.get("candidates", [])] == (
            [reasons[finish]] if finish in reasons else []
        )
        assert ("promptFeedback" in said) == (finish == "filtered")


ERRORS: list[tuple[str, str, type[Exception], int]] = [
    ("chat", "rate_limited", openai.RateLimitError, 429),
    ("chat", "out_of_credit", openai.RateLimitError, 429),
    ("chat", "bad_key", openai.AuthenticationError, 401),
    ("chat", "no_model", openai.NotFoundError, 404),
    ("chat", "context_too_long", openai.BadRequestError, 400),
    ("chat", "filtered", openai.BadRequestError, 400),
    ("chat", "overloaded", openai.InternalServerError, 503),
    ("responses", "unsupported_format", openai.BadRequestError, 400),
    ("responses", "server_error", openai.InternalServerError, 500),
    ("messages", "rate_limited", anthropic.RateLimitError, 429),
    ("messages", "out_of_credit", anthropic.BadRequestError, 400),
    ("messages", "bad_key", anthropic.AuthenticationError, 401),
    ("messages", "no_model", anthropic.NotFoundError, 404),
    ("messages", "overloaded", anthropic.APIStatusError, 529),
    ("messages", "context_too_long", anthropic.BadRequestError, 400),
]


@pytest.mark.parametrize(("format_", "kind", "raised", "status"), ERRORS)
def test_the_clients_know_the_errors(
    model_provider: ModelProviderDouble, format_: str, kind: str, raised: type[Exception], status: int
) -> None:
    model_provider.script(rules=[{"do": {"error": kind}}])
    with pytest.raises(raised) as caught:
        ASK[format_](model_provider)
    error: Any = caught.value
    assert error.status_code == status
    assert error.body["error"]["message"] if format_ == "messages" else error.body["message"]
    assert model_provider.log()[0]["status"] == status
    assert model_provider.bill() == {}


def test_gemini_says_when_to_come_back(model_provider: ModelProviderDouble) -> None:
    model_provider.script(rules=[{"do": {"error": "rate_limited"}}])
    status, _, said = _ask_gemini(model_provider)
    assert (status, said["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert said["error"]["details"][0]["retryDelay"] == "1.5s"


def test_parameters_that_a_model_does_not_have_are_refused(model_provider: ModelProviderDouble) -> None:
    model_provider.script(refused_parameters=["temperature", "max_tokens"])
    assert _ask_chat(model_provider).choices
    with pytest.raises(openai.BadRequestError) as caught:
        _ask_chat(model_provider, max_tokens=9)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "max_tokens")
    model_provider.script()
    with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
        _ask_messages(model_provider, extra_body={"temperature": 1.0})
    old = {"anthropic-version": "2023-06-01"}
    assert _ask_messages(model_provider, extra_body={"temperature": 1.0}, extra_headers=old).content


def test_images_are_seen_in_every_format(model_provider: ModelProviderDouble) -> None:
    data = "aGVsbG8="
    url = f"data:image/png;base64,{data}"
    chat: Any = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]
    plain = _ask_chat(model_provider, "x").usage.prompt_tokens
    assert _ask_chat(model_provider, chat).usage.prompt_tokens == plain + 258
    source = {"type": "base64", "media_type": "image/png", "data": data}
    picture: Any = [{"type": "text", "text": "x"}, {"type": "image", "source": source}]
    plain = _ask_messages(model_provider, "x").usage.input_tokens
    assert _ask_messages(model_provider, picture).usage.input_tokens == plain + 258
    content: Any = [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": url, "detail": "auto"}]
    plain = _ask_responses(model_provider, "x").usage.input_tokens
    asked: Any = [{"role": "user", "content": content}]
    assert _ask_responses(model_provider, asked).usage.input_tokens == plain + 258
    parts = [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": data}}]
    _, _, said = _post(model_provider, "/v1beta/models/g:generateContent", {"contents": [{"parts": parts}]})
    assert said["usageMetadata"]["promptTokenCount"] == 1 + 258


def test_a_hook_a_table_and_the_schema_answer_in_this_order(model_provider: ModelProviderDouble) -> None:
    model_provider.script(hook="tests.doubles.totals_reader:read", answers={"4712": {"total": "7"}})
    assert _ask_chat(model_provider).choices[0].message.content == '{"total":"1,234.50"}'
    assert _ask_chat(model_provider, "Invoice 4712").choices[0].message.content == '{"total":"7"}'
    assert _ask_chat(model_provider, "Invoice 4713").choices[0].message.content == "I have read the document."


def test_a_document_is_known_by_its_digest_inside_a_random_fence(model_provider: ModelProviderDouble) -> None:
    digest = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"  # of: hello world
    model_provider.script(answers={digest: {"known": True}})
    fence = "9f86d081884c7d659a2feaa0"
    fenced = f"Read what is between the marks.\n<document {fence}>\nhello world\n</document {fence}>"
    assert json.loads(_ask_chat(model_provider, fenced).choices[0].message.content) == {"known": True}


def test_only_what_was_sent_whole_with_its_usage_is_billed_to_the_last_decimal(
    model_provider: ModelProviderDouble,
) -> None:
    whole = {"input": 1_001, "output": 7, "cached": 1_000, "reasoning": 3}
    model_provider.script(
        prices={"gpt-x": {"input": "0.15", "output": "0.6", "cached": "0.075"}},
        rules=[
            {"when": {"numbers": [1, 2]}, "do": {"usage": whole}},
            {"when": {"numbers": [3]}, "do": {"usage": "none"}},
            {"when": {"numbers": [4]}, "do": {"usage": whole, "cut": "reset", "cut_at": 0.95}},
            {"when": {"numbers": [5]}, "do": {"error": "server_error"}},
        ],
    )
    for _ in range(3):
        _ask_chat(model_provider)
    for kind in (openai.APIConnectionError, openai.InternalServerError):
        with pytest.raises(kind):
            _ask_chat(model_provider)
    # 1 x 0.15 + 1000 x 0.075 + 7 x 0.6 = 79.35 millionths, twice
    assert model_provider.bill() == {"gpt-x": Decimal("0.0001587")}
    assert [bool(entry["cost_usd"]) for entry in model_provider.log()] == [True, True, False, False, False]


def test_shares_are_drawn_the_same_each_time_and_add_up(model_provider: ModelProviderDouble) -> None:
    model_provider.script(
        seed=3,
        rules=[
            {"name": name, "when": {"share": 0.2}, "do": {"status": status}}
            for name, status in (("a", 500), ("b", 429), ("c", 400))
        ],
    )
    seen = []
    for _ in range(2):
        model_provider.reset()
        for _ in range(300):
            _post(model_provider, "/v1/chat/completions", {"model": "m", "messages": []})
        seen.append([entry["rule"] for entry in model_provider.log()])
    assert seen[0] == seen[1]
    counts = [seen[0].count(name) for name in ("a", "b", "c", "")]
    assert all(abs(count - expected) < 35 for count, expected in zip(counts, (60, 60, 60, 120), strict=True))


def test_rules_are_bounded_and_matched(model_provider: ModelProviderDouble) -> None:
    model_provider.script(
        rules=[
            {"name": "twice", "when": {"containing": "4711"}, "do": {}, "times": 2},
            {"name": "third", "when": {"every": 3}},
            {"name": "claude", "when": {"model": "claude-x"}},
        ]
    )
    for _ in range(4):
        _ask_chat(model_provider)
    _ask_messages(model_provider, "x")
    assert [entry["rule"] for entry in model_provider.log()] == ["twice", "twice", "third", "", "claude"]


def test_rate_limits_are_kept_and_told_in_headers(model_provider: ModelProviderDouble) -> None:
    model_provider.script(limits={"requests": 2, "window_s": 30})
    raw = _openai(model_provider).chat.completions.with_raw_response
    messages: Any = [{"role": "user", "content": "x"}]
    first = raw.create(model="m", messages=messages)
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert re.fullmatch(r"[\d.]+s", first.headers["x-ratelimit-reset-requests"])
    claude = _anthropic(model_provider).messages.with_raw_response
    second = claude.create(model="m", max_tokens=9, messages=messages)
    assert second.headers["anthropic-ratelimit-requests-remaining"] == "0"
    with pytest.raises(openai.RateLimitError) as caught:
        raw.create(model="m", messages=messages)
    assert int(caught.value.response.headers["retry-after"]) in range(1, 31)


def test_keys_are_asked_for_and_never_shown(model_provider: ModelProviderDouble) -> None:
    model_provider.script(keys=["sk-other"], keep_bodies=True)
    with pytest.raises(openai.AuthenticationError):
        _ask_chat(model_provider)
    (entry,) = model_provider.log()
    assert len(entry["key"]) == 12
    assert KEY not in json.dumps(entry)
    assert entry["body"]["model"] == "gpt-x"


def test_concurrency_is_counted(model_provider: ModelProviderDouble) -> None:
    model_provider.script(latency_s=0.3)
    body = {"model": "m", "messages": []}
    threads = [threading.Thread(target=_post, args=(model_provider, "/v1/chat/completions", body)) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model_provider.state() == {"in_flight": 0, "high_water": 7, "requests": 7}


def test_hostile_texts_arrive_as_they_were_told(model_provider: ModelProviderDouble) -> None:
    for text in ('{"a": NaN}', '{"a":1,"a":2}', "\ud800", "\x00", "[" * 2000, '{"a": 1e999}'):
        model_provider.script(rules=[{"do": {"text": text}}])
        _, _, said = _post(model_provider, "/v1/chat/completions", {"model": "m", "messages": []})
        assert said["choices"][0]["message"]["content"] == text


def test_a_script_that_says_nothing_known_is_refused(model_provider: ModelProviderDouble) -> None:
    with pytest.raises(ValueError, match="explode"):
        model_provider.script(rules=[{"do": {"explode": True}}])


def test_a_journal_outlives_the_process_and_a_restart_keeps_the_address(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with ModelProviderDouble(journal) as double:
        double.script(answers={"4711": {"known": 1}})
        _ask_chat(double)
        url = double.url
        assert double.log()[0]["is_whole"]  # in the journal by then: the reply alone may come before its entry
        double.kill()
        with pytest.raises(openai.APIConnectionError):
            _ask_chat(double)
        double.restart()
        assert double.url == url
        assert json.loads(_ask_chat(double).choices[0].message.content) == {"known": 1}
        assert double.log()[0]["is_whole"]
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [entry["is_whole"] for entry in entries] == [True, True]
