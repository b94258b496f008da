"""The interface of a wire format, and the address and headers of its requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from blocks.gateway.model import Question
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.wire_reply import WireReply

AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP POST that asks a question. `body` is JSON. The key is in `headers` and nowhere else."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Provider:
    """A wire format: rendering and reading, no I/O.

    `render` makes the request for a question, with the key, held to the reply schema in the given mode. `read` takes
    the parsed body of a reply with status 200; it raises a `CallFailed` where the body is an error. `endpoint` is the
    provider's own base address. `telemetry_name` and `telemetry_operation` are the names in OpenTelemetry's conventions
    for generative AI.
    """

    telemetry_name: str
    endpoint: str
    render: Callable[[RegisteredModel, Question, str | None, JsonMode], WireRequest]
    read: Callable[[RegisteredModel, object], WireReply]
    telemetry_operation: str = "chat"


def with_extra(body: Mapping[str, object], extra: Mapping[str, object]) -> Mapping[str, object]:
    """A body with the extra fields of a model's row. Where both have a field, the body's stands."""
    if not extra:
        return body
    merged = dict(body)
    for name, value in extra.items():
        own = body.get(name)
        if isinstance(own, Mapping) and isinstance(value, Mapping):
            merged[name] = with_extra(own, value)
        else:
            merged.setdefault(name, value)
    return merged


@lru_cache(maxsize=256)
def address(endpoint: str, version: str, operation: str) -> str:
    """The URL of an operation: `endpoint` with its path and query kept.

    `version` (such as ``/v1``) stands in for a missing path; `operation` (such as ``/chat/completions``) is put at the
    end unless it is there already.
    """
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/") or version
    path = path if path.endswith(operation) else path + operation
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


@lru_cache(maxsize=256)
def is_azure(endpoint: str) -> bool:
    """Whether Azure serves it, which takes its key in a header of its own."""
    return (urlsplit(endpoint).hostname or "").endswith(AZURE_HOSTS)


def headers_of(model: RegisteredModel, key: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers of a request for JSON. The row's own come before the key's: none of them can take its place."""
    own = {name.lower(): value for name, value in model.headers.items()}
    return {"content-type": "application/json", **own, **(key or {})}
