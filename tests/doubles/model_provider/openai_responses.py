"""OpenAI's responses API."""

from collections.abc import Collection, Mapping
from typing import Any

from tests.doubles.model_provider.openai_chat import (
    CREATED,
    logprobs,
    openai_error,
    openai_limit_headers,
    openai_refused,
)
from tests.doubles.model_provider.wire import Answer, Asked, ErrorKind, Json, Spoken


class OpenAIResponses:
    """POST /v1/responses."""

    name = "openai-responses"

    def asked(self, path: str, body: Json) -> Asked:
        spoken = Spoken(system=[body["instructions"]] if body.get("instructions") else [])
        given = body["input"]
        for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
            _hear(spoken, item["role"], item["content"])
        format_ = (body.get("text") or {}).get("format") or {"type": "text"}
        mode, schema, tool = format_["type"].replace("text", "prompt"), None, None
        if mode == "json_schema":
            assert format_["name"], "a schema has a name"
            schema = format_["schema"]
        elif body.get("tools") and isinstance(body.get("tool_choice"), dict):
            mode, schema, tool = "tool", body["tools"][0]["parameters"], body["tools"][0]["name"]
        return Asked(
            model=body["model"],
            text="\n".join(spoken.user),
            system="\n".join(spoken.system),
            schema=schema,
            mode=mode,
            tool=tool,
            wants_logprobs="message.output_text.logprobs" in (body.get("include") or ()),
            images=spoken.images,
            max_output_tokens=body.get("max_output_tokens"),
            turns=spoken.turns,
        )

    def refused(self, headers: Mapping[str, str], body: Json, refused_parameters: Collection[str]) -> Json | None:
        return openai_refused(body, refused_parameters)

    def reply(self, asked: Asked, answer: Answer, number: int) -> Json:
        is_cut = answer.finish in {"length", "filtered"}
        status = "incomplete" if is_cut else "completed"
        reason = {"length": "max_output_tokens", "filtered": "content_filter"}.get(answer.finish)
        body: Json = {
            "id": f"resp_double{number}",
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": asked.system or None,
            "max_output_tokens": asked.max_output_tokens,
            "model": answer.served_by or f"{asked.model}-2026-01-01",
            "output": [] if answer.finish == "empty" else _output(asked, answer, status, number),
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": 0.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "metadata": {},
        }
        if answer.usage_wire is not None:
            body["usage"] = answer.usage_wire
        elif answer.usage is not None:
            tokens = answer.usage
            body["usage"] = {
                "input_tokens": tokens.input,
                "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.cache_write},
                "output_tokens": tokens.output,
                "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
                "total_tokens": tokens.input + tokens.output,
            }
        return body

    def error(self, kind: ErrorKind, asked: Asked | None, message: str) -> tuple[int, Json, Mapping[str, str]]:
        status, body, headers = openai_error(kind, asked, message)
        if kind is ErrorKind.UNSUPPORTED_FORMAT and not message:
            said = "Invalid parameter: 'text.format' of type 'json_schema' is not supported with this model."
            body["error"] |= {"message": said, "param": "text.format"}
        return status, body, headers

    def limit_headers(self, limit: int, left: int, tokens: int, tokens_left: int, reset_s: float) -> dict[str, str]:
        return openai_limit_headers(limit, left, tokens, tokens_left, reset_s)


def _output(asked: Asked, answer: Answer, status: str, number: int) -> list[Json]:
    output: list[Json] = []
    if answer.usage is not None and answer.usage.reasoning:
        output.append({"id": f"rs_double{number}", "type": "reasoning", "summary": []})
    if asked.tool and answer.finish != "refusal":
        call = {"call_id": f"call_{number}", "name": asked.tool, "arguments": answer.text, "status": status}
        return [*output, {"id": f"fc_double{number}", "type": "function_call", **call}]
    content: Json = {"type": "output_text", "text": answer.text, "annotations": []}
    if asked.wants_logprobs:
        content["logprobs"] = logprobs(answer)
    if answer.finish == "refusal":
        content = {"type": "refusal", "refusal": answer.text}
    message = {"id": f"msg_double{number}", "type": "message", "status": status, "role": "assistant"}
    return [*output, {**message, "content": [content]}]


def _hear(spoken: Spoken, role: str, content: Any) -> None:
    parts: list[Json] = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    for part in parts:
        if part["type"] in {"input_text", "output_text"}:
            spoken.say(role, part["text"])
        elif part["type"] == "input_image":
            assert part["image_url"], "an image has an address"
            spoken.images += 1
        else:
            raise ValueError(f"unknown content part {part['type']}")
    spoken.turns += role == "user"
