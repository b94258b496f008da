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
    looks_like_a_key,
    upstream_problem,
)
from blocks.yaml.lines import Mistake

MIN_TIMEOUT_S = 0.1
"""No model begins to answer sooner."""


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
