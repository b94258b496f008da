"""Finds secrets in the values of a model that are shown, logged and stored in its row; quotes values safely.

A key is recognised by its provider's prefix, or as a long run of upper and lower case letters with digits. No name of a
model, of a variable or of a block looks like that.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

_LONG = r"(?:(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{8}|[A-Za-z0-9]{16})"
_LONG_WITH_DASHES = r"(?:(?=[\w-]*[0-9])[\w-]{8}|[\w-]{20})"
_MIXED = r"(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{32}"
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    rf"sk[-_](?:(?:proj|ant|svcacct|admin|or)-|{_LONG_WITH_DASHES})"  # OpenAI, Anthropic, OpenRouter, DeepSeek
    rf"|AIza{_LONG_WITH_DASHES}|AQ\.{_LONG_WITH_DASHES}|ya29\.{_LONG_WITH_DASHES}"  # Google
    rf"|(?:xai-|gsk_|hf_|r8_|pplx-|csk-|nvapi-|fw_|tgp_v1_|dapi){_LONG}"  # xAI, Groq, Hugging Face and others
    rf"|(?:gh[opsu]_|github_pat_|glpat-){_LONG_WITH_DASHES}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|eyJ[\w-]{8}"  # JSON Web Tokens
    rf"|{_MIXED})"
)
_MAY_BE_A_KEY = re.compile(r"(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{24}")
_MAX_CHARACTERS = 60

_SECRET_NAME = re.compile(
    r"(?<![A-Za-z])(?<!cache[-_])(?:x?api|access|account|auth|client|license|master|private|secret|shared|subscription)?_?key(?![a-z])"
    r"|(?-i:(?<=[a-z])Key(?![a-z]))"
    r"|auth(?!or(?!iz))|token(?!s)|secret|passw|cookie|credential|signature$|(?:^|[-_])sig$",
    re.IGNORECASE,
)
"""Names of headers and parameters that have credentials. `key` counts as a word of its own, not as a part of another
one (X-Portkey-Provider), and a key of a cache is none."""
_SECRET_VALUE = re.compile(r"(?:bearer|basic)\s|sk-", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,2000}\Z")
_OWN_HEADERS = frozenset(("host", "content-type", "content-length", "transfer-encoding", "connection", "upgrade"))
"""Headers that each request sets from its address and its body."""

NAME_THE_KEY = "take it out, and name the place of the key instead (key_env=VARIABLE or key=secret:name)"


def looks_like_a_key(text: str) -> bool:
    """Whether something in the text looks like an API key or a token."""
    return bool(_KEY.search(text))


def may_be_a_key(text: str) -> bool:
    """Whether something in the text may be a key, if only because it is long and random."""
    return looks_like_a_key(text) or bool(_MAY_BE_A_KEY.search(text))


def quoted(text: str) -> str:
    """A text for a message: in quotes, cut where it is long, and left out where it may be a key."""
    if may_be_a_key(text):
        return "(not repeated: it looks like a key)"
    return repr(text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…")


def upstream_problem(upstream: str) -> str | None:
    """What is wrong with the provider's name of a model, with the remedy; None where nothing is."""
    if not upstream.strip():
        return "upstream is empty; give what the provider calls the model"
    if not upstream.isprintable():
        return "its upstream has a line break or another control character in it; write the name in one plain line"
    if looks_like_a_key(upstream):
        return f"its upstream looks like a key; give what the provider calls the model. For the key: {NAME_THE_KEY}"
    return None


def endpoint_problem(endpoint: str) -> str | None:
    """What is wrong with an address, with the remedy and without its secrets; None where nothing is."""
    if not endpoint:
        return None
    try:
        parts = urlsplit(endpoint)
        has_host = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host or not endpoint.isprintable() or " " in endpoint:
        return "its endpoint is no address; give one such as http://localhost:11434/v1"
    queried = parse_qsl(parts.query, keep_blank_values=True)
    holds_secret = any(_SECRET_NAME.search(name) or _SECRET_VALUE.match(value) for name, value in queried)
    if parts.username or parts.password or holds_secret or looks_like_a_key(unquote(endpoint)):
        return f"its endpoint holds a secret; {NAME_THE_KEY}"
    return None


def holds_secret(value: object, name: str = "") -> bool:
    """Whether a value of JSON has a secret anywhere, by the names in it or by its texts."""
    if isinstance(value, Mapping):
        return any(holds_secret(inner, str(key)) for key, inner in value.items())
    if isinstance(value, list):
        return any(holds_secret(inner, name) for inner in value)
    is_named_so = isinstance(value, str) and bool(_SECRET_NAME.search(name))
    return is_named_so or (isinstance(value, str) and (looks_like_a_key(value) or bool(_SECRET_VALUE.match(value))))


def headers_problem(headers: Mapping[str, str]) -> str | None:
    """What is wrong with extra headers, with the remedy and without their values; None where nothing is."""
    known: set[str] = set()
    for name, value in headers.items():
        if not _HEADER_NAME.match(name):
            return f"{quoted(name)} is no name of a header; letters, digits and - make one, such as X-Org"
        if name.lower() in known:
            return f"its header {name} stands twice, in other cases of letters; give it once"
        if name.lower() in _OWN_HEADERS:
            return f"its header {name} is set by each request itself; remove it"
        if _SECRET_NAME.search(name) or _SECRET_VALUE.match(value.strip()) or looks_like_a_key(f"{name}: {value}"):
            shown = "" if looks_like_a_key(name) else f" {name}"
            return f"its header{shown} holds a secret, or may; {NAME_THE_KEY}"
        if not _HEADER_VALUE.match(value):
            return f"the value of its header {name} is empty, or no line of ASCII; correct it"
        known.add(name.lower())
    return None
