"""The model registry: what Winnow knows of each model. A change takes effect at the next call, without a deployment.

The database holds the registry, seeded from data/models.yaml. It never holds a key, only the reference of a key
(`keys.py`).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol, get_args

from pydantic import Field, JsonValue, ValidationError

from blocks.gateway.registry.errors import ModelInvalid
from blocks.gateway.registry.shown_values import looks_like_a_key
from blocks.records import LOCAL, Record
from blocks.yaml.messages import first_finding

ProviderName = Literal["openai", "openai-responses", "anthropic", "gemini"]
Tier = Literal["cheap", "strong"]

DEFAULT_KEYS: Mapping[str, str] = {
    "openai": "env:OPENAI_API_KEY",
    "openai-responses": "env:OPENAI_API_KEY",
    "anthropic": "env:ANTHROPIC_API_KEY",
    "gemini": "env:GEMINI_API_KEY",
}
"""The key of each provider where the entry names none."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}\Z")
MAX_COUNT = 1_000_000_000
"""More than any limit or window, and within what a database column holds."""

MAX_USD = 1_000_000
"""More than a million tokens of any model cost."""


class JsonMode(StrEnum):
    """How a server can be held to a schema; `unknown` until the first call detects it."""

    UNKNOWN = "unknown"
    SCHEMA = "json_schema"
    OBJECT = "json_object"
    PROMPT = "prompt"


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a model, with the remedy; None where nothing is."""
    if name == LOCAL:
        return "the built-in reader has this name; choose another name"
    if name in get_args(Tier):
        return "a tier has this name; choose another name"
    if "@" in name:
        return "@ stands between a model's name and its version; choose another name, with - or / in its place"
    if not _NAME.match(name):
        return "a name has at most 100 letters, digits and . _ : / -; choose another name"
    if looks_like_a_key(name):
        return "it looks like a key, and a name is shown; choose another name"
    return None


def default_key(provider: str, endpoint: str) -> str | None:
    """The reference of a model's key where its entry names none; None for other endpoints than the provider's own, so
    that a key goes by default to its provider only."""
    return None if endpoint else DEFAULT_KEYS.get(provider)


class RegisteredModel(Record):
    """A language model that can be asked.

    `upstream` is the provider's name for it, `endpoint` the base address (the provider's own where it is empty).
    `extra_body` has fields that requests have beside the gateway's own, such as ``reasoning_effort``. Prices
    are in USD per million tokens; where one is None, `prices.price_of` takes it from the price list, by `upstream`.
    `rpm` and `tpm` are requests and tokens per minute, `in_flight` the calls at once, over all workers; None is no
    limit. `timeout_s` bounds a call with all its attempts. `context_window` is in tokens. `is_enabled` decides who is
    asked, and makes nothing stale. `was_enabled`: it was enabled at some time, and so counts in fingerprints.
    """

    name: str
    provider: ProviderName
    upstream: str
    endpoint: str = ""
    key: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    input_price: Decimal | None = Field(None, ge=0, le=MAX_USD)
    output_price: Decimal | None = Field(None, ge=0, le=MAX_USD)
    cached_price: Decimal | None = Field(None, ge=0, le=MAX_USD)
    cache_write_price: Decimal | None = Field(None, ge=0, le=MAX_USD)
    tier: Tier | None = None
    rpm: int | None = Field(None, ge=1, le=MAX_COUNT)
    tpm: int | None = Field(None, ge=1, le=MAX_COUNT)
    in_flight: int = Field(16, ge=1, le=10_000)
    timeout_s: float = Field(60.0, gt=0, le=86_400)
    max_output_tokens: int = Field(4096, ge=1, le=MAX_COUNT)
    context_window: int | None = Field(None, ge=1, le=MAX_COUNT)
    json_mode: JsonMode = JsonMode.UNKNOWN
    images: bool = False
    logprobs: bool = False
    is_enabled: bool = True
    was_enabled: bool = True
    position: int = Field(0, ge=-MAX_COUNT, le=MAX_COUNT)

    @property
    def version(self) -> str:
        """Who serves the model, and under which name."""
        return f"{self.provider}:{self.upstream}" + (f"@{self.endpoint}" if self.endpoint else "")

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides answers: who serves the model, what it is sent, and its limits of tokens.

        The JSON mode does not count, as it is detected while the model is asked.
        """
        room = (self.max_output_tokens, self.context_window)
        parts = [self.version, sorted(self.headers.items()), self.images, self.logprobs, room]
        parts += [self.extra_body] if self.extra_body else []
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The registry as it stands: models in the order of `position` and name, and whether all spending is paused."""

    models: tuple[RegisteredModel, ...] = ()
    is_paused: bool = False

    def get(self, name: str) -> RegisteredModel | None:
        """The model of this name."""
        return next((model for model in self.models if model.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """What a route may name: `local` (the built-in reader) and every model."""
        return (LOCAL, *(model.name for model in self.models))

    @property
    def offered(self) -> tuple[str, ...]:
        """The names that messages offer: all but those of models that a person disabled."""
        disabled = {model.name for model in self.models if model.was_enabled and not model.is_enabled}
        return tuple(name for name in self.names if name not in disabled)

    def of_tier(self, tier: Tier) -> tuple[RegisteredModel, ...]:
        """The enabled models of a tier, in order."""
        return tuple(model for model in self.models if model.tier == tier and model.is_enabled)


def registry_state(rows: Sequence[Mapping[str, object]], is_paused: bool) -> RegistryState:
    """The registry from rows, whose keys are the fields of a model. Raises `ModelInvalid`."""
    models = []
    for row in rows:
        try:
            models.append(RegisteredModel.model_validate(row))
        except ValidationError as error:
            problem = f"{first_finding(error)}; correct it with winnow models set"
            raise ModelInvalid(str(row.get("name")), problem) from None
    return RegistryState(tuple(models), is_paused)


class Registry(Protocol):
    """Keeps the registry. The database does; `tasks/runs/models.py` joins the two."""

    def load(self) -> RegistryState:
        """The registry as it is now. A cheap query: the gateway asks about once a second."""
        ...

    def remember_json_mode(self, name: str, mode: JsonMode) -> None:
        """Keep the JSON mode that a model's server takes."""
        ...
