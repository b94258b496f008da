"""Checks of a registry entry beyond its schema, for the command, the seed and the Prefect block.

Rows are not checked when they are read, so that a model stored under older rules can be listed and corrected.
"""

from collections.abc import Iterator, Mapping

from blocks.gateway.registry.keys import parse_reference
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.registry.shown_values import (
    NAME_THE_KEY,
    endpoint_problem,
    headers_problem,
    holds_secret,
    looks_like_a_key,
    upstream_problem,
)
from blocks.yaml.lines import Mistake

MIN_TIMEOUT_S = 0.1
"""No model begins to answer sooner."""

CONTAINERS = frozenset(("generationConfig", "output_config", "text"))
"""Objects of a body in which the gateway sets some fields, and an entry may set others."""

OWN_FIELDS = frozenset(
    ("model", "messages", "input", "instructions", "system", "systemInstruction", "contents", "temperature", "seed",
     "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_new_tokens", "candidateCount",
     "response_format", "responseMimeType", "responseJsonSchema", "format", "logprobs", "responseLogprobs", "include",
     "store")
) | CONTAINERS  # fmt: skip
"""Fields that the gateway sets in a request of any format."""

_COSTS = "multiplies the cost of a call"
_TOOLS = "gives the model tools, or documents of others"
REFUSED_FIELDS = {
    "stream": "changes the form of the reply",
    "responseSchema": "contradicts the schema that the gateway sends",
    "n": _COSTS,
    "best_of": _COSTS,
    "background": "has the reply come later",
} | dict.fromkeys(
    ("tools", "tool_choice", "tool_config", "toolConfig", "functions", "function_call", "plugins", "mcp_servers",
     "web_search_options", "search_parameters", "container", "conversation", "previous_response_id", "cachedContent"),
    _TOOLS,
)  # fmt: skip
"""Fields that no request may have, and what each does."""

PRICED_FIELDS = (
    *("service_tier", "speed", "inference_geo"),
    *("modalities", "audio", "responseModalities", "speechConfig"),
)
"""Fields by which a provider charges other prices than those of the price list, so that an entry must state them."""


def entry_mistakes(values: Mapping[str, object]) -> Iterator[Mistake]:
    """Every mistake in an entry, by column, with the remedy. Values of a wrong type are skipped. No message repeats a
    likely key."""
    for column, value in values.items():
        if isinstance(value, str) and (problem := _text_problem(column, value)):
            yield Mistake((column,), problem)
    headers = values.get("headers")
    if isinstance(headers, Mapping):
        texts = {str(name): str(value) for name, value in headers.items()}
        if problem := headers_problem(texts):
            yield Mistake(("headers",), problem)
    extra = values.get("extra_body")
    if isinstance(extra, Mapping) and (problem := _extra_problem(extra) or _price_problem(extra, values)):
        yield Mistake(("extra_body",), problem)
    yield from _room_mistakes(values)


def _text_problem(column: str, value: str) -> str | None:
    match column:
        case "upstream":
            return upstream_problem(value)
        case "endpoint":
            return endpoint_problem(value)
        case "key":
            return _reference_problem(value)
    return f"what is given as {column} looks like a key; {NAME_THE_KEY}" if looks_like_a_key(value) else None


def _reference_problem(reference: str) -> str | None:
    try:
        place, name = parse_reference(reference)
    except ValueError as error:
        return str(error)
    if looks_like_a_key(name):
        return f"what stands after {place}: looks like the key itself; give the name under which the key is kept there"
    return None


def _extra_problem(extra: Mapping[str, object]) -> str | None:
    """What is wrong with extra fields of a body, with the remedy and without their values; None where nothing is."""
    for field in _fields_of(extra):
        if _spelling(field) in _OWN_SPELLINGS:
            return f"its extra field {field} is set by the gateway itself; remove it"
        if why := _REFUSED_SPELLINGS.get(_spelling(field)):
            return f"its extra field {field} {why}; remove it"
    if holds_secret(extra):
        return f"its extra fields hold a secret, or may; {NAME_THE_KEY}"
    return None


def _price_problem(extra: Mapping[str, object], values: Mapping[str, object]) -> str | None:
    """What is missing where an extra field changes the price and the entry states none; None where nothing is."""
    if values.get("input_price") is not None and values.get("output_price") is not None:
        return None
    if (field := priced_field(extra)) is None:
        return None
    return (
        f"its extra field {field} changes what its answers cost, and budgets rest on the price: state both, "
        "input_price and output_price in USD per million tokens, with it"
    )


def priced_field(extra: Mapping[str, object]) -> str | None:
    """An extra field by which the provider charges other prices than those of the price list; None if there is none."""
    return next((field for field in _fields_of(extra) if _spelling(field) in _PRICED_SPELLINGS), None)


def _fields_of(extra: Mapping[str, object]) -> Iterator[str]:
    """The names of extra fields; of a container with fields, the names in it instead of its own."""
    for name, value in extra.items():
        inner = value if name in CONTAINERS and isinstance(value, Mapping) else {}
        yield from inner or (name,)


def _spelling(field: object) -> str:
    """A field's name without case and underscores: Gemini takes `max_output_tokens` for `maxOutputTokens`."""
    return str(field).replace("_", "").casefold()


_OWN_SPELLINGS = frozenset(map(_spelling, OWN_FIELDS))
_PRICED_SPELLINGS = frozenset(map(_spelling, PRICED_FIELDS))
_REFUSED_SPELLINGS = {_spelling(field): why for field, why in REFUSED_FIELDS.items()}


def _room_mistakes(values: Mapping[str, object]) -> Iterator[Mistake]:
    timeout_s = values.get("timeout_s")
    if isinstance(timeout_s, int | float) and 0 < timeout_s < MIN_TIMEOUT_S:
        text = f"timeout_s is {timeout_s:g}: no model answers so soon; give {MIN_TIMEOUT_S:g} seconds or more"
        yield Mistake(("timeout_s",), text)
    window = values.get("context_window")
    max_output = values.get("max_output_tokens", RegisteredModel.model_fields["max_output_tokens"].default)
    if isinstance(window, int) and isinstance(max_output, int) and window <= max_output:
        text = f"context_window is {window:,} and max_output_tokens {max_output:,}, which leaves no room for a document"
        yield Mistake(("context_window",), f"{text}; raise the first or lower the second")
