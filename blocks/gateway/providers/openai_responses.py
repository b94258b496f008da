"""OpenAI's Responses API. Format: OpenAI API reference, "Create a model response". It takes no seed."""

from collections.abc import Iterator, Mapping

from blocks.gateway.model import Question
from blocks.gateway.providers import turns
from blocks.gateway.providers.failures import embedded_failure
from blocks.gateway.providers.json_access import as_list, as_mapping, as_text
from blocks.gateway.providers.openai_chat import ENDPOINT, corrective_turns, logprobs, openai_headers, openai_usage
from blocks.gateway.providers.wire import WireRequest, address
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.reply_schema import REPLY_NAME, reply_schema
from blocks.gateway.replies.wire_reply import Finish, WireReply

_INCOMPLETE = {"max_output_tokens": Finish.LENGTH, "max_tokens": Finish.LENGTH, "content_filter": Finish.FILTERED}


def render(model: RegisteredModel, question: Question, key: str | None, mode: JsonMode) -> WireRequest:
    """The question: instructions, and the document as the user's input."""
    system, user = turns.instructions(question, mode)
    endpoint = model.endpoint or ENDPOINT
    body: dict[str, object] = {
        "model": model.upstream,
        "instructions": system,
        "input": _input(question, user),
        "temperature": 0,
        "max_output_tokens": model.max_output_tokens,
        "store": False,
    }
    if mode is JsonMode.SCHEMA:
        schema = reply_schema(question.request)
        body["text"] = {"format": {"type": "json_schema", "name": REPLY_NAME, "strict": True, "schema": schema}}
    elif mode is JsonMode.OBJECT:
        body["text"] = {"format": {"type": "json_object"}}
    if model.logprobs:
        body["include"] = ["message.output_text.logprobs"]
    return WireRequest(address(endpoint, "/v1", "/responses"), openai_headers(model, endpoint, key), body)


def read(model: RegisteredModel, body: object) -> WireReply:
    """The text of all messages of the output. Raises a `CallFailed` where the response has failed."""
    outer = as_mapping(body)
    parts = list(_parts(outer))
    text = "".join(as_text(shown.get("text")) for shown in parts if shown.get("type") == "output_text")
    usage = openai_usage(outer.get("usage"), "input", "output", text)
    status = as_text(outer.get("status"))
    if outer.get("error") or status not in ("", "completed", "incomplete"):
        error = outer.get("error") or {"message": f"the response is {status}"}
        raise embedded_failure(model, {**outer, "error": error}, usage=usage)
    finish = Finish.STOP if status == "completed" else Finish.UNKNOWN
    if status == "incomplete":
        finish = _INCOMPLETE.get(as_text(as_mapping(outer.get("incomplete_details")).get("reason")), Finish.LENGTH)
    return WireReply(
        text=text,
        finish=finish,
        usage=usage,
        served_by=as_text(outer.get("model")),
        refusal="".join(as_text(shown.get("refusal")) for shown in parts if shown.get("type") == "refusal"),
        token_logprobs=logprobs([token for shown in parts for token in as_list(shown.get("logprobs"))]),
    )


def _input(question: Question, user: str) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = [{"type": "input_text", "text": user}]
    for label, media_type, data in turns.images(question.request):
        parts.append({"type": "input_text", "text": label})
        parts.append({"type": "input_image", "image_url": f"data:{media_type};base64,{data}", "detail": "high"})
    return [{"role": "user", "content": parts}, *corrective_turns(question)]


def _parts(outer: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The parts of the messages; reasoning and tool calls are other kinds of output."""
    for entry in map(as_mapping, as_list(outer.get("output"))):
        if entry.get("type") == "message":
            yield from map(as_mapping, as_list(entry.get("content")))
