"""Anthropic's messages API."""

import datetime
from collections.abc import Collection, Mapping
from typing import Any

from tests.doubles.model_provider.wire import Answer, Asked, ErrorKind, Json, Spoken, as_object

VERSIONS = ("2023-06-01", "2026-10-21")
"""API versions. The later one takes no sampling parameters, not even their defaults; models from Opus 4.7 on take none
under the earlier one either, which a script says by `refused_parameters`."""


class AnthropicMessages:
    """POST /v1/messages."""

    name = "anthropic"

    def asked(self, path: str, body: Json) -> Asked:
        spoken = Spoken()
        for part in _parts(body.get("system") or []):
            spoken.system.append(part["text"])
        for message in body["messages"]:
            for part in _parts(message["content"]):
                _hear(spoken, message["role"], part)
            spoken.turns += message["role"] == "user"
        schema, mode, tool = None, "prompt", None
        held_to = (body.get("output_config") or {}).get("format") or body.get("output_format")
        if held_to:
            schema, mode = held_to["schema"], "json_schema"
        elif (body.get("tool_choice") or {}).get("type") in {"tool", "any"}:
            schema, mode, tool = body["tools"][0]["input_schema"], "tool", body["tools"][0]["name"]
        return Asked(
            model=body["model"],
            text="\n".join(spoken.user),
            system="\n".join(spoken.system),
            schema=schema,
            mode=mode,
            tool=tool,
            images=spoken.images,
            max_output_tokens=int(body["max_tokens"]),
            turns=spoken.turns,
        )

    def refused(self, headers: Mapping[str, str], body: Json, refused_parameters: Collection[str]) -> Json | None:
        version, said = headers.get("anthropic-version"), ""
        if version not in VERSIONS:
            said = f"anthropic-version: {'header is required' if version is None else 'is not a valid version'}"
        for name in ("temperature", "top_p", "top_k"):
            if name in body and version == "2026-10-21":
                said = f"{name}: Extra inputs are not permitted"
        for name in refused_parameters:
            if name in body and not said:
                said = f"`{name}` is deprecated for this model."
        error = {"type": "invalid_request_error", "message": said}
        return {"type": "error", "error": error, "request_id": "req_double"} if said else None

    def reply(self, asked: Asked, answer: Answer, number: int) -> Json:
        reason = {"length": "max_tokens", "refusal": "refusal", "filtered": "refusal"}.get(answer.finish, "end_turn")
        content: Json = {"type": "text", "text": answer.text}
        arguments = as_object(answer.text)
        if asked.tool and answer.finish != "refusal" and not isinstance(arguments, str):
            content = {"type": "tool_use", "id": f"toolu_double{number}", "name": asked.tool, "input": arguments}
            reason = "tool_use" if reason == "end_turn" else reason
        body: Json = {
            "id": f"msg_double{number}",
            "type": "message",
            "role": "assistant",
            "model": answer.served_by or f"{asked.model}-20260101",
            "content": [] if answer.finish == "empty" else [content],
            "stop_reason": reason,
            "stop_sequence": None,
        }
        if answer.usage_wire is not None:
            body["usage"] = answer.usage_wire
        elif answer.usage is not None:
            tokens = answer.usage
            body["usage"] = {
                "input_tokens": tokens.input - tokens.cached - tokens.cache_write,
                "cache_creation_input_tokens": tokens.cache_write,
                "cache_read_input_tokens": tokens.cached,
                "output_tokens": tokens.output,
                "service_tier": "standard",
            }
        return body

    def error(self, kind: ErrorKind, asked: Asked | None, message: str) -> tuple[int, Json, Mapping[str, str]]:
        status, type_, said = {
            ErrorKind.BAD_KEY: (401, "authentication_error", "invalid x-api-key"),
            ErrorKind.BAD_REQUEST: (400, "invalid_request_error", "messages: at least one message is required"),
            ErrorKind.CONTEXT_TOO_LONG: (
                *(400, "invalid_request_error"),
                "prompt is too long: 210321 tokens > 200000 maximum",
            ),
            ErrorKind.FILTERED: (400, "invalid_request_error", "Output blocked by content filtering policy"),
            ErrorKind.NO_MODEL: (404, "not_found_error", f"model: {asked.model if asked else '?'}"),
            ErrorKind.OUT_OF_CREDIT: (
                *(400, "invalid_request_error"),
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            ),
            ErrorKind.OVERLOADED: (529, "overloaded_error", "Overloaded"),
            ErrorKind.RATE_LIMITED: (
                *(429, "rate_limit_error"),
                "This request would exceed your organization's rate limit of 50 requests per minute.",
            ),
            ErrorKind.SERVER_ERROR: (500, "api_error", "Internal server error"),
            ErrorKind.UNSUPPORTED_FORMAT: (
                *(400, "invalid_request_error"),
                "output_config.format: this model does not support structured outputs.",
            ),
        }[kind]
        error = {"type": type_, "message": message or said}
        headers = {"retry-after": "1"} if kind is ErrorKind.RATE_LIMITED else {}
        return status, {"type": "error", "error": error, "request_id": "req_double"}, headers

    def limit_headers(self, limit: int, left: int, tokens: int, tokens_left: int, reset_s: float) -> dict[str, str]:
        resets = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=reset_s)
        at = resets.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "anthropic-ratelimit-requests-limit": str(limit),
            "anthropic-ratelimit-requests-remaining": str(left),
            "anthropic-ratelimit-requests-reset": at,
            "anthropic-ratelimit-tokens-limit": str(tokens),
            "anthropic-ratelimit-tokens-remaining": str(tokens_left),
            "anthropic-ratelimit-tokens-reset": at,
        }


def _parts(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _hear(spoken: Spoken, role: str, part: Json) -> None:
    match part["type"]:
        case "text":
            spoken.say(role, part["text"])
        case "image":
            assert part["source"], "an image has a source"
            spoken.images += 1
        case "tool_use":
            assert isinstance(part["input"], dict), "a tool's input is an object"
        case "tool_result":
            for inner in _parts(part.get("content") or []):
                _hear(spoken, role, inner)
        case other:
            raise ValueError(f"unknown content part {other}")
