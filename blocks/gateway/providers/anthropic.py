"""Anthropic's Messages. Format: Anthropic API reference, "Messages", "Structured outputs", "Tool use".

Claude is held to the reply schema by `output_config`. Where it refuses that, as older models do, and where another
model speaks this format, the model must call the only tool, which has the schema. Tools and system text are marked for
the provider's cache: both are the same for all documents of a type.
"""

import json

from blocks.gateway.model import Question, Usage
from blocks.gateway.providers import turns
from blocks.gateway.providers.counts import count, part_of, stated_cost, stated_usage
from blocks.gateway.providers.failures import embedded_failure
from blocks.gateway.providers.json_access import as_list, as_mapping, as_text
from blocks.gateway.providers.wire import WireRequest, address, headers_of
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.reply_schema import REPLY_NAME, reply_schema
from blocks.gateway.replies.wire_reply import Finish, WireReply

ENDPOINT = "https://api.anthropic.com/v1"
API_VERSION = "2023-06-01"
"""The last version that takes a temperature; 2026-10-21 refuses it for every model. A model that refuses it itself is
asked without it (`server_traits`)."""

FINISHES = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "tool_use": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal": Finish.REFUSAL,
    "content_filter": Finish.FILTERED,
    "content_filtered": Finish.FILTERED,
    "guardrail_intervened": Finish.FILTERED,
}
"""The last three come from other servers that speak this format."""
_CALL_ID = "toolu_winnow_1"


def render(model: RegisteredModel, question: Question, key: str | None, mode: JsonMode) -> WireRequest:
    """The question, with the schema as the output's format, as a tool, or in words."""
    is_claude = "claude" in model.upstream.lower()
    is_tool = mode is (JsonMode.OBJECT if is_claude else JsonMode.SCHEMA)
    system, user = turns.instructions(question, JsonMode.SCHEMA if is_tool else mode)
    body: dict[str, object] = {
        "model": model.upstream,
        "max_tokens": model.max_output_tokens,
        "temperature": 0,
        "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
        "messages": _messages(question, user, is_tool=is_tool),
    }
    if mode is JsonMode.SCHEMA and is_claude:
        body["output_config"] = {"format": {"type": "json_schema", "schema": reply_schema(question.request)}}
    elif is_tool:
        tool = {"name": REPLY_NAME, "description": "Give what you read in the document."}
        body["tools"] = [tool | {"input_schema": reply_schema(question.request)}]
        body["tool_choice"] = {"type": "tool", "name": REPLY_NAME, "disable_parallel_tool_use": True}
    headers = {"anthropic-version": API_VERSION} | headers_of(model, {"x-api-key": key} if key else None)
    return WireRequest(address(model.endpoint or ENDPOINT, "/v1", "/messages"), headers, body)


def read(model: RegisteredModel, body: object) -> WireReply:
    """The tool's input where the tool was called, else the text. Raises a `CallFailed` where it is an error."""
    outer = as_mapping(body)
    if outer.get("type") == "error" or outer.get("error"):
        raise embedded_failure(model, outer)
    blocks = [as_mapping(block) for block in as_list(outer.get("content"))]
    inputs = [block.get("input") for block in blocks if block.get("type") == "tool_use"]
    calls = [arguments for arguments in inputs if arguments is not None]
    prose = "".join(as_text(block.get("text")) for block in blocks if block.get("type") == "text")
    # Two calls are two answers: joined, they are refused as more than one object.
    text = "".join(json.dumps(arguments, ensure_ascii=False) for arguments in calls) or prose
    return WireReply(
        text=text,
        finish=FINISHES.get(as_text(outer.get("stop_reason")), Finish.UNKNOWN),
        usage=_usage(outer.get("usage"), text),
        served_by=as_text(outer.get("model")),
        refusal=prose if outer.get("stop_reason") == "refusal" else "",
    )


def _messages(question: Question, user: str, *, is_tool: bool) -> list[dict[str, object]]:
    content: list[dict[str, object]] = [{"type": "text", "text": user}]
    for label, media_type, data in turns.images(question.request):
        content.append({"type": "text", "text": label})
        content.append({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
    messages: list[dict[str, object]] = [{"role": "user", "content": content}]
    corrected = turns.corrective_turn(question)
    if corrected is None:
        return messages
    reply, objection = corrected
    call = _as_call(reply) if is_tool else None
    if call is None:
        turn: list[dict[str, object]] = [{"type": "text", "text": reply}]
        answer: list[dict[str, object]] = [{"type": "text", "text": objection}]
    else:
        turn = [{"type": "tool_use", "id": _CALL_ID, "name": REPLY_NAME, "input": call}]
        answer = [{"type": "tool_result", "tool_use_id": _CALL_ID, "is_error": True, "content": objection}]
    return [*messages, {"role": "assistant", "content": turn}, {"role": "user", "content": answer}]


def _as_call(reply: str) -> dict[str, object] | None:
    """A reply as a call of the tool, None where it is no JSON object."""
    try:
        value = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _usage(usage: object, text: str) -> Usage:
    """`input_tokens` excludes cached tokens: tokens read from and written to the cache are counted separately."""
    counts = as_mapping(usage)
    fresh, made = count(counts.get("input_tokens")), count(counts.get("output_tokens"))
    read = count(counts.get("cache_read_input_tokens")) or 0
    written = count(counts.get("cache_creation_input_tokens")) or 0
    for_an_hour = as_mapping(counts.get("cache_creation")).get("ephemeral_1h_input_tokens")
    return stated_usage(
        None if fresh is None else fresh + read + written,
        made,
        text,
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=part_of(for_an_hour, written),
        reasoning_tokens=part_of(as_mapping(counts.get("output_tokens_details")).get("thinking_tokens"), made or 0),
        stated_cost_usd=stated_cost(counts),
    )
