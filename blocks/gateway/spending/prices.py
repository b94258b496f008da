"""What a call costs, exactly, and at most.

The price list is that of genai-prices as it is installed: it is never fetched. Prices that the registry's row states
go before it. Where neither knows a price there is none, and a model without a price is not asked: no budget could
bound it.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from blocks.gateway.model import Usage
from blocks.gateway.registry.registry import ProviderName, RegisteredModel

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

PRICE_LISTS: dict[ProviderName, str] = {
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
}
"""What the price list calls a provider; for another endpoint than the provider's own, the address decides."""

COUNTED = frozenset(
    {
        "input_mtok",
        "output_mtok",
        "cache_read_mtok",
        "cache_write_mtok",
        "cache_write_1h_mtok",
        "output_reasoning_mtok",
        "requests_kcount",
    }
)
"""The units of the price list that a usage tells apart."""

NEVER_USED = frozenset(
    {
        "web_searches_kcount",
        "storage_searches_kcount",
        "social_searches_kcount",
        "code_executions_kcount",
        "input_audio_mtok",
        "output_audio_mtok",
        "cache_audio_read_mtok",
        "input_video_mtok",
        "output_video_mtok",
    }
)
"""Units that no request of ours consumes: there are no tools, no sound and no film in it. A model that is priced by any
further unit (images apart from text, seconds, characters, pages) has no known price."""

FRAME_TOKENS = 1_000
"""What a provider may add to a request: marks between turns, and up to 530 tokens where a tool is offered, says
Anthropic's page on tool use."""

IMAGE_TOKENS = 6_000
"""The most tokens that an image of at most 1,500 pixels a side is counted as: 2,209 of OpenAI's patches of 32 pixels,
at most 2.46 tokens each (gpt-4.1-nano), says its page on vision; Anthropic (width times height by 750) counts fewer."""

IMAGE_TOKENS_OF = {"gpt-4o-mini": 48_169}
"""Models that count more: a base of 2,833 and 5,667 for each of at most 8 tiles, says OpenAI's page on vision."""


class Constraint(Protocol):
    """When a price of the price list holds."""

    def active(self, request_timestamp: datetime) -> bool:
        """Whether it holds at that time."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens. A request of more input tokens than a tier's start pays that tier's rate for all."""

    usd: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """The rate for a request of so many input tokens."""
        reached = [usd for start, usd in self.tiers if input_tokens > start]
        return reached[-1] if reached else self.usd

    def most(self, input_tokens: int) -> Decimal:
        """The highest rate for any request of at most so many input tokens."""
        return max(self.usd, *(usd for start, usd in self.tiers if input_tokens > start), Decimal(0))


@dataclass(frozen=True, slots=True)
class Rates:
    """What each kind of token costs. None: as the input, or as the output where it is `reasoning`."""

    input: Rate
    output: Rate
    cached: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    reasoning: Rate | None = None
    request_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Price:
    """A model's rates, each with the time in which they hold; the last that holds counts, and else the first.

    `image_tokens` bounds what one page image counts.
    """

    periods: tuple[tuple[Constraint | None, Rates], ...]
    image_tokens: int = IMAGE_TOKENS

    def rates(self, at: datetime | None = None) -> Rates:
        """The rates that hold at a time, now where none is given."""
        if len(self.periods) == 1:
            return self.periods[0][1]
        moment = at or datetime.now(UTC)
        holding = (rates for when, rates in reversed(self.periods) if when is None or when.active(moment))
        return next(holding, self.periods[0][1])

    @property
    def is_free(self) -> bool:
        """Whether no call can cost anything."""
        return all(
            not rates.request_usd and not any(rate.usd or rate.tiers for rate in _every(rates))
            for _, rates in self.periods
        )

    def cost(self, usage: Usage, at: datetime | None = None) -> Decimal:
        """What a usage costs in USD, exactly. Contradictory parts (more cached than sent) are paid each as stated."""
        rates, size = self.rates(at), usage.input_tokens
        hour = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
        written = usage.cache_write_tokens - hour
        plain = max(0, size - usage.cached_tokens - usage.cache_write_tokens)
        thought = min(usage.reasoning_tokens, usage.output_tokens) if rates.reasoning else 0
        parts = (
            (rates.input, plain),
            (rates.cached or rates.input, usage.cached_tokens),
            (rates.cache_write or rates.input, written),
            (rates.cache_write_1h or rates.cache_write or rates.input, hour),
            (rates.reasoning or rates.output, thought),
            (rates.output, usage.output_tokens - thought),
        )
        millionths = sum((rate.at(size) * tokens for rate, tokens in parts if tokens), Decimal(0))
        return millionths.scaleb(-6) + rates.request_usd

    def max_cost(self, input_bytes: int, images: int, max_output_tokens: int) -> Decimal:
        """An upper bound in USD of one attempt, whatever is cached, at any time of the price list's periods.

        `input_bytes` is the UTF-8 length of the request's text, its images left out: a token of byte-level BPE stands
        for a byte at least (Sennrich et al. 2016; Radford et al. 2019).
        """
        tokens = input_bytes + images * self.image_tokens + FRAME_TOKENS
        return max(_most(rates, tokens, max_output_tokens) for _, rates in self.periods)


def price_of(model: RegisteredModel) -> Price | None:
    """The price of a model, or None where it is not known. The first call takes a second: the price list is large.

    A price in the row goes before the list's, each for itself; where the list knows nothing, the row needs both an
    input and an output price, and cached tokens are paid as input unless it says otherwise.
    """
    own_input, own_output = model.input_price, model.output_price
    is_all_stated = None not in (own_input, own_output, model.cached_price, model.cache_write_price)
    listed = None if is_all_stated else listed_price(model.provider, model.upstream, model.endpoint)
    if listed is None:
        if own_input is None or own_output is None:
            return None
        listed = Price(((None, Rates(Rate(own_input), Rate(own_output))),))
    return replace(listed, periods=tuple((when, _overridden(rates, model)) for when, rates in listed.periods))


@cache
def listed_price(provider: ProviderName, upstream: str, endpoint: str) -> Price | None:
    """What the price list says of a model at an endpoint, the provider's own where it is empty."""
    info = _listed(provider, upstream, endpoint)
    if info is None:
        return None
    periods = info.prices if isinstance(info.prices, list) else None
    priced = [(one.constraint, one.prices) for one in periods] if periods is not None else [(None, info.prices)]
    known = [(when, _rates(prices)) for when, prices in priced]  # type: ignore[arg-type]  # narrowed by `periods`
    complete = tuple((when, rates) for when, rates in known if rates is not None)
    if not complete or len(complete) < len(known):
        return None
    return Price(complete, IMAGE_TOKENS_OF.get(info.id, IMAGE_TOKENS))


def listed_context_window(provider: ProviderName, upstream: str, endpoint: str) -> int | None:
    """The context window in tokens that the price list states for a model."""
    info = _listed(provider, upstream, endpoint)
    return info.context_window if info else None


@cache
def _listed(provider: ProviderName, upstream: str, endpoint: str) -> "ModelInfo | None":
    from genai_prices.data_snapshot import get_snapshot

    address = {"provider_id": None, "provider_api_url": endpoint}
    own = {"provider_id": PRICE_LISTS[provider], "provider_api_url": None}
    try:
        return get_snapshot().find_provider_model(
            upstream.removeprefix("models/"), None, **(address if endpoint else own)
        )[1]
    except LookupError:
        return None


def _rates(prices: "ModelPrice") -> Rates | None:
    """The rates of an entry of the price list; None where it counts in units that a usage does not tell."""
    stated = {name: price for name, price in vars(prices).items() if price is not None}
    if not {"input_mtok", "output_mtok"} <= stated.keys() or stated.keys() - COUNTED - NEVER_USED:
        return None
    rates = {name: _rate(price) for name, price in stated.items() if name in COUNTED}
    per_thousand = rates.get("requests_kcount", Rate(Decimal(0))).usd
    return Rates(
        input=rates["input_mtok"],
        output=rates["output_mtok"],
        cached=rates.get("cache_read_mtok"),
        cache_write=rates.get("cache_write_mtok"),
        cache_write_1h=rates.get("cache_write_1h_mtok"),
        reasoning=rates.get("output_reasoning_mtok"),
        request_usd=per_thousand.scaleb(-3),
    )


def _rate(price: object) -> Rate:
    from genai_prices.types import TieredPrices

    if isinstance(price, TieredPrices):
        return Rate(price.base, tuple((tier.start, tier.price) for tier in price.tiers))
    return Rate(Decimal(str(price)))


def _overridden(rates: Rates, model: RegisteredModel) -> Rates:
    """The rates with those that the row states in place of the list's."""
    own: dict[str, Decimal | None] = {
        "input": model.input_price,
        "output": model.output_price,
        "cached": model.cached_price,
        "cache_write": model.cache_write_price,
        "cache_write_1h": model.cache_write_price,
        "reasoning": model.output_price,
    }
    stated: dict[str, Any] = {name: Rate(usd) for name, usd in own.items() if usd is not None}
    return replace(rates, **stated)


def _every(rates: Rates) -> tuple[Rate, ...]:
    kinds = (rates.input, rates.output, rates.cached, rates.cache_write, rates.cache_write_1h, rates.reasoning)
    return tuple(rate for rate in kinds if rate is not None)


def _most(rates: Rates, input_tokens: int, output_tokens: int) -> Decimal:
    going_out = [rate for rate in (rates.output, rates.reasoning) if rate]
    coming_in = [rate for rate in (rates.input, rates.cached, rates.cache_write, rates.cache_write_1h) if rate]
    millionths = (
        max(rate.most(input_tokens) for rate in coming_in) * input_tokens
        + max(rate.most(input_tokens) for rate in going_out) * output_tokens
    )
    return millionths.scaleb(-6) + rates.request_usd
