"""One attempt at a model behind HTTP: against a real server that speaks every format, and a transport by hand."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.gateway import errors
from blocks.gateway.errors import CallFailed
from blocks.gateway.model import Correction, ModelReply, Question
from blocks.gateway.providers.catalogue import PROVIDERS
from blocks.gateway.providers.limit_headers import LimitHeaders
from blocks.gateway.providers.server_traits import traits_of
from blocks.gateway.providers.transport import HttpReply, Transport
from blocks.gateway.providers.wire_model import WireModel
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from tests.blocks.gateway.questions import BILL, PAGE_1, ask, valid_reply
from tests.doubles.model_provider.handle import ModelProviderDouble

KEY = "sk-canary-4711"
NAMES = tuple(PROVIDERS)
_models = iter(range(10_000))


def wire_model(
    transport: Transport, modes: list[JsonMode] | None = None, limits: list[LimitHeaders] | None = None, **values: Any
) -> WireModel:
    """A model that nothing is known of: each has an upstream of its own."""
    named = {"name": "asked", "provider": "openai", "upstream": f"m{next(_models)}"} | values
    model = RegisteredModel.model_validate(named)
    reported = modes if modes is not None else []
    return WireModel(
        model,
        PROVIDERS[model.provider],
        transport,
        lambda: SecretStr(KEY),
        lambda _, mode: reported.append(mode),
        on_limits=limits.append if limits is not None else None,
        keep_texts=True,
    )


# --- against a server


@pytest.fixture(scope="module")
def server() -> Iterator[ModelProviderDouble]:
    with ModelProviderDouble() as double:
        yield double


def over_http(server: ModelProviderDouble, use: Callable[[Transport], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with aclosing(Transport()) as transport:
            return await use(transport)

    return asyncio.run(run())


def answer(server: ModelProviderDouble, provider: str, question: Question | None = None, **values: Any) -> ModelReply:
    async def use(transport: Transport) -> ModelReply:
        model = wire_model(transport, provider=provider, endpoint=server.url, **values)
        return await model.answer(question or ask())

    reply: ModelReply = over_http(server, use)
    return reply


@pytest.mark.parametrize("provider", NAMES)
def test_a_question_is_answered(server: ModelProviderDouble, provider: str) -> None:
    server.script(answers={"Baker": valid_reply()}, keys=[KEY])
    reply = answer(server, provider, logprobs=True)
    assert reply.fields["total"].value == "9.00"
    assert reply.fields["lines"].value == [
        {"item": "Flour", "amount": "7.00"},
        {"item": "Yeast", "amount": "2.00"},
    ]
    assert {one.name for one in reply.criteria} == {"clear", "polite"}
    assert reply.usage.is_stated
    assert reply.usage.input_tokens > 100
    assert reply.received_text is not None
    assert json.loads(reply.received_text) == valid_reply()
    assert reply.usage.output_characters == len(reply.received_text)
    assert reply.usage.input_characters > len(PAGE_1)
    assert reply.latency_ms >= reply.first_byte_ms >= 0
    assert reply.model == "asked"
    assert reply.model_version
    if provider != "anthropic":
        assert reply.fields["total"].signals is not None
        assert reply.fields["total"].signals.logprob is not None


@pytest.mark.parametrize("provider", NAMES)
def test_usage_is_what_the_provider_bills(server: ModelProviderDouble, provider: str) -> None:
    counts = {"input": 2_000, "output": 300, "cached": 1_200, "cache_write": 0, "reasoning": 100}
    server.script(answers={"Baker": valid_reply()}, rules=[{"do": {"usage": counts}}])
    usage = answer(server, provider).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (2_000, 300, 1_200)


@pytest.mark.parametrize("provider", NAMES)
def test_a_reply_without_usage_says_so(server: ModelProviderDouble, provider: str) -> None:
    server.script(answers={"Baker": valid_reply()}, rules=[{"do": {"usage": "none"}}])
    assert not answer(server, provider).usage.is_stated


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("bad_key", errors.KeyRefused),
        ("bad_request", errors.RequestRefused),
        ("context_too_long", errors.ContextTooLong),
        ("filtered", errors.ContentFiltered),
        ("no_model", errors.UpstreamMissing),
        ("out_of_credit", errors.OutOfCredit),
        ("overloaded", errors.ServerFailed),
        ("rate_limited", errors.RateLimited),
        ("server_error", errors.ServerFailed),
    ],
)
def test_each_error_of_each_provider_is_typed(
    server: ModelProviderDouble, provider: str, told: str, kind: type[CallFailed]
) -> None:
    server.script(rules=[{"do": {"error": told}}])
    with pytest.raises(CallFailed) as caught:
        answer(server, provider)
    assert type(caught.value) is kind
    assert len(server.log()) == 1
    assert (caught.value.usage is None) == (told == "server_error")
    if told == "rate_limited":
        assert caught.value.retry_after_s in (1.0, 1.5)


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize(
    ("finish", "kind"),
    [
        ("length", errors.TruncatedReply),
        ("refusal", errors.ReplyRefused),
        ("filtered", errors.ReplyRefused),
        ("empty", errors.EmptyReply),
    ],
)
def test_a_reply_that_is_none_is_typed_and_paid(
    server: ModelProviderDouble, provider: str, finish: str, kind: type[CallFailed]
) -> None:
    server.script(answers={"Baker": valid_reply()}, rules=[{"do": {"finish": finish}}])
    with pytest.raises(kind) as caught:
        answer(server, provider)
    assert caught.value.usage is None or caught.value.usage.input_tokens > 0
    assert (caught.value.usage is not None) == (server.log()[0]["usage"] is not None)


@pytest.mark.parametrize("provider", NAMES)
def test_a_correction_is_a_second_turn(server: ModelProviderDouble, provider: str) -> None:
    server.script(answers={"Baker": valid_reply()}, rules=[{"when": {"turns": 1}, "do": {"status": 500}}])
    question = ask(correction=Correction('{"fields": {}}', "fields.total is missing"))
    assert answer(server, provider, question).fields["total"].value == "9.00"


@pytest.mark.parametrize("provider", NAMES)
def test_a_server_without_schemas_is_asked_in_words_and_remembered(server: ModelProviderDouble, provider: str) -> None:
    refuse = {"when": {"mode": "tool" if provider == "anthropic" else "json_schema"}}
    refused = {"do": {"error": "unsupported_format"}}
    server.script(answers={"Baker": valid_reply()}, rules=[refuse | refused])
    modes: list[JsonMode] = []

    async def use(transport: Transport) -> None:
        model = wire_model(transport, modes, provider=provider, endpoint=server.url)
        for _ in range(2):
            reply = await model.answer(ask())
            assert reply.fields["total"].value == "9.00"

    over_http(server, use)
    assert modes == [JsonMode.OBJECT]
    assert [entry["status"] for entry in server.log()] == [400, 200, 200]


# --- by hand


Reply = tuple[int, Any]


class Scripted(Transport):
    """A transport that replies as a function of what was sent says, and keeps what was sent."""

    def __init__(
        self, replies: Callable[[dict[str, Any]], Reply], delay_s: float = 0.0, headers: dict[str, str] | None = None
    ) -> None:
        self._replies = replies
        self._delay_s = delay_s
        self._headers = headers or {}
        self.sent: list[dict[str, Any]] = []

    async def post(
        self, url: str, headers: Mapping[str, str], content: bytes, deadline: float, model: str, timeout_s: float
    ) -> HttpReply:
        body = json.loads(content)
        self.sent.append(body)
        await asyncio.sleep(self._delay_s)
        status, said = self._replies(body)
        raw = said if isinstance(said, bytes) else json.dumps(said).encode()
        return HttpReply(status, self._headers, raw, 12, 5)


def chat(content: object, finish: str = "stop", usage: object = None) -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    counts = {"prompt_tokens": 100, "completion_tokens": 50} if usage is None else usage
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"model": "m-1", "choices": [choice], "usage": counts}


def refusal(message: str, param: str | None = None, code: str | None = None) -> Reply:
    return 400, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def run(model: WireModel, question: Question | None = None) -> ModelReply:
    return asyncio.run(model.answer(question or ask()))


def caught(model: WireModel, question: Question | None = None) -> CallFailed:
    with pytest.raises(CallFailed) as raised:
        run(model, question)
    return raised.value


def test_a_reasoning_model_is_asked_without_what_it_refuses_and_that_is_remembered() -> None:
    def replies(body: dict[str, Any]) -> Reply:
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported with this model. "
            return refusal(said + "Use 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter")
        if "temperature" in body:
            said = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value"
            return refusal(said, "temperature", "unsupported_value")
        return 200, chat(valid_reply())

    transport = Scripted(replies)
    model = wire_model(transport, endpoint="http://localhost:1/v1", max_output_tokens=55)
    run(model)
    assert len(transport.sent) == 3
    run(model)
    assert len(transport.sent) == 4
    assert transport.sent[-1]["max_completion_tokens"] == 55
    assert "temperature" not in transport.sent[-1]
    assert transport.sent[-1]["seed"]


def test_a_bound_is_never_dropped() -> None:
    def replies(body: dict[str, Any]) -> Reply:
        name = "max_tokens" if "max_tokens" in body else "max_completion_tokens"
        return refusal(f"Unrecognized request argument supplied: {name}")

    transport = Scripted(replies)
    assert type(caught(wire_model(transport))) is errors.RequestRefused
    assert [("max_tokens" in body) + ("max_completion_tokens" in body) for body in transport.sent] == [1, 1]


@pytest.mark.parametrize(
    ("provider", "message", "gone"),
    [
        ("anthropic", "`temperature` is deprecated for this model.", "temperature"),
        ("anthropic", "temperature: Extra inputs are not permitted", "temperature"),
        (
            "openai",
            "[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are not permitted'}]",
            "seed",
        ),
        ("openai-responses", "Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
    ],
)
def test_servers_say_in_many_ways_what_they_do_not_take(provider: str, message: str, gone: str) -> None:
    transport = Scripted(lambda body: refusal(message) if gone in body else (500, {}))
    assert type(caught(wire_model(transport, provider=provider))) is errors.ServerFailed
    assert [gone in body for body in transport.sent] == [True, False]


def test_gemini_does_without_logprobs_where_it_has_none() -> None:
    message = "Logprobs is not enabled for models/gemini-x"
    transport = Scripted(lambda body: refusal(message) if "responseLogprobs" in body["generationConfig"] else (500, {}))
    caught(wire_model(transport, provider="gemini", logprobs=True))
    assert len(transport.sent) == 2
    assert transport.sent[1]["generationConfig"]["maxOutputTokens"] == 4096


def test_a_refused_value_that_can_be_put_right_by_nobody_is_not_tried_twice() -> None:
    transport = Scripted(lambda _: refusal("temperature must be between 0 and 2"))
    assert type(caught(wire_model(transport))) is errors.RequestRefused
    assert len(transport.sent) == 1


@pytest.mark.parametrize(
    ("refused", "said", "wanted"),
    [
        (
            {"json_schema"},
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            JsonMode.OBJECT,
        ),
        ({"json_schema", "json_object"}, "This response_format type is unavailable now", JsonMode.PROMPT),
        ({"json_object", "json_schema"}, "'response_format.type' must be 'text'", JsonMode.PROMPT),
        (set(), "", JsonMode.SCHEMA),
    ],
)
def test_json_modes_are_stepped_down_and_told_once(refused: set[str], said: str, wanted: JsonMode) -> None:
    def replies(body: dict[str, Any]) -> Reply:
        mode = body.get("response_format", {}).get("type")
        return refusal(said, "response_format") if mode in refused else (200, chat(valid_reply()))

    modes: list[JsonMode] = []
    transport = Scripted(replies)
    model = wire_model(transport, modes)
    for _ in range(3):
        run(model)
    assert modes == [wanted]
    assert len(transport.sent) == 3 + len(refused)


def test_many_at_once_pay_for_the_first_refusal_once() -> None:
    def replies(body: dict[str, Any]) -> Reply:
        is_schema = body.get("response_format", {}).get("type") == "json_schema"
        return refusal("response_format json_schema is not supported") if is_schema else (200, chat(valid_reply()))

    transport = Scripted(replies, delay_s=0.02)
    model = wire_model(transport)

    async def all_at_once() -> None:
        await asyncio.gather(*(model.answer(ask()) for _ in range(40)))

    asyncio.run(all_at_once())
    assert len(transport.sent) == 41


def test_a_slow_first_reply_holds_nobody_up_for_long() -> None:
    transport = Scripted(lambda _: (200, chat(valid_reply())), delay_s=1.0)
    model = wire_model(transport)

    async def both() -> float:
        started = time.monotonic()
        await asyncio.gather(model.answer(ask()), model.answer(ask()))
        return time.monotonic() - started

    assert asyncio.run(both()) < 1.9


def test_a_server_that_answers_badly_is_known_to_take_the_request_and_not_remembered() -> None:
    modes: list[JsonMode] = []
    model = wire_model(Scripted(lambda _: (200, chat("no JSON at all"))), modes)
    caught(model)
    assert traits_of(model.version, {}).known_mode is JsonMode.SCHEMA
    assert modes == []


def test_a_mode_of_the_registry_is_used_at_once() -> None:
    transport = Scripted(lambda _: (200, chat(valid_reply())))
    modes: list[JsonMode] = []
    run(wire_model(transport, modes, json_mode=JsonMode.PROMPT))
    assert "response_format" not in transport.sent[0]
    assert modes == []


def test_a_remembered_mode_that_no_longer_holds_is_told_anew() -> None:
    def replies(body: dict[str, Any]) -> Reply:
        is_schema = body.get("response_format", {}).get("type") == "json_schema"
        return refusal("response_format json_schema is not supported") if is_schema else (200, chat(valid_reply()))

    modes: list[JsonMode] = []
    run(wire_model(Scripted(replies), modes, json_mode=JsonMode.SCHEMA))
    assert modes == [JsonMode.OBJECT]


def test_one_types_schema_that_is_refused_says_nothing_of_others() -> None:
    def replies(body: dict[str, Any]) -> Reply:
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        is_large = "days" in schema.get("properties", {}).get("fields", {}).get("properties", {})
        said = "Invalid schema for response_format 'reading': schema is too large"
        return refusal(said, "response_format", "invalid_json_schema") if is_large else (200, chat({"fields": TOTAL}))

    modes: list[JsonMode] = []
    transport = Scripted(replies)
    model = wire_model(transport, modes)
    whole_type, one_field = ask(), ask(ask().request.model_copy(update={"fields": ("total",)}))
    caught(model, whole_type)
    caught(model, whole_type)
    run(model, one_field)
    assert [body["response_format"]["type"] for body in transport.sent] == [
        "json_schema",
        "json_object",
        "json_object",
        "json_schema",
    ]
    assert modes == [JsonMode.SCHEMA]


TOTAL = {"total": valid_reply()["fields"]["total"]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", errors.EmptyReply),
        (b"  \n", errors.EmptyReply),
        (b"<html>Sign in</html>", errors.MalformedReply),
        (b"[]", errors.MalformedReply),
        (b"\xff\xfe", errors.MalformedReply),
        (b"[" * 100_000, errors.MalformedReply),
        (b'{"choices": [{"message": ' + b"9" * 5_000 + b"}]}", errors.MalformedReply),
        (json.dumps(chat(valid_reply())).encode()[:-20], errors.MalformedReply),
        (b'{"error": {"message": "broke off", "code": 502}}', errors.ServerFailed),
    ],
)
def test_a_body_that_is_no_reply_is_typed_and_of_unknown_cost(body: bytes, kind: type[CallFailed]) -> None:
    failed = caught(wire_model(Scripted(lambda _: (200, body))))
    assert type(failed) is kind
    assert failed.usage is None
    assert failed.was_sent
    assert (failed.latency_ms, failed.first_byte_ms) == (12, 5)


def test_a_name_twice_in_a_tool_call_is_refused_although_parsed_json_no_longer_shows_it() -> None:
    body = {
        "type": "message",
        "content": [{"type": "tool_use", "name": "reading", "input": valid_reply()}],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 10, "output_tokens": 20},
    }
    raw = json.dumps(body).replace('"total": {', '"total": {"value": "8.00"}, "total": {', 1).encode()
    assert run(wire_model(Scripted(lambda _: (200, body)), provider="anthropic")).fields["total"].value == "9.00"
    failed = caught(wire_model(Scripted(lambda _: (200, raw)), provider="anthropic"))
    assert type(failed) is errors.MalformedReply
    assert failed.usage is not None
    assert failed.usage.output_tokens == 20


def test_what_a_refused_reply_cost_and_said_is_kept() -> None:
    failed = caught(wire_model(Scripted(lambda _: (200, chat({"fields": {}})))))
    assert isinstance(failed, errors.WrongSchema)
    assert failed.usage is not None
    assert (failed.usage.input_tokens, failed.usage.output_tokens) == (100, 50)
    assert failed.usage.input_characters > len(PAGE_1)
    assert failed.reply_text == '{"fields": {}}'
    assert failed.output_characters == len(failed.reply_text)


@pytest.mark.parametrize("body", [b"<!doctype html><title>Welcome</title>", b"ok", b'"ok"'])
def test_a_page_in_place_of_a_reply_speaks_of_the_endpoint(body: bytes) -> None:
    failed = caught(wire_model(Scripted(lambda _: (200, body))))
    assert type(failed) is errors.MalformedReply
    assert "its body is no JSON" in str(failed)
    assert "check its endpoint (https://…/v1?)" in str(failed)
    unread = caught(wire_model(Scripted(lambda _: (200, chat("no JSON at all")))))
    assert "endpoint" not in str(unread)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_key_that_a_server_repeats_is_taken_out(status: int) -> None:
    body = {"error": {"message": f"you sent {KEY}", "code": KEY}} if status != 200 else chat(f"{KEY} is no JSON")
    failed = caught(wire_model(Scripted(lambda _: (status, body))))
    assert KEY not in f"{failed!r} {failed} {vars(failed)}"


def test_a_document_that_an_error_repeats_is_taken_out() -> None:
    secret = "Jane Roe of 12 Example Street owes 4711 EUR to the bank of her town"
    request = ask().request.model_copy(
        update={"pages": (ask().request.pages[0].model_copy(update={"text": f"Dear all,\n{secret}."}),)}
    )
    failed = caught(wire_model(Scripted(lambda _: refusal(f"bad content {secret}, at 7"))), ask(request))
    assert "4711" not in str(failed)
    assert type(failed) is errors.RequestRefused


def test_texts_are_kept_only_where_they_are_asked_for() -> None:
    transport = Scripted(lambda _: (200, chat(valid_reply())))
    kept = run(wire_model(transport))
    assert kept.sent_text is not None
    assert transport.sent[0]["messages"][1]["content"] in kept.sent_text, "with the same code in its fence"
    assert kept.received_text == json.dumps(valid_reply())
    model = RegisteredModel(name="quiet", provider="openai", upstream="quiet")
    quiet = run(WireModel(model, PROVIDERS["openai"], transport, lambda: None, lambda *_: None))
    assert (quiet.sent_text, quiet.received_text) == (None, None)


def test_what_headers_say_of_limits_is_told_of_good_replies_and_bad_ones() -> None:
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"}
    limits: list[LimitHeaders] = []
    run(wire_model(Scripted(lambda _: (200, chat(valid_reply())), headers=headers), limits=limits))
    caught(wire_model(Scripted(lambda _: (429, {}), headers=headers), limits=limits))
    assert [one.requests.remaining for one in limits if one.requests] == [59, 59]


def test_notes_of_the_request_stand_in_the_reply() -> None:
    request = ask().request.model_copy(update={"notes": ("page 3 was left out",)})
    assert run(wire_model(Scripted(lambda _: (200, chat(valid_reply())))), ask(request)).notes == (
        "page 3 was left out",
    )


def test_a_prompt_that_fails_sends_nothing() -> None:
    transport = Scripted(lambda _: (200, chat(valid_reply())))
    failed = caught(wire_model(transport), ask(ask().request.model_copy(update={"prompt": "{{ nothing.here }}"})))
    assert type(failed) is errors.PromptFailed
    assert not failed.was_sent
    assert transport.sent == []


def test_a_document_that_is_no_unicode_is_sent_all_the_same() -> None:
    first, second = ask().request.pages
    pages = (first.model_copy(update={"text": "a\ud800b"}), second)
    transport = Scripted(lambda _: (500, {}))
    caught(wire_model(transport), ask(ask().request.model_copy(update={"pages": pages})))
    assert "ab" in transport.sent[0]["messages"][1]["content"]


def test_name_and_version_are_the_registrys() -> None:
    model = wire_model(Scripted(lambda _: (200, b"")), endpoint="http://h/v1", upstream="up", name="mine")
    assert (model.name, model.version) == ("mine", "openai:up@http://h/v1")
    assert traits_of(model.version, {}) is traits_of("openai:up@http://h/v1", {})


def test_what_a_server_refuses_beside_an_extra_field_is_not_kept_without_it() -> None:
    assert traits_of("openai:up", {"reasoning_effort": "low"}) is not traits_of("openai:up", {})


def test_the_type_asked_is_the_whole_one() -> None:
    reply = run(wire_model(Scripted(lambda _: (200, chat(valid_reply())))))
    assert set(reply.fields) <= set(BILL.fields)


def contents(text: str) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 50}}


@pytest.mark.parametrize(
    "message",
    [
        "Request contains an invalid argument.",
        "The specified schema produces a constraint that has too many states for serving.",
    ],
)
def test_gemini_is_asked_without_a_schema_that_it_refuses(message: str) -> None:
    def replies(body: dict[str, Any]) -> Reply:
        if "responseJsonSchema" in body["generationConfig"]:
            return 400, {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
        return 200, contents(json.dumps(valid_reply()))

    transport = Scripted(replies)
    model = wire_model(transport, provider="gemini")
    for _ in range(2):
        assert run(model).fields["total"].value == "9.00"
    assert len(transport.sent) == 3
    assert transport.sent[-1]["generationConfig"]["responseMimeType"] == "application/json"


def test_claude_without_structured_outputs_is_asked_by_a_tool_and_thinking_claude_in_words() -> None:
    def replies(body: dict[str, Any]) -> Reply:
        if "output_config" in body:
            return refusal("output_config: Extra inputs are not permitted")
        if "tool_choice" in body:
            return refusal("Thinking may not be enabled when tool_choice forces tool use.")
        if "temperature" in body:
            return refusal("`temperature` may only be set to 1 when thinking is enabled.")
        content = [{"type": "text", "text": json.dumps(valid_reply())}]
        usage = {"input_tokens": 100, "output_tokens": 50}
        return 200, {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}

    transport, modes = Scripted(replies), list[JsonMode]()
    model = wire_model(
        transport, modes, provider="anthropic", upstream="claude-old", extra_body={"thinking": {"type": "enabled"}}
    )
    assert run(model).fields["total"].value == "9.00"
    assert modes == [JsonMode.PROMPT]
    assert transport.sent[-1]["thinking"] == {"type": "enabled"}
    assert [("output_config" in body, "tools" in body, "temperature" in body) for body in transport.sent] == [
        (True, False, True),
        (False, True, True),
        (False, False, True),
        (False, False, False),
    ]


def test_a_usage_of_zeros_is_not_stated_and_a_cost_in_a_header_is_kept() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    transport = Scripted(
        lambda _: (200, chat(valid_reply(), usage=zeros)), headers={"x-litellm-response-cost": "0.00042"}
    )
    usage = run(wire_model(transport)).usage
    assert not usage.is_stated
    assert usage.stated_cost_usd == Decimal("0.00042")
    unknown = Scripted(lambda _: (200, chat(valid_reply())), headers={"x-litellm-response-cost": "0.0"})
    assert run(wire_model(unknown)).usage.stated_cost_usd is None
    routed = chat(valid_reply(), usage={"prompt_tokens": 9, "completion_tokens": 9, "cost": 0.1})
    both = Scripted(lambda _: (200, routed), headers={"x-litellm-response-cost": "0.00042"})
    assert run(wire_model(both)).usage.stated_cost_usd == Decimal("0.1")
