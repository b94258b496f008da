"""The URL of a request, from the endpoint in the registry."""

from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


@lru_cache(maxsize=256)
def address(endpoint: str, version: str, operation: str) -> str:
    """The URL of an operation: `endpoint` with its path and query kept.

    `version` (such as ``/v1``) is put in where the endpoint has no path, `operation` (such as ``/chat/completions``)
    at its end unless it is there already.
    """
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/") or version
    path = path if path.endswith(operation) else path + operation
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


@lru_cache(maxsize=256)
def is_azure(endpoint: str) -> bool:
    """Whether Azure serves it, which takes its key in a header of its own."""
    return (urlsplit(endpoint).hostname or "").endswith(AZURE_HOSTS)
