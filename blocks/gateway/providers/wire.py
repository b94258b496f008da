"""What a provider's wire format is made into and out of: the one place where providers meet the rest of the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from blocks.gateway.errors import CallFailed
from blocks.gateway.model import Question, Usage
from blocks.gateway.registry.registry import JsonMode, RegisteredModel


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    REFUSAL = "refusal"
    FILTERED = "filtered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP POST that asks a question. `body` is JSON; the key stands in `headers` and nowhere else."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WireReply:
    """What a provider answered, with nothing judged yet. `text` is meant to be JSON of the reply schema.

    `refusal` is what the provider's own refusal field says. `token_logprobs` are the reply's tokens in order with the
    natural logarithms of their probabilities, empty where the provider gives none. `served_by` is the model version
    that it reports.
    """

    text: str
    finish: Finish
    usage: Usage
    served_by: str = ""
    refusal: str = ""
    token_logprobs: tuple[tuple[str, float], ...] = field(default=())


class Provider(Protocol):
    """A wire format: rendering and reading, no I/O."""

    @property
    def default_endpoint(self) -> str:
        """The provider's own base address."""
        ...

    @property
    def default_key(self) -> str:
        """Where its key is by default, such as ``env:OPENAI_API_KEY``."""
        ...

    @property
    def telemetry_operation(self) -> str:
        """What OpenTelemetry's conventions for generative AI call its operation, such as ``chat``."""
        ...

    def telemetry_name(self, endpoint: str) -> str:
        """What these conventions call who serves the endpoint, the provider's own where it is empty."""
        ...

    def render(self, model: RegisteredModel, question: Question, key: str | None, mode: JsonMode) -> WireRequest:
        """The question as the provider wants it, held to the reply schema in this mode."""
        ...

    def read(self, model: RegisteredModel, body: object) -> WireReply:
        """A reply with status 200, parsed from JSON. Raises a `CallFailed` where the body is none (an error object)."""
        ...

    def failure(self, model: RegisteredModel, status: int, headers: Mapping[str, str], body: bytes) -> CallFailed:
        """What a reply with another status means; `retry_after_s` is set from headers or body where it says so."""
        ...
