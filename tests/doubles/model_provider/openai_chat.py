"""OpenAI's chat completions, as OpenAI and the servers that follow it speak them."""

from collections.abc import Collection, Mapping
from typing import Any

from tests.doubles.model_provider.wire import Answer, Asked, ErrorKind, Json, Spoken, Tokens, token_pieces

CREATED = 1_760_000_000


class OpenAIChat:
    """POST /v1/chat/completions."""

    name = "openai"

    def asked(self, path: str, body: Json) -> Asked:
        spoken = Spoken()
        for message in body["messages"]:
            _hear(spoken, message["role"], message.get("content"))
        schema, mode, tool = _held_to(body)
        return Asked(
            model=body["model"],
            text="\n".join(spoken.user),
            system="\n".join(spoken.system),
            schema=schema,
            mode=mode,
            tool=tool,
            wants_logprobs=bool(body.get("logprobs")),
            images=spoken.images,
            max_output_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
            turns=spoken.turns,
        )

    def refused(self, headers: Mapping[str, str], body: Json, refused_parameters: Collection[str]) -> Json | None:
        return openai_refused(body, refused_parameters)

    def reply(self, asked: Asked, answer: Answer, number: int) -> Json:
        message: Json = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
        finish = {"length": "length", "filtered": "content_filter"}.get(answer.finish, "stop")
        if answer.finish == "refusal":
            message |= {"content": None, "refusal": answer.text}
        elif asked.tool:
            call = {"name": asked.tool, "arguments": answer.text}
            message |= {"content": None, "tool_calls": [{"id": f"call_{number}", "type": "function", "function": call}]}
            finish = "tool_calls" if finish == "stop" else finish
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        if asked.wants_logprobs and not asked.tool:
            choice["logprobs"] = {"content": logprobs(answer), "refusal": None}
        body: Json = {
            "id": f"chatcmpl-double{number}",
            "object": "chat.completion",
            "created": CREATED,
            "model": answer.served_by or f"{asked.model}-2026-01-01",
            "choices": [] if answer.finish == "empty" else [choice],
            "service_tier": "default",
            "system_fingerprint": "fp_double",
        }
        if answer.usage_wire is not None:
            body["usage"] = answer.usage_wire
        elif answer.usage is not None:
            body["usage"] = _usage(answer.usage)
        return body

    def error(self, kind: ErrorKind, asked: Asked | None, message: str) -> tuple[int, Json, Mapping[str, str]]:
        return openai_error(kind, asked, message)

    def limit_headers(self, limit: int, left: int, tokens: int, tokens_left: int, reset_s: float) -> dict[str, str]:
        return openai_limit_headers(limit, left, tokens, tokens_left, reset_s)


def openai_limit_headers(limit: int, left: int, tokens: int, tokens_left: int, reset_s: float) -> dict[str, str]:
    """As both of OpenAI's APIs send them: durations such as 6m0s or 120ms."""
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": _duration(reset_s),
        "x-ratelimit-limit-tokens": str(tokens),
        "x-ratelimit-remaining-tokens": str(tokens_left),
        "x-ratelimit-reset-tokens": _duration(reset_s),
    }


def openai_refused(body: Json, refused_parameters: Collection[str]) -> Json | None:
    """As the reasoning models refuse parameters that they do not have."""
    for name in refused_parameters:
        if name in body:
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            said = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
            error = {"message": said, "type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}
            return {"error": error}
    return None


def openai_error(kind: ErrorKind, asked: Asked | None, message: str) -> tuple[int, Json, Mapping[str, str]]:
    """Status, body and headers of an error of either of OpenAI's APIs."""
    model = asked.model if asked else "?"
    window = "This model's maximum context length is 128000 tokens. However, your messages resulted in 150321 tokens. "
    status, code, type_, param, said = {
        ErrorKind.BAD_KEY: (401, "invalid_api_key", "invalid_request_error", None, "Incorrect API key provided."),
        ErrorKind.BAD_REQUEST: (400, None, "invalid_request_error", None, "Invalid request."),
        ErrorKind.CONTEXT_TOO_LONG: (
            *(400, "context_length_exceeded", "invalid_request_error", "messages"),
            window + "Please reduce the length of the messages.",
        ),
        ErrorKind.FILTERED: (
            *(400, "content_filter", None, "prompt"),
            "The response was filtered due to the prompt triggering a content management policy.",
        ),
        ErrorKind.NO_MODEL: (
            *(404, "model_not_found", "invalid_request_error", None),
            f"The model `{model}` does not exist or you do not have access to it.",
        ),
        ErrorKind.OUT_OF_CREDIT: (
            *(429, "insufficient_quota", "insufficient_quota", None),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        ErrorKind.OVERLOADED: (503, None, "server_error", None, "The engine is currently overloaded."),
        ErrorKind.RATE_LIMITED: (
            *(429, "rate_limit_exceeded", "requests", None),
            f"Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3. Please try again in 1.5s.",
        ),
        ErrorKind.SERVER_ERROR: (500, None, "server_error", None, "The server had an error."),
        ErrorKind.UNSUPPORTED_FORMAT: (
            *(400, None, "invalid_request_error", "response_format"),
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        ),
    }[kind]
    return status, {"error": {"message": message or said, "type": type_, "param": param, "code": code}}, {}


def logprobs(answer: Answer) -> list[Json]:
    """The answer's tokens with their log probabilities."""
    return [
        {"token": token, "logprob": answer.logprob, "bytes": list(token.encode()), "top_logprobs": []}
        for token in token_pieces(answer.text)
    ]


def _usage(tokens: Tokens) -> Json:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _hear(spoken: Spoken, role: str, content: Any) -> None:
    parts: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    for part in parts:
        if part["type"] == "text":
            spoken.say(role, part["text"])
        elif part["type"] == "image_url":
            assert part["image_url"]["url"], "an image has an address"
            spoken.images += 1
        else:
            raise ValueError(f"unknown content part {part['type']}")
    spoken.turns += role == "user"


def _held_to(body: Json) -> tuple[Json | None, str, str | None]:
    """The schema, how the reply is held to it, and the tool's name where it is one."""
    format_ = body.get("response_format") or {}
    if format_.get("type") == "json_schema":
        assert format_["json_schema"]["name"], "a schema has a name"
        return format_["json_schema"]["schema"], "json_schema", None
    if body.get("tools") and body.get("tool_choice") not in (None, "none", "auto"):
        function = body["tools"][0]["function"]
        return function["parameters"], "tool", function["name"]
    return None, "json_object" if format_.get("type") == "json_object" else "prompt", None


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
