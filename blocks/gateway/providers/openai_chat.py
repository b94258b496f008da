"""OpenAI's chat completions, and what else speaks them: Azure OpenAI, vLLM, Ollama, llama.cpp, LM Studio, LiteLLM.

Format: OpenAI API reference, "Create chat completion". OpenAI and Azure bound a reply by `max_completion_tokens`, the
others by `max_tokens`, which is the older name.
"""

import math

from blocks.gateway.model import Question, Usage
from blocks.gateway.providers import turns
from blocks.gateway.providers.counts import count, part_of, stated_cost, stated_usage
from blocks.gateway.providers.failures import embedded_failure
from blocks.gateway.providers.json_access import as_list, as_mapping, as_text
from blocks.gateway.providers.wire import WireRequest, address, headers_of, is_azure
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
    outer = as_mapping(body)
    choice = as_mapping(next(iter(as_list(outer.get("choices"))), None))
    is_error = bool(outer.get("error")) or outer.get("object") == "error"
    if is_error or choice.get("finish_reason") == "error" or choice.get("error"):
        usage = openai_usage(outer.get("usage"), "prompt", "completion")
        raise embedded_failure(model, outer if is_error else choice, usage=usage)
    message = as_mapping(choice.get("message"))
    text, served_by = _content(message.get("content")), as_text(outer.get("model"))
    is_azure_grok = "prompt_filter_results" in outer and served_by.startswith("grok")
    return WireReply(
        text=text,
        finish=FINISHES.get(as_text(choice.get("finish_reason")), Finish.UNKNOWN),
        usage=openai_usage(outer.get("usage"), "prompt", "completion", text, counts_cached_apart=is_azure_grok),
        served_by=served_by,
        refusal=as_text(message.get("refusal")),
        token_logprobs=logprobs(as_mapping(choice.get("logprobs")).get("content")),
    )


def openai_headers(model: RegisteredModel, endpoint: str, key: str | None) -> dict[str, str]:
    """The headers of both OpenAI formats."""
    if not key:
        return headers_of(model)
    return headers_of(model, {"api-key": key} if is_azure(endpoint) else {"authorization": f"Bearer {key}"})


def openai_usage(usage: object, sent: str, made: str, text: str = "", *, counts_cached_apart: bool = False) -> Usage:
    """The counts of both OpenAI formats. They differ in their names of what was `sent` and `made`: ``prompt_tokens``.

    Sent tokens include cached ones, made tokens include reasoning. DeepSeek has its own name for cached tokens;
    OpenRouter reports the tokens written to the cache, which may be the cached ones. Where more is cached than was
    sent, and with `counts_cached_apart` (Grok on Azure), cached tokens are counted beside those sent. xAI counts
    reasoning beside the made tokens, as its total shows.
    """
    counts = as_mapping(usage)
    inward, outward = as_mapping(counts.get(f"{sent}_tokens_details")), as_mapping(counts.get(f"{made}_tokens_details"))
    sent_tokens, made_tokens = count(counts.get(f"{sent}_tokens")), count(counts.get(f"{made}_tokens"))
    cached = count(inward.get("cached_tokens", counts.get("prompt_cache_hit_tokens"))) or 0
    reasoning = count(outward.get("reasoning_tokens")) or 0
    if sent_tokens and made_tokens is not None and counts.get("total_tokens") == sent_tokens + made_tokens + reasoning:
        made_tokens += reasoning
    if sent_tokens is not None and (counts_cached_apart or cached > sent_tokens):
        sent_tokens += cached
    return stated_usage(
        sent_tokens,
        made_tokens,
        text,
        cached_tokens=cached,
        cache_write_tokens=part_of(inward.get("cache_write_tokens"), sent_tokens or 0),
        reasoning_tokens=part_of(reasoning, made_tokens or 0),
        stated_cost_usd=stated_cost(counts),
    )


def logprobs(tokens: object) -> tuple[tuple[str, float], ...]:
    """Tokens with the logarithms of their probabilities; empty where any of them cannot be such a logarithm."""
    read = [(as_text(as_mapping(token).get("token")), as_mapping(token).get("logprob")) for token in as_list(tokens)]
    sound = [(token, float(value)) for token, value in read if isinstance(value, int | float) and math.isfinite(value)]
    return tuple(sound) if len(sound) == len(read) and all(value <= 0 for _, value in sound) else ()


def _messages(question: Question, mode: JsonMode) -> list[dict[str, object]]:
    system, user = turns.instructions(question, mode)
    content: object = user
    if question.request.images:
        parts: list[dict[str, object]] = [{"type": "text", "text": user}]
        for label, media_type, data in turns.images(question.request):
            parts.append({"type": "text", "text": label})
            parts.append({"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}})
        content = parts
    return [{"role": "system", "content": system}, {"role": "user", "content": content}, *corrective_turns(question)]


def corrective_turns(question: Question) -> list[dict[str, object]]:
    """The corrective turn in both OpenAI formats, if there is one."""
    if not (corrected := turns.corrective_turn(question)):
        return []
    reply, objection = corrected
    return [{"role": "assistant", "content": reply}, {"role": "user", "content": objection}]


def _content(content: object) -> str:
    """The text of a message, without reasoning. Some servers send it in parts."""
    if isinstance(content, list):
        return "".join(
            as_text(as_mapping(shown).get("text")) for shown in content if as_mapping(shown).get("type") != "reasoning"
        )
    return as_text(content)
