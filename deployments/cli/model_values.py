"""Turns what a user types about a model into the registry's record, or an error that says what to type instead."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from blocks.errors import UsageError
from blocks.gateway.registry.entry_checks import entry_mistakes
from blocks.gateway.registry.errors import ModelInvalid
from blocks.gateway.registry.registry import ProviderName, RegisteredModel, RegistryState, default_key, name_problem
from blocks.gateway.registry.seed import read_seed
from blocks.gateway.registry.shown_values import quoted
from blocks.gateway.spending.prices import listed_context_window
from blocks.yaml.messages import did_you_mean, typed_mistake

SETTABLE = (
    "upstream",
    "endpoint",
    "key_env",
    "key",
    "input_price",
    "output_price",
    "cached_price",
    "cache_write_price",
    "tier",
    "rpm",
    "tpm",
    "in_flight",
    "timeout_s",
    "max_output_tokens",
    "context_window",
    "json_mode",
    "images",
    "logprobs",
    "position",
)
CLEARED: Mapping[str, object] = {"endpoint": "", "json_mode": "unknown", "in_flight": 16}
"""What an empty value means for columns that cannot be null."""

CAPABILITIES = ("json_mode", "images", "logprobs", "context_window")
"""A model's abilities, which do not depend on its name or key."""

HEADER, BODY = "header.", "body."
"""The prefixes of names of headers and of extra fields: ``header.X-Org=acme``, ``body.reasoning_effort=low``."""


class Served(NamedTuple):
    """A model's provider, the provider's name for it, and the endpoint; empty for the provider's own."""

    provider: ProviderName
    upstream: str
    endpoint: str


def values_of_new(state: RegistryState, name: str, served: Served) -> dict[str, Any]:
    """The columns of a model that is added, before those that the user typed.

    A model that the registry has under this name, provider and endpoint keeps its columns. Any other comes last, with
    the abilities that data/models.yaml states for the same model under another name.
    """
    known = state.get(name)
    if known and _served(known) == served:
        return known.model_dump(exclude={"name", "is_enabled", "was_enabled"})
    values: dict[str, Any] = served._asdict() | {
        "key": default_key(served.provider, served.endpoint),
        "position": max((model.position for model in state.models), default=-1) + 1,
    }
    if window := listed_context_window(*served):
        default = RegisteredModel.model_fields["max_output_tokens"].default
        values |= {"context_window": window, "max_output_tokens": min(default, window // 2)}
    twin = next((model for model in read_seed() if _served(model) == served), None)
    return values | ({column: getattr(twin, column) for column in CAPABILITIES} if twin else {})


def refuse_other_model(known: RegisteredModel | None, served: Served) -> None:
    """Raise `ModelInvalid` where the registry has another model under the name, which was in use."""
    if known is not None and _served(known) != served:
        problem = f"it is already in the registry, as {known.version}"
        remedy = f"choose another name, or change it with `winnow models set {known.name} key=value`"
        raise ModelInvalid(known.name, f"{problem}; {remedy}")


def _served(model: RegisteredModel) -> Served:
    return Served(model.provider, model.upstream, model.endpoint)


def parse_values(known: RegisteredModel, pairs: Sequence[str]) -> dict[str, object]:
    """``key=value`` pairs as columns of the registry, values as typed; None for an empty value.

    With another endpoint, upstream, header or extra field, `json_mode` becomes unknown. Raises `UsageError`.
    """
    changes: dict[str, object] = {}
    given: set[str] = set()
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals:
            raise UsageError(f"{quoted(pair)} is no key=value; such as: winnow models set {known.name} rpm=60")
        if key.lower() in given:
            raise UsageError(f"{quoted(key)} is given twice; give it once")
        given.add(key.lower())
        if key in (HEADER, BODY):
            such = "header.X-Org=acme" if key == HEADER else "body.reasoning_effort=low"
            raise UsageError(f"{quoted(key)} names no field; such as: winnow models set {known.name} {such}")
        if key.startswith(HEADER):
            headers = changes.get("headers", known.headers)
            changes["headers"] = _with_header(cast(Mapping[str, str], headers), key.removeprefix(HEADER), text.strip())
            continue
        if key.startswith(BODY):
            body = changes.get("extra_body", known.extra_body)
            changes["extra_body"] = with_body_field(cast(Mapping[str, object], body), key.removeprefix(BODY), text)
            continue
        if key in ("headers", "extra_body"):
            such = "header.X-Org=acme" if key == "headers" else "body.reasoning_effort=low"
            raise UsageError(f"{key} are set one by one; such as: winnow models set {known.name} {such}")
        typed, key = key, key.replace("-", "_")
        if key not in SETTABLE:
            raise UsageError(f"a model has no {quoted(typed)} to set; {did_you_mean(key, list(SETTABLE))}")
        value = text.strip() or CLEARED.get(key)
        if key == "key_env":
            key, value = "key", f"env:{value}" if value else None
        changes[key] = value
    if changes.keys() & {"upstream", "endpoint", "headers", "extra_body"} and "json_mode" not in changes:
        changes["json_mode"] = "unknown"
    return changes


def parse_headers(pairs: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """The known headers with ``NAME=VALUE`` pairs. Raises `UsageError`, which repeats no value."""
    headers: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError("--header takes NAME=VALUE, such as X-Org=acme")
        if name.strip().lower() in map(str.lower, headers):
            raise UsageError(f"--header {quoted(name.strip())} is given twice; give it once")
        headers[name.strip()] = value.strip()
    given = {name.lower() for name in headers}
    return {name: value for name, value in known.items() if name.lower() not in given} | headers


def parse_body(pairs: Sequence[str], known: Mapping[str, object]) -> dict[str, object]:
    """The known extra fields with ``NAME=VALUE`` pairs. Raises `UsageError`, which repeats no value."""
    body = dict(known)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError("--body takes NAME=VALUE, such as reasoning_effort=low")
        body = with_body_field(body, name.strip(), text)
    return body


def with_body_field(body: Mapping[str, object], path: str, text: str) -> dict[str, object]:
    """The extra fields with this one, or without it if its text is empty. The text is JSON, or else a string.

    A dot in the path stands between an object's name and a name in it: ``generationConfig.thinkingConfig``. Raises
    `UsageError` for a path with an empty name.
    """
    name, dot, rest = path.partition(".")
    if not name.strip() or (dot and not rest):
        raise UsageError("an extra field has an empty name; such as: reasoning_effort=low or generationConfig.topK=1")
    others = {known: value for known, value in body.items() if known != name}
    if rest:
        inner = body.get(name)
        value: object = with_body_field(inner if isinstance(inner, dict) else {}, rest, text)
        return others | ({name: value} if value else {})
    if not text.strip():
        return others
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text.strip()
    return others | {name: value}


def _with_header(headers: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    """The headers with this header, or without it if its value is empty. The case of names makes no difference."""
    others = {known: text for known, text in headers.items() if known.lower() != name.lower()}
    return others | {name: value} if value else others


def checked_model(name: str, values: Mapping[str, Any]) -> RegisteredModel:
    """A model of the registry from its columns. Raises `ModelInvalid`, which repeats no key."""
    if problem := name_problem(name):
        raise ModelInvalid(name, problem)
    _refuse_mistakes(name, values)  # before the schema, whose messages repeat what was typed
    try:
        model = RegisteredModel.model_validate({**values, "name": name})
    except ValidationError as error:
        raise ModelInvalid(name, typed_mistake(error, RegisteredModel)) from None
    _refuse_mistakes(name, model.model_dump())
    return model


def _refuse_mistakes(name: str, values: Mapping[str, object]) -> None:
    mistake = next(entry_mistakes(values), None)
    if mistake is not None:
        raise ModelInvalid(name, mistake.message)
