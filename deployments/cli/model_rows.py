"""A model of the registry as a row that people and programs read: prices, limits, key, switches, circuit."""

from decimal import Decimal
from math import ceil

from blocks.gateway.policies.shared_state import CircuitReport
from blocks.gateway.registry.keys import parse_reference
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.spending.prices import CACHE_WRITE, CACHED, INPUT, OUTPUT, base_usd, listed_price, price_of

COLUMNS = ("name", "provider", "upstream", "tier", "price", "limits", "key", "enabled", "circuit")

NARROW_COLUMNS = ("name", "tier", "price", "key_state", "enabled", "circuit")


def model_row(
    model: RegisteredModel, key_state: str, circuit: CircuitReport | None, is_paused: bool
) -> dict[str, object]:
    """The row of a model. `key_state` is as `deployments.cli.model_registry.key_state` gives it.

    Prices are today's, in USD per million tokens; None if they are not known.
    """
    price = price_of(model)
    rates = price.rates() if price else None
    cached = base_usd(rates.get(CACHED, rates[INPUT])) if rates else None
    return {
        "name": model.name,
        "provider": model.provider,
        "upstream": model.upstream,
        "endpoint": model.endpoint,
        "tier": model.tier,
        "price": price_text(model),
        "limits": _limits(model),
        "key": f"{model.key} ({key_state})" if model.key else "none",
        "enabled": "yes" if model.is_enabled else "no",
        "circuit": _circuit(circuit),
        "is_enabled": model.is_enabled,
        "is_paused": is_paused,
        "is_price_known": price is not None,
        "input_price": base_usd(rates[INPUT]) if rates else None,
        "output_price": base_usd(rates[OUTPUT]) if rates else None,
        "cached_price": cached,
        "rpm": model.rpm,
        "tpm": model.tpm,
        "in_flight": model.in_flight,
        "timeout_s": model.timeout_s,
        "max_output_tokens": model.max_output_tokens,
        "context_window": model.context_window,
        "json_mode": model.json_mode,
        "images": model.images,
        "logprobs": model.logprobs,
        "headers": model.headers,
        "extra_body": model.extra_body,
        "position": model.position,
        "key_reference": model.key,
        "key_state": key_state,
        "circuit_is_open": bool(circuit and circuit.is_open),
        "circuit_why": circuit.why if circuit else "",
    }


def price_text(model: RegisteredModel) -> str:
    """The price in words, such as ``2 in, 10 out``; a plus means that long requests cost more."""
    price = price_of(model)
    if price is None:
        return "unknown"
    if price.is_free:
        return "free"
    rates = price.rates()
    plus = "" if isinstance(rates[INPUT], Decimal) else "+"
    return f"{_usd(base_usd(rates[INPUT]))}{plus} in, {_usd(base_usd(rates[OUTPUT]))}{plus} out"


def price_with_sources(model: RegisteredModel) -> str:
    """The price in words, with its source; with the source of each part if they differ."""
    price = price_of(model)
    if price is None:
        return price_text(model)
    rates = price.rates()
    parts = [
        ("in", INPUT, model.input_price),
        ("out", OUTPUT, model.output_price),
        ("read from the cache", CACHED, model.cached_price),
        ("written to the cache", CACHE_WRITE, model.cache_write_price),
    ]
    known = [(name, base_usd(rates[unit]), own is not None) for name, unit, own in parts if unit in rates]
    if not any(is_own for *_, is_own in known):
        return f"{price_text(model)}, by the price list"
    if all(is_own for *_, is_own in known):
        return f"{price_text(model)}, as you set it"
    return ", ".join(f"{_usd(usd)} {name} ({'yours' if is_own else 'listed'})" for name, usd, is_own in known)


def hides_costs(model: RegisteredModel) -> bool:
    """Whether a price is set to 0 although the provider charges money, so that budgets do not count the cost."""
    if 0 not in (model.input_price, model.output_price):
        return False
    listed = listed_price(model.provider, model.upstream, model.endpoint)
    return not model.endpoint or bool(listed and not listed.is_free)


def needs_prefect(model: RegisteredModel) -> bool:
    """Whether the model's key is in a Prefect block."""
    return bool(model.key) and parse_reference(str(model.key)).place != "env"


def _usd(usd: Decimal) -> str:
    return f"{usd.normalize():f}"


def _limits(model: RegisteredModel) -> str:
    limits = [f"{number:,} {unit}" for number, unit in ((model.rpm, "rpm"), (model.tpm, "tpm")) if number]
    return ", ".join([*limits, f"{model.in_flight} in flight"])


def _circuit(circuit: CircuitReport | None) -> str:
    if circuit is None or not circuit.is_open:
        return "closed"
    if circuit.open_for_s <= 0:
        return "half-open: the next call is a probe"
    return f"open for {ceil(circuit.open_for_s)} s: {circuit.why}"
