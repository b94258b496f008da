"""OpenAI's chat completions, and what else speaks them: Azure OpenAI, vLLM, Ollama, llama.cpp, LM Studio, LiteLLM.

Format: OpenAI API reference, "Create chat completion". OpenAI and Azure bound a reply by `max_completion_tokens`, the
others by `max_tokens`, which is the older name.
"""

import math

from blocks.gateway.model import Question, Usage
from blocks.gateway.providers import turns
from blocks.gateway.providers.addresses import address, is_azure
from blocks.gateway.providers.counts import count, items, mapping, part, stated, text
from blocks.gateway.providers.failures import embedded_failure
from blocks.gateway.providers.wire import WireRequest
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.reply_schema import REPLY_NAME, reply_schema
from blocks.gateway.replies.wire_reply import Finish, WireReply

ENDPOINT = "https://api.openai.com/v1"
FINISHES = {
    "stop": Finish.STOP,
    "eos": Finish.STOP,
    "length": Finish.LENGTH,
    "model_length": Finish.LENGTH,
    "max_tokens": Finish.LENGTH,
    "content_filter": Finish.FILTERED,
    "refusal": Finish.REFUSAL,
}


def render(model: RegisteredModel, question: Question, key: str | None, mode: JsonMode) -> WireRequest:
    """The question as a chat: the instructions as the system's turn, the document as the user's."""
    endpoint = model.endpoint or ENDPOINT
    bound = "max_completion_tokens" if not model.endpoint or is_azure(endpoint) else "max_tokens"
    body: dict[str, object] = {
        "model": model.upstream,
        "messages": _messages(question, mode),
        "temperature": 0,
        "seed": turns.SEED,
        bound: model.max_output_tokens,
    }
    if mode is JsonMode.SCHEMA:
        schema = {"name": REPLY_NAME, "strict": True, "schema": reply_schema(question.request)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif mode is JsonMode.OBJECT:
        body["response_format"] = {"type": "json_object"}
    if model.logprobs:
        body["logprobs"] = True
    url = address(endpoint, "/v1", "/chat/completions")
    return WireRequest(url, openai_headers(model, endpoint, key), body)


def read(model: RegisteredModel, body: object) -> WireReply:
    """The first choice. Raises a `CallFailed` where the body is an error, as proxies send with status 200."""
    outer = mapping(body)
    if outer.get("error"):
        raise embedded_failure(model, outer)
    choice = mapping(next(iter(items(outer.get("choices"))), None))
    if choice.get("finish_reason") == "error" or choice.get("error"):
        raise embedded_failure(model, choice, usage=openai_usage(outer.get("usage"), "prompt", "completion"))
    message = mapping(choice.get("message"))
    return WireReply(
        text=_content(message.get("content")),
        finish=FINISHES.get(text(choice.get("finish_reason")), Finish.UNKNOWN),
        usage=openai_usage(outer.get("usage"), "prompt", "completion"),
        served_by=text(outer.get("model")),
        refusal=text(message.get("refusal")),
        token_logprobs=logprobs(mapping(choice.get("logprobs")).get("content")),
    )


def openai_headers(model: RegisteredModel, endpoint: str, key: str | None) -> dict[str, str]:
    """The headers of both OpenAI formats. The row's own come first: none of them can take the key's place."""
    headers = {"content-type": "application/json"} | {name.lower(): value for name, value in model.headers.items()}
    if key:
        headers |= {"api-key": key} if is_azure(endpoint) else {"authorization": f"Bearer {key}"}
    return headers


def openai_usage(usage: object, sent: str, made: str) -> Usage:
    """The counts of both OpenAI formats, which name what was sent and made differently, such as ``prompt_tokens``.

    What was sent has the cached tokens within it, what was made the reasoning. DeepSeek names its cache apart,
    OpenRouter reports the tokens written to the cache.
    """
    counts = mapping(usage)
    inward, outward = mapping(counts.get(f"{sent}_tokens_details")), mapping(counts.get(f"{made}_tokens_details"))
    sent_tokens, made_tokens = count(counts.get(f"{sent}_tokens")), count(counts.get(f"{made}_tokens"))
    cached = part(inward.get("cached_tokens", counts.get("prompt_cache_hit_tokens")), sent_tokens or 0)
    return stated(
        sent_tokens,
        made_tokens,
        cached_tokens=cached,
        cache_write_tokens=part(inward.get("cache_write_tokens"), (sent_tokens or 0) - cached),
        reasoning_tokens=part(outward.get("reasoning_tokens"), made_tokens or 0),
    )


def logprobs(tokens: object) -> tuple[tuple[str, float], ...]:
    """Tokens and their logarithms; none at all where any of them is no logarithm of a probability."""
    read = [(text(mapping(token).get("token")), mapping(token).get("logprob")) for token in items(tokens)]
    sound = [(token, float(value)) for token, value in read if isinstance(value, int | float) and math.isfinite(value)]
    return tuple(sound) if len(sound) == len(read) and all(value <= 0 for _, value in sound) else ()


def _messages(question: Question, mode: JsonMode) -> list[dict[str, object]]:
    system, user = turns.instructions(question, mode)
    content: object = user
    if question.request.images:
        parts: list[dict[str, object]] = [{"type": "text", "text": user}]
        for image in question.request.images:
            url = f"data:{image.media_type};base64,{turns.encoded(image)}"
            parts.append({"type": "text", "text": turns.label(image)})
            parts.append({"type": "image_url", "image_url": {"url": url}})
        content = parts
    messages: list[dict[str, object]] = [{"role": "system", "content": system}, {"role": "user", "content": content}]
    if question.correction is not None:
        messages.append({"role": "assistant", "content": turns.first_reply(question)})
        messages.append({"role": "user", "content": turns.objection(question)})
    return messages


def _content(content: object) -> str:
    """The text of a message, which some servers send in parts; what a model only thought is no part of it."""
    if isinstance(content, list):
        return "".join(
            text(mapping(shown).get("text")) for shown in content if mapping(shown).get("type") != "reasoning"
        )
    return text(content)
