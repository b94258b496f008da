"""What the double is told to do: how it answers, what it costs, and how it misbehaves at which request."""

import random
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation

from tests.doubles.model_provider.wire import Asked, ErrorKind

Verbatim = Annotated[str, SkipValidation]
"""A text that may be no Unicode, such as a lone surrogate."""


class Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class When(Told):
    """Which requests a rule is for; everything that is given must hold, and nothing given means all.

    `numbers` count the requests of the script from 1; `until` and `after` bound them. `share` of the requests, drawn
    with the script's seed: one draw decides over all rules with shares, so each gets its share exactly. `containing`:
    a text in the request. `turns`: how many turns of a user it has (a correction is the second).
    """

    numbers: tuple[int, ...] = ()
    every: int | None = None
    until: int | None = None
    after: int | None = None
    share: float | None = Field(None, ge=0, le=1)
    containing: str | None = None
    model: str | None = None
    path: str | None = None
    mode: str | None = None
    turns: int | None = None


class Do(Told):
    """What happens instead of the plain answer.

    `error` words an error as the provider does; `status`, `headers` and `body` set those of any reply. `text` is what
    the model says; of it `keep_text` is the share that is kept. `usage` sets single counts of the usage, or with
    "none" leaves it out; `usage_wire` is sent in its place as it is. `delay_s` comes before the first byte, in place of
    the script's latency. After the share `drip_from` of the body, `drip_bytes` of it are sent every `drip_every_s`.
    The reply is cut after the share `cut_at` of its body: by a reset, by closing, or by a stall; a `cut_at` under 0
    cuts before the first byte. `raw` is put on the connection in place of a reply, byte for byte (Latin-1), and the
    connection closed.
    """

    error: ErrorKind | None = None
    message: str = ""
    status: int | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    body: Verbatim | None = None
    text: Verbatim | None = None
    keep_text: float | None = None
    finish: Literal["stop", "length", "refusal", "filtered", "empty"] | None = None
    usage: dict[str, int] | Literal["none"] | None = None
    usage_wire: Any = None
    logprob: float | None = None
    served_by: str | None = None
    delay_s: float | None = None
    drip_bytes: int | None = None
    drip_every_s: float = 1.0
    drip_from: float = 0.0
    cut: Literal["reset", "close", "stall"] | None = None
    cut_at: float = 0.5
    framing: Literal["length", "chunked", "close"] = "length"
    compress: Literal["gzip", "deflate"] | None = None
    pad_bytes: int = 0
    raw: str | None = None

    @property
    def is_by_hand(self) -> bool:
        """Whether the bytes on the connection have to be written by hand."""
        return bool(self.cut or self.drip_bytes or self.raw is not None or self.framing != "length")


class Rule(Told):
    """`do` it `when`, at most so many `times`."""

    name: str = ""
    when: When = When()
    do: Do = Do()
    times: int | None = None


class Price(Told):
    """USD per million tokens. Cached ones and cache writes cost as much as others where nothing else is said."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cached: Decimal | None = None
    cache_write: Decimal | None = None


class Limits(Told):
    """Rate limits that the double keeps: per fixed window of `window_s`, refused with the provider's own 429."""

    requests: int
    tokens: int = 10_000_000
    window_s: float = 60.0


class Script(Told):
    """Everything that the double is told.

    `answers`: what to say where the request contains the key, or where the SHA-256 of its document is the key. `hook`:
    ``module:function``, called with what was asked; a None of it leaves the answer to `answers`, and what those do not
    know is made up to fit the schema. `prices` by model; `*` is for all others. `refused_parameters`: a request that
    has one is refused as such. `keys`: the only ones taken, all where none is named.
    """

    answers: dict[str, Any] = Field(default_factory=dict)
    hook: str | None = None
    rules: tuple[Rule, ...] = ()
    prices: dict[str, Price] = Field(default_factory=dict)
    latency_s: float = 0.0
    seed: int = 0
    refused_parameters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    limits: Limits | None = None
    keep_bodies: bool = False


class Rules:
    """A script's rules at work: counts what was asked and how often each rule was used."""

    def __init__(self, script: Script) -> None:
        self._rules = script.rules
        self._random = random.Random(script.seed)
        self._used = [0] * len(script.rules)
        self._has_shares = any(rule.when.share is not None for rule in script.rules)

    def pick(self, number: int, asked: Asked | None, path: str, body: str) -> Rule | None:
        """The first rule that is for this request."""
        if not self._rules:
            return None
        draw, passed = self._random.random() if self._has_shares else 1.0, 0.0
        for index, rule in enumerate(self._rules):
            when = rule.when
            if when.share is not None:
                is_drawn = passed <= draw < passed + when.share
                passed += when.share
                if not is_drawn:
                    continue
            if rule.times is not None and self._used[index] >= rule.times:
                continue
            if _holds(when, number, asked, path, body):
                self._used[index] += 1
                return rule
        return None


def _holds(when: When, number: int, asked: Asked | None, path: str, body: str) -> bool:
    return (
        (not when.numbers or number in when.numbers)
        and (when.every is None or number % when.every == 0)
        and (when.until is None or number <= when.until)
        and (when.after is None or number > when.after)
        and (when.path is None or when.path in path)
        and (when.containing is None or when.containing in (f"{asked.system}\n{asked.text}" if asked else body))
        and (when.model is None or (asked is not None and asked.model == when.model))
        and (when.mode is None or (asked is not None and asked.mode == when.mode))
        and (when.turns is None or (asked is not None and asked.turns == when.turns))
    )
