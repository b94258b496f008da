"""Metrics of model calls by OpenTelemetry's conventions for generative AI: how long calls take, and their tokens.

Each attempt at a model counts, so that retries are seen. What a process records, it sends every minute, and when it
ends; a backend adds up what processes send.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from blocks.ledger import Consumption
from blocks.telemetry import conventions as names
from blocks.telemetry.conventions import Conventions, Name, Value

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter

UNKNOWN_MODALITY = "unknown"
"""Providers do not tell tokens of text from those of images."""


class Metrics:
    """The instruments of a meter. Thread-safe."""

    def __init__(self, meter: "Meter", conventions: Conventions) -> None:
        self._conventions = conventions
        duration = "Duration of a call of a model."
        self._durations = [
            meter.create_histogram(name, "s", duration, explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS_S)
            for name in conventions.names(names.DURATION)
        ]

        def tokens(name: Name, described: str) -> "list[Histogram]":
            return [
                meter.create_histogram(
                    one, "{token}", described, explicit_bucket_boundaries_advisory=names.TOKEN_BUCKETS
                )
                for one in conventions.names(name)
            ]

        self._tokens = tokens(names.TOKEN_USAGE, "Input and output tokens of a call.")
        self._input_tokens = tokens(names.INPUT_TOKENS_PER_CALL, "Input tokens of a call.")
        self._output_tokens = tokens(names.OUTPUT_TOKENS_PER_CALL, "Output tokens of a call.")
        self._sums = [
            (meter.create_counter(one, "{token}", described), counted)
            for name, counted, described in _SUMS
            for one in conventions.names(name)
        ]

    def record(
        self, call: Mapping[Name, Value], duration_s: float, usage: Consumption | None, error_type: str = ""
    ) -> None:
        """Record a call, with the attributes of its model; `usage` None: the provider stated none."""
        failed = {names.ERROR_TYPE: error_type} if error_type else {}
        of_call = self._conventions.attributes({**call, **failed})
        for histogram in self._durations:
            histogram.record(duration_s, of_call)
        # By the latest conventions a call without usage counts as one of no tokens.
        for histogram in self._input_tokens:
            histogram.record(0 if usage is None else usage.input_tokens, of_call)
        for histogram in self._output_tokens:
            histogram.record(0 if usage is None else usage.output_tokens, of_call)
        if usage is None:
            return
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            of_kind = self._conventions.attributes({**call, names.TOKEN_TYPE: kind})
            for histogram in self._tokens:
                histogram.record(count, of_kind)
        of_sums = self._conventions.attributes({**call, names.TOKEN_MODALITY: UNKNOWN_MODALITY})
        for counter, counted in self._sums:
            if count := getattr(usage, counted):
                counter.add(count, of_sums)


_SUMS = (
    (names.INPUT_TOKENS_SUM, "input_tokens", "Input tokens, cached ones included."),
    (names.OUTPUT_TOKENS_SUM, "output_tokens", "Output tokens, reasoning included."),
    (names.CACHE_READ_TOKENS_SUM, "cached_tokens", "Input tokens that came from the provider's cache."),
    (names.CACHE_WRITE_TOKENS_SUM, "cache_write_tokens", "Input tokens that were written to the provider's cache."),
    (names.REASONING_TOKENS_SUM, "reasoning_tokens", "Output tokens of reasoning."),
)
