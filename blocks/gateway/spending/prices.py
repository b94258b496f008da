"""What a call costs, exactly, and at most.

The price list is that of genai-prices as it is installed; it is never fetched. Prices in the registry's row replace
those of the list. A model without a known price is not asked: no budget could bound its cost.

docs/decisions/gateway-less-code.md says why the list's own `calc_price` is not used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeAlias

from blocks.gateway.model import Usage
from blocks.gateway.registry.entry_checks import priced_field
from blocks.gateway.registry.registry import ProviderName, RegisteredModel

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

PRICE_LISTS: dict[ProviderName, str] = {
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
}
"""The price list's names of the providers. For another endpoint than the provider's own, the address decides."""

INPUT, OUTPUT, REASONING, REQUESTS = "input_mtok", "output_mtok", "output_reasoning_mtok", "requests_kcount"
CACHED, CACHE_WRITE, CACHE_WRITE_1H = "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"
INPUT_UNITS = (INPUT, CACHED, CACHE_WRITE, CACHE_WRITE_1H)
OUTPUT_UNITS = (OUTPUT, REASONING)
COUNTED = frozenset({*INPUT_UNITS, *OUTPUT_UNITS, REQUESTS})
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
"""Units that no request of Winnow consumes: no tools, no sound, no film. A model that is priced by any
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


Rate: TypeAlias = "Decimal | TieredPrices"
"""Of tiers, which ascend, the highest that a request's input reaches holds for all of its tokens."""

Rates: TypeAlias = Mapping[str, Rate]
"""USD per million tokens (`REQUESTS`: per thousand requests) by unit. Input and output are always there; a unit that is
missing costs what the wider unit costs: cached tokens as input, reasoning as output."""


@dataclass(frozen=True, slots=True)
class Price:
    """A model's rates, each with the time in which they hold. The last that holds counts, and else the first.

    `image_tokens` bounds the tokens of one page image.
    """

    periods: tuple[tuple[Constraint | None, Rates], ...]
    image_tokens: int = IMAGE_TOKENS

    def rates(self, at: datetime | None = None) -> Rates:
        """The rates that hold at a time, by default now."""
        if len(self.periods) == 1:
            return self.periods[0][1]
        moment = at or datetime.now(UTC)
        holding = (rates for when, rates in reversed(self.periods) if when is None or when.active(moment))
        return next(holding, self.periods[0][1])

    @property
    def is_free(self) -> bool:
        """Whether no call can cost anything."""
        return all(isinstance(rate, Decimal) and not rate for _, rates in self.periods for rate in rates.values())

    def cost(self, usage: Usage, at: datetime | None = None) -> Decimal:
        """What a usage costs in USD, exactly. Written tokens that do not fit beside the cached ones are among them."""
        rates = self.rates(at)
        hour = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
        reasoning = min(usage.reasoning_tokens, usage.output_tokens)
        uncached = max(0, usage.input_tokens - usage.cached_tokens)
        parts = (
            (uncached - (usage.cache_write_tokens if usage.cache_write_tokens <= uncached else 0), (INPUT,)),
            (usage.cached_tokens, (CACHED, INPUT)),
            (usage.cache_write_tokens - hour, (CACHE_WRITE, INPUT)),
            (hour, (CACHE_WRITE_1H, CACHE_WRITE, INPUT)),
            (usage.output_tokens - reasoning, (OUTPUT,)),
            (reasoning, (REASONING, OUTPUT)),
        )
        millionths = Decimal(0)
        for tokens, units in parts:
            if tokens:
                unit = next(unit for unit in units if unit in rates)
                millionths += _rates_up_to(rates[unit], usage.input_tokens)[-1] * tokens
        return millionths.scaleb(-6) + _request_usd(rates)

    def max_cost(self, input_bytes: int, images: int, max_output_tokens: int) -> Decimal:
        """An upper bound in USD of one attempt, whatever is cached, at any time of the price list's periods.

        `input_bytes` is the UTF-8 length of the request's text without its images. A token of byte-level BPE stands for
        at least one byte (Sennrich et al. 2016; Radford et al. 2019).
        """
        tokens = input_bytes + images * self.image_tokens + FRAME_TOKENS
        return max(_max_cost(rates, tokens, max_output_tokens) for _, rates in self.periods)


def price_of(model: RegisteredModel) -> Price | None:
    """The price of a model, or None where it is not known. The first call takes a second: the price list is large.

    Each price in the row replaces the list's. Where the list has none, or the row has an extra field that changes the
    prices, the row needs both an input and an output price; cached tokens are then paid as input unless the row has a
    price for them.
    """
    own = {
        INPUT: model.input_price,
        OUTPUT: model.output_price,
        CACHED: model.cached_price,
        CACHE_WRITE: model.cache_write_price,
        CACHE_WRITE_1H: model.cache_write_price,
    }
    stated: dict[str, Rate] = {unit: usd for unit, usd in own.items() if usd is not None}
    listed = None if len(stated) == len(own) else listed_price(model.provider, model.upstream, model.endpoint)
    if listed is None or priced_field(model.extra_body):
        image_tokens = listed.image_tokens if listed else IMAGE_TOKENS
        return Price(((None, stated),), image_tokens) if {INPUT, OUTPUT} <= stated.keys() else None
    replaced = {REASONING} if OUTPUT in stated else set()  # reasoning is output, and costs what the row says
    periods = tuple(
        (when, {unit: rate for unit, rate in rates.items() if unit not in replaced} | stated)
        for when, rates in listed.periods
    )
    return Price(periods, listed.image_tokens)


def prices_by_served(model: RegisteredModel, price: Price) -> Callable[[str], Price]:
    """Gives the price of the model that a reply names, which routers choose: the list's price of it, with the row's own
    prices in their place; `price` where the row has both an input and an output price, or the list knows no other."""
    if model.input_price is not None and model.output_price is not None:
        return lambda _: price

    @lru_cache(maxsize=64)
    def served_price(served_by: str) -> Price:
        served = model.model_copy(update={"upstream": served_by})
        return price if served_by in ("", model.upstream) else price_of(served) or price

    return served_price


@lru_cache(maxsize=1024)
def listed_price(provider: ProviderName, upstream: str, endpoint: str) -> Price | None:
    """The price list's price of a model at an endpoint, the provider's own where `endpoint` is empty."""
    info = _listed(provider, upstream, endpoint)
    if info is None:
        return None
    prices: Sequence[tuple[Constraint | None, ModelPrice]] = (
        [(period.constraint, period.prices) for period in info.prices]
        if isinstance(info.prices, list)
        else [(None, info.prices)]
    )
    periods = tuple((when, rates) for when, price in prices if (rates := _rates(price)) is not None)
    if not periods or len(periods) < len(prices):
        return None
    return Price(periods, IMAGE_TOKENS_OF.get(info.id, IMAGE_TOKENS))


def listed_context_window(provider: ProviderName, upstream: str, endpoint: str) -> int | None:
    """The context window in tokens that the price list states for a model."""
    info = _listed(provider, upstream, endpoint)
    return info.context_window if info else None


@lru_cache(maxsize=1024)
def _listed(provider: ProviderName, upstream: str, endpoint: str) -> "ModelInfo | None":
    from genai_prices.data_snapshot import get_snapshot

    place = (None, endpoint) if endpoint else (PRICE_LISTS[provider], None)
    try:
        return get_snapshot().find_provider_model(upstream.removeprefix("models/"), None, *place)[1]
    except LookupError:
        return None


def _rates(price: "ModelPrice") -> Rates | None:
    """The rates of an entry of the price list; None where it counts in units that a usage does not tell."""
    stated = {unit: rate for unit, rate in vars(price).items() if rate is not None}
    if not {INPUT, OUTPUT} <= stated.keys() or stated.keys() - COUNTED - NEVER_USED:
        return None
    return MappingProxyType({unit: rate for unit, rate in stated.items() if unit in COUNTED})


def base_usd(rate: Rate) -> Decimal:
    """The rate of small requests."""
    return rate if isinstance(rate, Decimal) else rate.base


def _rates_up_to(rate: Rate, input_tokens: int) -> list[Decimal]:
    """The rates of all requests of at most so many input tokens; the last is that of exactly so many."""
    if isinstance(rate, Decimal):
        return [rate]
    return [rate.base, *(tier.price for tier in rate.tiers if input_tokens > tier.start)]


def _request_usd(rates: Rates) -> Decimal:
    """What each request costs beside its tokens."""
    return base_usd(rates.get(REQUESTS, Decimal(0))).scaleb(-3)


def _max_cost(rates: Rates, input_tokens: int, output_tokens: int) -> Decimal:
    def highest(units: tuple[str, ...]) -> Decimal:
        return max(usd for unit in units if unit in rates for usd in _rates_up_to(rates[unit], input_tokens))

    millionths = highest(INPUT_UNITS) * input_tokens + highest(OUTPUT_UNITS) * output_tokens
    return millionths.scaleb(-6) + _request_usd(rates)
