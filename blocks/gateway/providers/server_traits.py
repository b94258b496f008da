"""Parameters and JSON modes that a model's server refuses, learnt from its refusals.

They are kept for the life of the process, by provider, upstream, endpoint and extra fields. A refusal costs one
request. So the first call to an unknown server goes ahead, and the others wait for it, for half a second at most.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from blocks.gateway.providers.failures import read_error
from blocks.gateway.registry.registry import JsonMode

MODES = (JsonMode.SCHEMA, JsonMode.OBJECT, JsonMode.PROMPT)
"""From the strictest. After a refusal the next mode is tried."""

WAIT_FOR_FIRST_S = 0.5
"""A server refuses a parameter before it starts to write, usually in less than this."""

_OPTIONAL = {
    "temperature": r"temperature",
    "seed": r"seed",
    "logprobs": r"logprobs",
    "include": r"include|logprobs",
    "responseLogprobs": r"responselogprobs|response_logprobs|logprobs",
    "candidateCount": r"candidatecount|candidate_count",
    "store": r"store",
}
"""Optional parameters, by their key in a body, with the words by which servers name them."""

_SETTINGS = "generationConfig"
"""The object of a body in which Gemini has its parameters."""

_BOUNDS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the bound on a reply. It is always sent under one of them, as it bounds the cost of a call."""

_REFUSING = re.compile(
    r"unsupported|not support|not_support|unrecognized|unknown|deprecated|not permitted|not allowed|not enabled"
    r"|unexpected|extra inputs|extra_forbidden|cannot find field|only the default|invalid parameter|unavailable"
)
_BEYOND_RANGE = re.compile(
    r"may only be|can only|(?:must|should) be (?:set to |exactly )?(?:1\b|greater|larger|positive|strictly|> ?0)"
    r"|only .{1,20} (?:is|are) (?:allowed|supported)|cannot (?:both )?be|requires|incompatible|not compatible"
    r"|strictly positive|out of range|invalid (?:value|temperature|seed)"
)
_VALUES = {name: _OPTIONAL[name] for name in ("temperature", "seed")}
"""Parameters whose value may be refused where the parameter is not: 0 beside thinking, a seed that is too large."""
_FORMAT = re.compile(
    r"response_format|json_schema|json_object|response_?json_?schema|response_?schema|response_?mime_?type"
    r"|text\.format|structured[ _-]outputs?|output_config|tool_choice|tools? (?:use )?(?:is|are) not supported"
    r"|not support (?:tools?|function)|grammar|json mode is not"
)
_PASSING = re.compile(r"temporar|overload|later|try again|at the moment|right now|(?<!not )currently|maintenance")
"""A passing state of the server: nothing is learnt from it, since what is learnt stays."""
_THIS_SCHEMA = re.compile(
    r"invalid[ _](?:json[ _])?schema|schema .{0,60}(?:too (?:large|complex|many|deep)|exceed)|too many states"
    r"|too much branching|schema is too complex|compiled grammar is too large|too many (?:optional )?parameters"
    r"|format\.schema"
)
_PERHAPS_THIS_SCHEMA = re.compile(r"request contains an invalid argument")
"""All that Google says of some requests. Mostly the schema is too complex; it may be any other part."""


@dataclass(slots=True)
class ServerTraits:
    """What is known of a model's server. Used on the event loop only.

    `refused_schemas` holds schemas that it refuses although it takes others: too large, or with unsupported parts.
    `known_mode` is a mode that it took, `reported_mode` the mode that a judged reply confirmed and the registry stores.
    """

    dropped: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    refused_modes: set[JsonMode] = field(default_factory=set)
    refused_schemas: set[str] = field(default_factory=set)
    known_mode: JsonMode | None = None
    reported_mode: JsonMode | None = None
    _first: asyncio.Event | None = None

    def mode(self, registered: JsonMode, schema_key: str) -> JsonMode:
        """The mode of the next request: the strictest from `registered` on that was not refused."""
        start = self.known_mode or JsonMode.SCHEMA if registered is JsonMode.UNKNOWN else registered
        refused = self.refused_modes | ({JsonMode.SCHEMA} if schema_key in self.refused_schemas else set())
        return next((mode for mode in MODES[MODES.index(start) :] if mode not in refused), JsonMode.PROMPT)

    def forget_modes(self) -> None:
        """Forget the modes: a person has set another one."""
        self.refused_modes.clear()
        self.refused_schemas.clear()
        self.known_mode = self.reported_mode = None

    def fitted(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """A body without what the server refuses."""
        if not self.dropped and not self.renamed:
            return body
        return {
            self.renamed.get(name, name): self.fitted(value) if isinstance(value, dict) and name == _SETTINGS else value
            for name, value in body.items()
            if name not in self.dropped
        }

    def learn(self, body: Mapping[str, object], mode: JsonMode, schema_key: str, status: int, reply: bytes) -> bool:
        """Learn from a refusal. Returns whether the same question now makes a different request."""
        if status not in (400, 422, 501):
            return False
        words = read_error(reply).words
        if _PASSING.search(words):
            return False
        says_nothing = bool(_PERHAPS_THIS_SCHEMA.search(words))
        if mode is JsonMode.SCHEMA and (says_nothing or _THIS_SCHEMA.search(words)):
            self.refused_schemas.add(schema_key)
            return True
        if says_nothing:  # without a schema too, so the schema was not the reason
            self.refused_schemas.discard(schema_key)
            return False
        if mode is not JsonMode.PROMPT and _FORMAT.search(words):
            self.refused_modes.add(mode)
            return True
        return self._learn_parameters(_names(body), words)

    def _learn_parameters(self, sent: set[str], words: str) -> bool:
        is_refusing = bool(_REFUSING.search(words))
        optional = _OPTIONAL if is_refusing else _VALUES if _BEYOND_RANGE.search(words) else {}
        named = {name for name, pattern in optional.items() if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", words)}
        if found := (named & sent) - self.dropped:
            self.dropped |= found
            return True
        bound = next((name for name in _BOUNDS if name in sent and re.search(rf"(?<!\w){name}(?!\w)", words)), None)
        if not is_refusing or bound is None or bound in self.renamed.values():
            return False
        self.renamed[bound] = _BOUNDS[bound]
        return True

    def is_known(self, registered: JsonMode) -> bool:
        """Whether the mode is known, from the registry or from a call."""
        return registered is not JsonMode.UNKNOWN or self.known_mode is not None

    @asynccontextmanager
    async def first_alone(self) -> AsyncIterator[None]:
        """Let the first caller of an unknown server go ahead; the others follow when it is done, or after
        `WAIT_FOR_FIRST_S`."""
        if self._first is not None:
            try:
                async with asyncio.timeout(WAIT_FOR_FIRST_S):
                    await self._first.wait()
            except TimeoutError:
                pass  # the first call is being answered: the server took its request
            except asyncio.CancelledError as error:
                error.was_sent = False  # type: ignore[attr-defined]  # as in `Transport.post`
                raise
            yield
            return
        first = self._first = asyncio.Event()
        try:
            yield
        finally:
            first.set()
            self._first = None


def _names(body: Mapping[str, object]) -> set[str]:
    settings = body.get(_SETTINGS)
    return set(body) | (set(settings) if isinstance(settings, dict) else set())


_known: dict[str, ServerTraits] = {}


def traits_of(version: str, extra_body: Mapping[str, object]) -> ServerTraits:
    """What this process knows of how the server behind a model's `version` takes requests with these extra fields."""
    return _known.setdefault(f"{version} {json.dumps(extra_body, sort_keys=True)}", ServerTraits())
