"""The names of OpenTelemetry's conventions for generative AI, old and new side by side.

The conventions change: up to 1.36 a provider was `gen_ai.system`; from 1.37 to 1.44 it is `gen_ai.provider.name`; since
then they have a repository of their own, whose release 0.1 renames metrics. A row here has a name in each of the three,
and nothing else in Winnow spells one out. Which are sent says `OTEL_SEMCONV_STABILITY_OPT_IN`, the conventions' own
switch.

Sources: https://github.com/open-telemetry/semantic-conventions/tree/v1.36.0/docs/gen-ai, the same of v1.37.0, and
https://github.com/open-telemetry/semantic-conventions-genai/tree/v0.1.0/docs/gen-ai.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

OPT_IN = "gen_ai_latest_experimental"
"""In the switch's list: the latest names only. With `/dup` at its end: the latest beside the older ones."""

Value = str | bool | int | float | Sequence[str]


class Name(NamedTuple):
    """A name up to 1.36, from 1.37 to 1.44, and in 0.1 of the conventions' own repository; None: there was none."""

    until_1_36: str | None
    until_1_44: str | None
    latest: str | None


def _unchanged(name: str) -> Name:
    return Name(name, name, name)


OPERATION = _unchanged("gen_ai.operation.name")
PROVIDER = Name("gen_ai.system", "gen_ai.provider.name", "gen_ai.provider.name")
REQUEST_MODEL = _unchanged("gen_ai.request.model")
MAX_TOKENS = _unchanged("gen_ai.request.max_tokens")
OUTPUT_TYPE = _unchanged("gen_ai.output.type")
RESPONSE_MODEL = _unchanged("gen_ai.response.model")
FINISH_REASONS = _unchanged("gen_ai.response.finish_reasons")
INPUT_TOKENS = _unchanged("gen_ai.usage.input_tokens")
OUTPUT_TOKENS = _unchanged("gen_ai.usage.output_tokens")
CACHE_READ_TOKENS = Name(None, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read.input_tokens")
CACHE_WRITE_TOKENS = Name(None, "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens")
REASONING_TOKENS = Name(None, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning.output_tokens")
INPUT_MESSAGES = Name(None, "gen_ai.input.messages", "gen_ai.input.messages")
OUTPUT_MESSAGES = Name(None, "gen_ai.output.messages", "gen_ai.output.messages")
TOKEN_TYPE = Name("gen_ai.token.type", "gen_ai.token.type", None)
TOKEN_MODALITY = Name(None, None, "gen_ai.token.modality")
ERROR_TYPE = _unchanged("error.type")
SERVER_ADDRESS = _unchanged("server.address")
SERVER_PORT = _unchanged("server.port")

DURATION = Name(
    "gen_ai.client.operation.duration", "gen_ai.client.operation.duration", "gen_ai.client.inference.duration"
)
TOKEN_USAGE = Name("gen_ai.client.token.usage", "gen_ai.client.token.usage", None)
"""Tokens of both kinds; `TOKEN_TYPE` says which. The latest conventions have an instrument per kind."""
INPUT_TOKENS_PER_CALL = Name(None, None, "gen_ai.client.inference.operation.input_tokens")
OUTPUT_TOKENS_PER_CALL = Name(None, None, "gen_ai.client.inference.operation.output_tokens")
INPUT_TOKENS_SUM = Name(None, None, "gen_ai.client.inference.usage.input_tokens")
OUTPUT_TOKENS_SUM = Name(None, None, "gen_ai.client.inference.usage.output_tokens")
CACHE_READ_TOKENS_SUM = Name(None, None, "gen_ai.client.inference.usage.cache_read.input_tokens")
CACHE_WRITE_TOKENS_SUM = Name(None, None, "gen_ai.client.inference.usage.cache_write.input_tokens")
REASONING_TOKENS_SUM = Name(None, None, "gen_ai.client.inference.usage.reasoning.output_tokens")

DURATION_BUCKETS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = tuple(4.0**power for power in range(14))
"""1, 4, 16, … 67108864."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """Which names are sent: the older ones, the latest, or both."""

    sends_older: bool = True
    sends_latest: bool = False

    @classmethod
    def chosen_by(cls, opt_in: str) -> "Conventions":
        """Those of a value of `OTEL_SEMCONV_STABILITY_OPT_IN`, a list that other programs read too."""
        words = {word.strip().lower() for word in opt_in.split(",")}
        if f"{OPT_IN}/dup" in words:
            return cls(sends_older=True, sends_latest=True)
        return cls(sends_older=False, sends_latest=True) if OPT_IN in words else cls()

    def names(self, name: Name) -> tuple[str, ...]:
        """What something is called, each name once."""
        older = (name.until_1_36, name.until_1_44) if self.sends_older else ()
        latest = (name.latest,) if self.sends_latest else ()
        return tuple(dict.fromkeys(known for known in (*older, *latest) if known))

    def attributes(self, values: Mapping[Name, Value]) -> dict[str, Value]:
        """The values under all their names."""
        return {called: value for name, value in values.items() for called in self.names(name)}


OLDER = Conventions()
"""What is sent unless the switch says otherwise."""
