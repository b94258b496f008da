"""What a user types of a model, as the registry's record, or an error that says what to type instead."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError

from blocks.errors import UsageError
from blocks.gateway.configuration_errors import ModelInvalid
from blocks.gateway.keys import parse_reference
from blocks.gateway.registry import RegisteredModel
from blocks.schema_messages import did_you_mean, schema_mistakes

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
"""What an empty value stands for where it is not nothing."""

BUILT_IN = "local"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}\Z")
_SECRET_PARAMETER = re.compile(r"key|token|secret|password|sig", re.IGNORECASE)


def parse_values(known: RegisteredModel, pairs: Sequence[str]) -> dict[str, object]:
    """``key=value`` pairs as columns of the registry, values as typed; None for an empty one.

    Another place or name of the model makes unknown again how its server can be held to a schema.
    Raises `UsageError`.
    """
    changes: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"{pair!r} is no key=value; such as: winnow models set {known.name} rpm=60")
        if key not in SETTABLE:
            raise UsageError(f"a model has no {key!r} to set; {did_you_mean(key, list(SETTABLE))}")
        value = text.strip() or CLEARED.get(key)
        if key == "key_env":
            key, value = "key", f"env:{value}" if value else None
        changes[key] = value
    if changes.keys() & {"upstream", "endpoint"} and "json_mode" not in changes:
        changes["json_mode"] = "unknown"
    return changes


def checked_model(name: str, values: Mapping[str, Any]) -> RegisteredModel:
    """A model of the registry out of what was given. Raises `ModelInvalid`, which repeats no key."""
    if not _NAME.match(name) or name == BUILT_IN:
        problem = (
            "the built-in model has this name" if name == BUILT_IN else "a name has letters, digits and . _ : / @ -"
        )
        raise ModelInvalid(name, f"{problem}; choose another name")
    if key := values.get("key"):
        _check_key(name, str(key))
    try:
        model = RegisteredModel.model_validate({**values, "name": name})
    except ValidationError as error:
        first = next(schema_mistakes(error, RegisteredModel))
        raise ModelInvalid(name, f"{first.message}; correct it") from None
    if not model.upstream.strip():
        raise ModelInvalid(name, "upstream is empty; give what the provider calls the model")
    _check_endpoint(name, model.endpoint)
    return model


def _check_key(name: str, reference: str) -> None:
    try:
        parse_reference(reference)
    except ValueError as error:
        raise ModelInvalid(name, str(error)) from None


def _check_endpoint(name: str, endpoint: str) -> None:
    """Refuse an address that is none, or that holds a secret: addresses are shown and logged, keys are not."""
    if not endpoint:
        return
    try:
        parts = urlsplit(endpoint)
        has_host = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        raise ModelInvalid(name, "its endpoint is no address; give one such as http://localhost:11434/v1")
    secrets = [key for key, _ in parse_qsl(parts.query) if _SECRET_PARAMETER.search(key)]
    if parts.username or parts.password or secrets:
        raise ModelInvalid(name, "its endpoint holds a secret; take it out, and name the key's variable by --key-env")
