"""What the four wire formats have in common: a question as it arrived, an answer as it is sent, tokens and errors."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

Json = dict[str, Any]


class ErrorKind(StrEnum):
    """Errors that every provider words in its own way."""

    BAD_KEY = "bad_key"
    BAD_REQUEST = "bad_request"
    CONTEXT_TOO_LONG = "context_too_long"
    FILTERED = "filtered"
    NO_MODEL = "no_model"
    OUT_OF_CREDIT = "out_of_credit"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNSUPPORTED_FORMAT = "unsupported_format"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Usage: `input` with cached ones and cache writes, `output` with reasoning."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a model sees it. `text` is what users said, `system` the instructions, `mode` how the reply is held
    to `schema`: json_schema, tool, json_object or prompt."""

    model: str
    text: str
    system: str = ""
    schema: Json | None = None
    mode: str = "prompt"
    tool: str | None = None
    wants_logprobs: bool = False
    images: int = 0
    max_output_tokens: int | None = None
    turns: int = 1

    @property
    def document(self) -> str:
        """The part of the text between the two last occurrences of a random fence, or all of it without one."""
        for token in dict.fromkeys(re.findall(r"[0-9a-f]{16,64}", self.text)):
            parts = self.text.split(token)
            if len(parts) > 2:
                return "\n".join(parts[-2].split("\n")[1:-1])  # what else stands on the fences' lines is theirs
        return self.text


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says. `finish`: stop, length, refusal, filtered or empty. No `usage`: none is sent.

    `usage_wire` replaces the usage in the body as it is, for usages that no provider should send.
    """

    text: str
    finish: str = "stop"
    usage: Tokens | None = Tokens()
    usage_wire: Any = None
    logprob: float = -0.01
    served_by: str | None = None


class Format(Protocol):
    """One provider's wire format."""

    name: str

    def asked(self, path: str, body: Json) -> Asked:
        """The question in a request. Raises KeyError, TypeError or ValueError where it is none."""
        ...

    def refused(self, headers: Mapping[str, str], body: Json, refused_parameters: Collection[str]) -> Json | None:
        """The body of the 400 for a request with parameters that it may not have."""
        ...

    def reply(self, asked: Asked, answer: Answer, number: int) -> Json:
        """The body of a reply with status 200."""
        ...

    def error(self, kind: ErrorKind, asked: Asked | None, message: str) -> tuple[int, Json, Mapping[str, str]]:
        """Status, body and headers of an error."""
        ...

    def limit_headers(self, limit: int, left: int, tokens: int, tokens_left: int, reset_s: float) -> dict[str, str]:
        """The rate limits' state as headers, where the provider sends them."""
        ...


@dataclass(slots=True)
class Spoken:
    """Collects the texts and images of a conversation; what the model itself has said in it is left out."""

    system: list[str] = field(default_factory=list)
    user: list[str] = field(default_factory=list)
    images: int = 0
    turns: int = 0

    def say(self, role: str, text: str) -> None:
        """Add a text that somebody says."""
        if role in {"system", "developer"}:
            self.system.append(text)
        elif role == "user":
            self.user.append(text)


def count_tokens(text: str) -> int:
    """Tokens of a text, near enough: one for four characters."""
    return -(-len(text) // 4)


IMAGE_TOKENS = 258


def counted(asked: Asked, answer: Answer) -> Answer:
    """The answer with the usage that goes with it."""
    given = count_tokens(asked.system) + count_tokens(asked.text) + IMAGE_TOKENS * asked.images
    if asked.schema is not None:
        given += 50
    return replace(answer, usage=Tokens(input=given, output=max(1, count_tokens(answer.text))))


def token_pieces(text: str) -> list[str]:
    """The text cut into tokens: words with the blanks before them, digits in threes, signs."""
    return re.findall(r"\s*[^\W\d_]+|\s*\d{1,3}|\s*[\W_]|\s+", text)


def fingerprint(secret: str) -> str:
    """A short digest of a key: enough to tell keys apart, useless for anything else."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12] if secret else ""


def as_object(text: str) -> Any:
    """The text as JSON for wire formats that carry arguments as objects; the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
