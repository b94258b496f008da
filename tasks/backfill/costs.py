"""What a plan's calls and time come to, as ranges: from the ledger, and from how long stages took before."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from statistics import fmean, pstdev

from blocks.backfill.plan import NOTHING, Range, StageWork, Terms, TypeChange, TypeCost
from blocks.database.pipeline.planning import CallsOfType
from blocks.document_types.schema import DocumentType
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.plan import asks_models, plan_route
from blocks.gateway.spending.prices import price_of
from blocks.records import Stage
from blocks.settings import Settings

Ledger = Callable[[str, Collection[str]], CallsOfType]
"""What the ledger has of a type's documents and these models."""

Counts = tuple[int, int]
"""Documents: for certain, and at most."""

CALLS_AT_ONCE = 16
"""Calls that run side by side, by default; see `RegisteredModel.in_flight`."""
FRAME_S = (0.0005, 0.03)
"""What a document costs beside its stages, from and to: see "Overhead" in docs/benchmarks.md, on an idle and on a busy
machine."""
START_S = (1.0, 20.0)
"""What the start of a run takes, from and to, on the same machines."""
SLOWER = 2.0
"""How much slower than before a stage may be."""


def costs_of(
    ledger: Ledger,
    types: Mapping[str, DocumentType],
    registry: RegistryState,
    settings: Settings,
    terms: Terms,
    scored: Mapping[str, Counts],
    changes: Sequence[TypeChange],
) -> tuple[TypeCost, ...]:
    """What it may cost to score documents, by type."""
    found = []
    for name, counts in scored.items():
        if name not in types:  # a document of unknown type is not read
            continue
        calls, cost_usd, basis = _cost_of_type(ledger, types[name], registry, settings, terms, counts)
        prompts_changed = any(change.document_type == name and Stage.SCORE in change.stages for change in changes)
        if terms.use_cache and not prompts_changed and calls != NOTHING:
            calls, cost_usd = (part.model_copy(update={"low": Decimal(0)}) for part in (calls, cost_usd))
            basis += "; what its prompts say has not changed, so stored replies may answer all"
        certain, at_most = counts
        found.append(
            TypeCost(document_type=name, certain=certain, at_most=at_most, calls=calls, cost_usd=cost_usd, basis=basis)
        )
    return tuple(found)


def seconds_of(
    stages: Sequence[StageWork], durations_ms: Mapping[str, float], settings: Settings, *, asks_models: bool
) -> Range:
    """How long the stages take: from all that runs side by side at the pace so far, to one by one and slower."""
    documents = max((work.at_most for work in stages), default=0)
    if not documents:
        return NOTHING
    at_once = {Stage.EXTRACT: settings.processes, Stage.SCORE: CALLS_AT_ONCE if asks_models else 1}
    low = START_S[0] + documents * FRAME_S[0]
    high = START_S[1] + documents * FRAME_S[1]
    for work in stages:
        each_s = durations_ms.get(work.stage, 0.0) / 1_000
        low += work.certain * each_s / at_once.get(work.stage, 1)
        high += work.at_most * each_s * SLOWER
    return Range(low=Decimal(round(low)), high=Decimal(math.ceil(high)))


def _cost_of_type(
    ledger: Ledger,
    document_type: DocumentType,
    registry: RegistryState,
    settings: Settings,
    terms: Terms,
    counts: Counts,
) -> tuple[Range, Range, str]:
    """Calls, cost in USD, and what they follow from."""
    steps = plan_route(document_type, registry, terms.models)
    if not asks_models(steps):
        return NOTHING, NOTHING, "no model of its route is enabled: the built-in reader reads it"
    names = [name for step in steps if step.asks_model for name in step.models]
    known = ledger(document_type.name, names)
    if known.calls:
        number = len(known.calls) + known.without_calls
        found = _ranges(known, counts, known.costs_usd, f"the ledger's calls for {number:,} documents of the type")
        return _with_examples(found, 0 if known.has_examples else document_type.examples_shown)
    others = ledger(document_type.name, [model.name for model in registry.models if model.name not in names])
    model = registry.get(names[0])
    price = price_of(model) if model is not None else None
    if others.calls and price is not None:
        tokens = [fmean(each) for each in zip(*others.tokens, strict=True)]
        each_usd = price.max_cost(math.ceil(tokens[0]), 0, math.ceil(tokens[1]))
        costs = tuple(calls * each_usd for calls in others.calls)
        found = _ranges(others, counts, costs, f"tokens of other models' calls, at the price of {names[0]} today")
        return _with_examples(found, 0 if others.has_examples else document_type.examples_shown)
    budgets = (settings.budget_per_document_usd, document_type.budget_usd)
    most = min(budget for budget in budgets if budget is not None)
    unknown = Range(low=Decimal(0), high=None)
    most_usd = Range(low=Decimal(0), high=most * counts[1])
    return unknown, most_usd, f"the ledger has no call for the type; its budget is {most} USD per document"


def _with_examples(found: tuple[Range, Range, str], examples: int) -> tuple[Range, Range, str]:
    """The cost of calls that are shown so many decided documents, each as large as the one that is read; those of the
    ledger were shown none."""
    calls, cost_usd, basis = found
    if not examples or cost_usd.high is None:
        return found
    basis = (
        f"{basis}; with up to {examples} examples, which those had not, a call may cost {examples + 1} times as much"
    )
    return calls, cost_usd.model_copy(update={"high": cost_usd.high * (examples + 1)}), basis


def _ranges(known: CallsOfType, counts: Counts, costs_usd: Sequence[Decimal], basis: str) -> tuple[Range, Range, str]:
    zeros = (0.0,) * known.without_calls
    calls = _range((*map(float, known.calls), *zeros), counts)
    costs = _range((*map(float, costs_usd), *zeros), counts)
    whole = Range(low=Decimal(math.floor(calls[0])), high=Decimal(math.ceil(calls[1])))
    micro = Decimal("0.000001")
    return whole, Range(low=Decimal(costs[0]).quantize(micro), high=Decimal(costs[1]).quantize(micro)), basis


def _range(sample: Sequence[float], counts: Counts) -> tuple[float, float]:
    """What so many documents come to: two standard errors around the sample's mean.

    The prediction interval of a sum of N values after n seen ones: its variance is s² (N + N²/n). With a single value
    nothing is known of the spread, which is then taken to be as large as the value.
    """
    mean = fmean(sample)
    spread = pstdev(sample) if len(sample) > 1 else mean
    low, high = (
        number * mean + sign * 2 * spread * math.sqrt(number + number**2 / len(sample))
        for number, sign in zip(counts, (-1, 1), strict=True)
    )
    return max(0.0, low), high
