"""Google's Gemini, generateContent. Format: Gemini API reference, "Generating content" and "Structured output"."""

from blocks.gateway.model import Question, Usage
from blocks.gateway.providers import turns
from blocks.gateway.providers.counts import count, part_of, stated_usage
from blocks.gateway.providers.failures import embedded_failure
from blocks.gateway.providers.json_access import as_list, as_mapping, as_text
from blocks.gateway.providers.openai_chat import logprobs
from blocks.gateway.providers.wire import WireRequest, address, headers_of
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.reply_schema import reply_schema
from blocks.gateway.replies.wire_reply import Finish, WireReply

ENDPOINT = "https://generativelanguage.googleapis.com/v1beta"
FINISHES = {
    "STOP": Finish.STOP,
    "MAX_TOKENS": Finish.LENGTH,
    "SAFETY": Finish.FILTERED,
    "RECITATION": Finish.FILTERED,
    "BLOCKLIST": Finish.FILTERED,
    "PROHIBITED_CONTENT": Finish.FILTERED,
    "SPII": Finish.FILTERED,
    "LANGUAGE": Finish.REFUSAL,
}


def render(model: RegisteredModel, question: Question, key: str | None, mode: JsonMode) -> WireRequest:
    """The question: a system instruction, and the document as the user's content."""
    system, user = turns.instructions(question, mode)
    generation: dict[str, object] = {
        "temperature": 0,
        "seed": turns.SEED,
        "candidateCount": 1,
        "maxOutputTokens": model.max_output_tokens,
    }
    if mode is not JsonMode.PROMPT:
        generation["responseMimeType"] = "application/json"
    if mode is JsonMode.SCHEMA:
        generation["responseJsonSchema"] = reply_schema(question.request)
    if model.logprobs:
        generation["responseLogprobs"] = True
    body: dict[str, object] = {
        "systemInstruction": {"parts": [{"text": system}]},
        "contents": _contents(question, user),
        "generationConfig": generation,
    }
    headers = headers_of(model, {"x-goog-api-key": key} if key else None)
    operation = f"/models/{model.upstream.removeprefix('models/')}:generateContent"
    return WireRequest(address(model.endpoint or ENDPOINT, "/v1beta", operation), headers, body)


def read(model: RegisteredModel, body: object) -> WireReply:
    """The first candidate, without its thoughts. Raises a `CallFailed` where the body is an error."""
    outer = as_mapping(body)
    if outer.get("error"):
        raise embedded_failure(model, outer)
    candidate = as_mapping(next(iter(as_list(outer.get("candidates"))), None))
    reason = as_text(candidate.get("finishReason"))
    is_image = reason.startswith("IMAGE_")
    finish = Finish.FILTERED if is_image else FINISHES.get(reason, Finish.UNKNOWN)
    if as_mapping(outer.get("promptFeedback")).get("blockReason"):
        finish = Finish.FILTERED
    parts = [as_mapping(shown) for shown in as_list(as_mapping(candidate.get("content")).get("parts"))]
    text = "".join(as_text(shown.get("text")) for shown in parts if shown.get("thought") is not True)
    return WireReply(
        text=text,
        finish=finish,
        usage=_usage(outer.get("usageMetadata"), text),
        served_by=as_text(outer.get("modelVersion")),
        token_logprobs=_logprobs(candidate.get("logprobsResult")),
    )


def _contents(question: Question, user: str) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = [{"text": user}]
    for label, media_type, data in turns.images(question.request):
        parts += ({"text": label}, {"inlineData": {"mimeType": media_type, "data": data}})
    contents: list[dict[str, object]] = [{"role": "user", "parts": parts}]
    if corrected := turns.corrective_turn(question):
        reply, objection = corrected
        contents += ({"role": "model", "parts": [{"text": reply}]}, {"role": "user", "parts": [{"text": objection}]})
    return contents


def _logprobs(result: object) -> tuple[tuple[str, float], ...]:
    chosen = [as_mapping(token) for token in as_list(as_mapping(result).get("chosenCandidates"))]
    return logprobs([{"token": token.get("token"), "logprob": token.get("logProbability")} for token in chosen])


def _usage(usage: object, text: str) -> Usage:
    """`promptTokenCount` includes cached tokens. Thoughts are counted beside the candidates, and paid like them.

    Protobuf leaves out a count of 0: a blocked reply has no `candidatesTokenCount`. Where there is a text, a missing
    count is not 0: Gemma's are never stated.
    """
    counts = as_mapping(usage)
    sent, made = count(counts.get("promptTokenCount")), count(counts.get("candidatesTokenCount", 0))
    thought, tools = count(counts.get("thoughtsTokenCount", 0)), count(counts.get("toolUsePromptTokenCount", 0))
    total_in = None if sent is None or tools is None else sent + tools
    total_out = None if made is None or thought is None or (text and not made) else made + thought
    return stated_usage(
        total_in,
        total_out,
        text,
        cached_tokens=part_of(counts.get("cachedContentTokenCount"), sent or 0),
        reasoning_tokens=thought or 0,
    )
