"""The interface of a wire format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from blocks.gateway.model import Question
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.wire_reply import WireReply


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP POST that asks a question. `body` is JSON. The key is in `headers` and nowhere else."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Provider:
    """A wire format: rendering and reading, no I/O.

    `render` makes the request for a question, with the key and held to the reply schema in the given mode. `read` takes
    the parsed body of a reply with status 200, and raises a `CallFailed` where the body is an error. `endpoint` is the
    provider's own base address.
    `telemetry_name` and `telemetry_operation` are the names in OpenTelemetry's conventions for generative AI.
    """

    telemetry_name: str
    endpoint: str
    render: Callable[[RegisteredModel, Question, str | None, JsonMode], WireRequest]
    read: Callable[[RegisteredModel, object], WireReply]
    telemetry_operation: str = "chat"
