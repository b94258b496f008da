"""What of a model is shown, logged and kept in its row, and so must hold no secret: its endpoint and its headers."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

_SECRET_NAME = re.compile(r"auth(?!or)|key|token|secret|passw|cookie|credential|sig(?:nature)?$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(?:bearer|basic)\s|sk-", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,2000}\Z")

NAME_THE_KEY = "take it out, and name the place of the key in its stead (key_env=VARIABLE or key=secret:name)"


def endpoint_problem(endpoint: str) -> str | None:
    """What is wrong with an address, with the remedy; None where nothing is. Repeats no secret."""
    if not endpoint:
        return None
    try:
        parts = urlsplit(endpoint)
        has_host = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host:
        return "its endpoint is no address; give one such as http://localhost:11434/v1"
    queried = parse_qsl(parts.query, keep_blank_values=True)
    holds_secret = any(_SECRET_NAME.search(name) or _SECRET_VALUE.match(value) for name, value in queried)
    if parts.username or parts.password or holds_secret:
        return f"its endpoint holds a secret; {NAME_THE_KEY}"
    return None


def headers_problem(headers: Mapping[str, str]) -> str | None:
    """What is wrong with extra headers, with the remedy; None where nothing is. Repeats no value."""
    for name, value in headers.items():
        if not _HEADER_NAME.match(name):
            return f"{name[:40]!r} is no name of a header; letters, digits and - make one, such as X-Org"
        if _SECRET_NAME.search(name) or _SECRET_VALUE.match(value.strip()):
            return f"its header {name} holds a secret, or may; {NAME_THE_KEY}"
        if not _HEADER_VALUE.match(value):
            return f"the value of its header {name} is empty, or no line of ASCII; correct it"
    return None
