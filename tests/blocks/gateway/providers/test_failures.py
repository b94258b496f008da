"""What errors mean: bodies as the providers document them, and as their servers send them."""

import json
from typing import Any

import pytest

from blocks.gateway import errors
from blocks.gateway.errors import CallFailed
from blocks.gateway.providers.failures import failure_of, read_error
from blocks.gateway.registry.registry import RegisteredModel

MODEL = RegisteredModel(name="asked", provider="openai", upstream="gpt-9")


def openai(message: str, code: str | None = None, kind: str = "invalid_request_error", param: str | None = None) -> Any:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def anthropic(kind: str, message: str) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


def google(code: int, status: str, message: str, *details: Any) -> Any:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def info(kind: str, **more: Any) -> Any:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **more}


QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error"
)
WINDOW = "This model's maximum context length is 128000 tokens. However, your messages resulted in 150321 tokens."

CASES: list[tuple[int, Any, type[CallFailed]]] = [
    # no credit
    (429, openai(QUOTA, "insufficient_quota", "insufficient_quota"), errors.OutOfCredit),
    (400, openai("Billing hard limit has been reached", "billing_hard_limit_reached"), errors.OutOfCredit),
    (429, openai("Your account is not active, please check your billing.", "billing_not_active"), errors.OutOfCredit),
    (402, openai("Insufficient Balance", "invalid_request_error", "unknown_error"), errors.OutOfCredit),
    (402, {"error": {"message": "Insufficient credits. Add more", "code": 402}}, errors.OutOfCredit),
    (
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        errors.OutOfCredit,
    ),
    (402, anthropic("billing_error", "There is an issue with your billing"), errors.OutOfCredit),
    (
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access"),
        errors.OutOfCredit,
    ),
    (429, google(429, "RESOURCE_EXHAUSTED", QUOTA, info("Help")), errors.OutOfCredit),
    (429, google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), errors.OutOfCredit),
    (
        403,
        google(403, "PERMISSION_DENIED", "This API requires it.", info("ErrorInfo", reason="BILLING_DISABLED")),
        errors.OutOfCredit,
    ),
    # limits, though some speak of billing
    (
        429,
        google(
            429,
            "RESOURCE_EXHAUSTED",
            f"{QUOTA}\nPlease retry in 36.4s.",
            info("QuotaFailure", violations=[{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]),
            info("RetryInfo", retryDelay="36s"),
        ),
        errors.RateLimited,
    ),
    (
        429,
        openai("Rate limit reached for gpt-9 in organization org-x on requests per min", "rate_limit_exceeded"),
        errors.RateLimited,
    ),
    (429, anthropic("rate_limit_error", "This request would exceed your rate limit"), errors.RateLimited),
    (429, "Too Many Requests", errors.RateLimited),
    (498, openai("Flex tier capacity exceeded"), errors.RateLimited),
    # too long
    (400, openai(WINDOW, "context_length_exceeded", param="messages"), errors.ContextTooLong),
    (
        400,
        anthropic("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
        errors.ContextTooLong,
    ),
    (
        400,
        anthropic(
            "invalid_request_error", "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000"
        ),
        errors.ContextTooLong,
    ),
    (413, anthropic("request_too_large", "Request exceeds the maximum size"), errors.ContextTooLong),
    (
        400,
        google(
            400, "INVALID_ARGUMENT", "The input token count (1048580) exceeds the maximum number of tokens allowed."
        ),
        errors.ContextTooLong,
    ),
    (
        400,
        {"object": "error", "message": f"{WINDOW} Please reduce the length.", "type": "BadRequestError", "code": 400},
        errors.ContextTooLong,
    ),
    (
        400,
        {
            "error": {
                "code": 400,
                "message": "request (5012 tokens) exceeds the available context size (4096 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 5012,
                "n_ctx": 4096,
            }
        },
        errors.ContextTooLong,
    ),
    (
        400,
        {"error": "Trying to keep the first 5012 tokens when context the overflows. However, the model is loaded"},
        errors.ContextTooLong,
    ),
    (
        429,
        openai(
            "Request too large for gpt-9 on tokens per min (TPM): Limit 30000, Requested 40000.", "rate_limit_exceeded"
        ),
        errors.ContextTooLong,
    ),
    # filtered
    (
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management "
                "policy. Please modify your prompt and retry.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
            }
        },
        errors.ContentFiltered,
    ),
    (400, anthropic("invalid_request_error", "Output blocked by content filtering policy"), errors.ContentFiltered),
    (
        403,
        {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["hate"]}}},
        errors.ContentFiltered,
    ),
    # the key
    (401, openai("Incorrect API key provided: sk-ab***yz.", "invalid_api_key"), errors.KeyRefused),
    (401, anthropic("authentication_error", "invalid x-api-key"), errors.KeyRefused),
    (403, anthropic("permission_error", "Your API key does not have permission"), errors.KeyRefused),
    (
        403,
        openai("Project `proj_x` does not have access to model `gpt-9`", "model_not_found", "invalid_request_error"),
        errors.UpstreamMissing,
    ),
    (
        400,
        google(400, "INVALID_ARGUMENT", "API key not valid.", info("ErrorInfo", reason="API_KEY_INVALID")),
        errors.KeyRefused,
    ),
    # nothing there
    (
        404,
        openai("The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"),
        errors.UpstreamMissing,
    ),
    (404, anthropic("not_found_error", "model: claude-9"), errors.UpstreamMissing),
    (
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}},
        errors.UpstreamMissing,
    ),
    (404, openai('model "qwen9" not found, try pulling it first', None, "api_error"), errors.UpstreamMissing),
    (404, "<html><title>404 Not Found</title></html>", errors.UpstreamMissing),
    (301, "", errors.UpstreamMissing),
    # proxies that answer a missing or wrong key with another status
    (400, openai("No connected db.", "400", "no_db_connection"), errors.KeyRefused),
    (500, openai("Authentication Error, No api key passed in.", "500", "auth_error"), errors.KeyRefused),
    (400, openai("LiteLLM Virtual Key expected. Received=none", "400", "auth_error"), errors.KeyRefused),
    (400, {"error": {"message": "No auth credentials found", "code": 400}}, errors.KeyRefused),
    (400, {"success": False, "error": [{"code": 2009, "message": "Unauthorized"}]}, errors.KeyRefused),
    (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key: xa***ey"}, errors.KeyRefused),
    (400, openai("Budget has been exceeded! Current cost: 2.1", "400", "budget_exceeded"), errors.OutOfCredit),
    # a form of request that no server of the model takes
    (404, {"error": {"message": "No endpoints found that support image input", "code": 404}}, errors.RequestRefused),
    (
        404,
        {"error": {"message": "No endpoints found that can handle the requested parameters.", "code": 404}},
        errors.RequestRefused,
    ),
    (404, {"error": {"message": "No endpoints found for acme/none.", "code": 404}}, errors.UpstreamMissing),
    (404, openai("This model does not support image input"), errors.RequestRefused),
    # what the model wrote is no JSON, says its server
    (
        400,
        {"error": {"message": "Failed to call a function.", "code": "tool_use_failed", "failed_generation": "<f"}},
        errors.ReplyUnformed,
    ),
    (
        400,
        openai("Failed to validate JSON. Please adjust your prompt.", "json_validate_failed"),
        errors.ReplyUnformed,
    ),
    (400, openai("Parsing failed.", "output_parse_failed"), errors.ReplyUnformed),
    (
        400,
        openai("max completion tokens reached before generating a valid document", "json_validate_failed"),
        errors.TruncatedReply,
    ),
    # the room that the prompt leaves, as a negative bound
    (
        400,
        {"object": "error", "message": "max_tokens must be at least 1, got -57.", "type": "BadRequestError"},
        errors.ContextTooLong,
    ),
    (400, openai("max_completion_tokens must be at least 1, got -2048. (parameter=x)"), errors.ContextTooLong),
    (
        400,
        openai("This model's maximum prompt length is 131072 but the request contains 140001 tokens."),
        errors.ContextTooLong,
    ),
    (400, openai("max_tokens must be at least 1, got 0"), errors.RequestRefused),
    (400, openai("max_tokens must be in the range 1-4096"), errors.RequestRefused),
    # the server
    (500, openai("The server had an error while processing your request", None, "server_error"), errors.ServerFailed),
    (529, anthropic("overloaded_error", "Overloaded"), errors.ServerFailed),
    (503, google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), errors.ServerFailed),
    (
        504,
        google(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete: context deadline"),
        errors.ServerFailed,
    ),
    (502, "<html><head><title>502 Bad Gateway</title></head></html>", errors.ServerFailed),
    (408, "", errors.ServerFailed),
    (409, openai("The request conflicted"), errors.ServerFailed),
    # this one request
    (400, openai("Invalid value: 'object'.", "invalid_value", param="response_format.type"), errors.RequestRefused),
    (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required", "input": "x"}]}, errors.RequestRefused),
    (400, b"\xff\xfe", errors.RequestRefused),
    (400, "[" * 50_000, errors.RequestRefused),
]


def meaning(status: int, body: Any, headers: dict[str, str] | None = None) -> CallFailed:
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return failure_of(MODEL, status, headers or {}, content)


@pytest.mark.parametrize(
    ("status", "body", "kind"), CASES, ids=[f"{c[0]}-{i}-{c[2].__name__}" for i, c in enumerate(CASES)]
)
def test_an_error_means_what_the_provider_says_it_does(status: int, body: Any, kind: type[CallFailed]) -> None:
    assert type(meaning(status, body)) is kind


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (
            404,
            "<html><title>404 Not Found</title></html>",
            "status 404, and no word of a model (404 Not Found); check its endpoint",
        ),
        (404, "404 page not found", "check its endpoint (winnow models set asked endpoint=https://…/v1)"),
        (404, openai("Invalid URL (POST /v1/v1/chat/completions)"), "check its endpoint"),
        (
            405,
            {"detail": "Method Not Allowed"},
            "status 405, and no word of a model (Method Not Allowed); check its endpoint",
        ),
        (301, "", "it redirects elsewhere, with status 301"),
        (308, "<html><title>Permanent Redirect</title></html>", "with status 308"),
        (
            404,
            openai("The model `gpt-9` does not exist", "model_not_found"),
            "knows no model 'gpt-9' (model_not_found: The model",
        ),
        (404, {"error": {"code": "DeploymentNotFound", "message": "It does not exist."}}, "knows no model 'gpt-9'"),
        (404, "gpt-9 is not here", "knows no model 'gpt-9'"),
    ],
)
def test_an_address_that_has_no_models_is_told_from_a_model_that_is_not_there(
    status: int, body: Any, says: str
) -> None:
    own = MODEL.model_copy(update={"endpoint": "http://localhost:8000"})
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    assert says in str(failure_of(own, status, {}, content))


@pytest.mark.parametrize(
    ("status", "body", "tokens"),
    [
        (400, openai(WINDOW, "context_length_exceeded"), "150,321"),
        (400, anthropic("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"), "208,310"),
        (400, google(400, "INVALID_ARGUMENT", "The input token count (1048580) exceeds the maximum"), "1,048,580"),
    ],
)
def test_how_long_the_document_is_stands_in_the_message(status: int, body: Any, tokens: str) -> None:
    assert tokens in str(meaning(status, body))


PASSED_ON = [
    {"error": {"message": 'litellm.BadRequestError: GeminiException - {\n "error": {\n "code": 400,\n "message": '
    '"The input token count (90001) exceeds the maximum number of tokens allowed."}}', "code": "400"}},
    {"error": {"message": "Provider returned error", "code": 400, "metadata": {"provider_name": "Google", "raw":
    '{"error": {"message": "The input token count (90001) exceeds the maximum number of tokens allowed."}}'}}},
]  # fmt: skip


@pytest.mark.parametrize("body", PASSED_ON)
def test_an_error_that_a_proxy_passes_on_within_a_text_means_what_the_provider_meant(body: Any) -> None:
    failed = meaning(400, body)
    assert type(failed) is errors.ContextTooLong
    assert "90,001" in str(failed)


@pytest.mark.parametrize(
    ("status", "message", "remedy"),
    [
        (404, "No endpoints found that support image input", "winnow models set asked images=false sends none"),
        (400, "gpt-9 is not a multimodal model", "winnow models set asked images=false sends none"),
        (400, "unknown variant `image_url`, expected `text`", "winnow models set asked images=false sends none"),
        (404, "No endpoints found that support tool use", "see its limits"),
        (400, "messages must alternate", "see its limits"),
    ],
)
def test_a_refused_request_has_a_remedy_that_fits(status: int, message: str, remedy: str) -> None:
    assert str(meaning(status, openai(message))).endswith(f"{message}; {remedy}")


def test_a_provider_s_own_words_are_shown() -> None:
    data_policy = {"error": {"message": "No endpoints found matching your data policy", "code": 404}}
    assert "No endpoints found matching your data policy" in str(meaning(404, data_policy))
    assert "No connected db." in str(meaning(400, openai("No connected db.", "400", "no_db_connection")))
    leaky = openai("Authentication Error: received sk-canary-9b41e7", "invalid_api_key")
    assert "canary" not in str(meaning(401, leaky))


def test_what_was_refused_costs_nothing_and_what_failed_midway_is_not_known() -> None:
    assert meaning(400, openai("no JSON", "json_validate_failed")).usage is None
    assert meaning(429, "busy").usage is not None
    assert meaning(400, openai("no")).usage is not None
    assert meaning(529, anthropic("overloaded_error", "Overloaded")).usage is not None
    assert meaning(500, openai("oops")).usage is None
    assert meaning(504, "timeout").usage is None


def test_the_time_to_wait_is_set_where_another_attempt_makes_sense() -> None:
    assert meaning(429, "busy", {"retry-after": "7"}).retry_after_s == 7
    assert meaning(503, "busy", {"retry-after": "3"}).retry_after_s == 3
    assert "for 7 s" in str(meaning(429, "busy", {"retry-after": "7"}))
    assert meaning(400, openai("try again in 5s")).retry_after_s is None


HOSTILE = "Your credit balance is too low. context_length_exceeded. content_filter. Incorrect API key provided."


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"loc": ["body"], "msg": "value is not valid", "input": HOSTILE}]},
        {"object": "error", "message": f"[{{'type': 'string_type', 'input': '{HOSTILE}'}}]", "code": 400},
        {"error": {"message": f'Invalid content: "{HOSTILE}" in message 1', "type": "invalid_request_error"}},
        {"error": {"message": f'Invalid content: {{"error": {{"message": "{HOSTILE}"}}}}', "type": "x"}},
        {"error": {"message": f'Invalid messages: [{{"content": "{HOSTILE} {"and so on " * 300}"}}]'}},
        {"error": {"message": f'Invalid content: "She wrote: \\"no\\" . {HOSTILE}" in message 1'}},
        {"detail": [{"type": "missing", "msg": "Field required", "input": {"content": "insufficient_quota"}}]},
    ],
)
def test_what_an_error_quotes_of_a_document_neither_decides_its_meaning_nor_is_repeated(body: Any) -> None:
    failed = meaning(400, body)
    assert type(failed) is errors.RequestRefused
    assert "credit" not in str(failed)


def test_what_the_model_wrote_before_groq_refused_it_does_not_decide() -> None:
    refused = openai("Failed to generate JSON", "json_validate_failed")
    refused["error"]["failed_generation"] = "insufficient_quota"
    assert type(meaning(400, refused)) is errors.ReplyUnformed


def test_an_extra_field_that_is_refused_is_named_with_the_command_that_removes_it() -> None:
    model = MODEL.model_copy(update={"extra_body": {"reasoning_effort": "low", "user": "a"}})
    body = json.dumps(openai("Unrecognized request argument supplied: reasoning_effort")).encode()
    assert str(failure_of(model, 400, {}, body)).endswith(
        "; winnow models set asked body.reasoning_effort= removes this field"
    )


def test_messages_are_short_and_on_one_line() -> None:
    said = str(meaning(400, openai("line 1\nline 2\x07 " + "x y " * 500)))
    assert "\n" not in said
    assert len(said) < 400


def test_an_apostrophe_opens_no_quotation() -> None:
    failed = meaning(400, openai("This model's field is not what the model's makers' page says, see the model's page"))
    assert "what the model's makers" in str(failed)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"message": "No endpoints found", "code": 404}, "No endpoints found"),
        ({"message": "litellm.AuthenticationError", "type": "None", "code": "None"}, "litellm.AuthenticationError"),
        ({"message": "Too long", "code": "context_length_exceeded"}, "context_length_exceeded: Too long"),
    ],
)
def test_the_reason_of_an_error_has_its_code_where_that_says_something(error: dict[str, Any], reason: str) -> None:
    assert read_error(json.dumps({"error": error}).encode()).reason == reason
