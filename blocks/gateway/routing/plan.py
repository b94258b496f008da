"""Plans a type's route: which models each step may ask today, and the digest of all that decides this.

A disabled model is out of the route. `--model A,B` replaces every type's steps by those models, which get pictures of
the pages where they take them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress

from blocks.document_types.schema import DocumentType, RouteStep
from blocks.gateway.prompts.prompts import CRITERIA_RULES, DEFAULT_TEMPLATE, RULES, WORKED_RULES
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.replies.reading import JUDGE_VERSION
from blocks.gateway.spending.prices import price_of
from blocks.records import LOCAL

UNKNOWN_COST = (True, Decimal(0))
"""Sorts after every known cost."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step with its place in the route, from 0, and its models in the order in which they are asked.

    `why` says what keeps a step without models out of the route.
    """

    at: int
    step: RouteStep
    models: tuple[str, ...] = ()
    why: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the step takes the built-in reader's reading."""
        return self.models == (LOCAL,)

    @property
    def asks_model(self) -> bool:
        """Whether the step may ask a model other than the built-in reader."""
        return bool(self.models) and not self.is_local


def plan_route(
    document_type: DocumentType, registry: RegistryState, models: Sequence[str] = ()
) -> tuple[PlannedStep, ...]:
    """Every step of the route, or one for each of `models`, with the models that are enabled for it."""
    return tuple(_planned(at, step, registry) for at, step in enumerate(_steps(document_type, models)))


def models_of(step: RouteStep, registry: RegistryState) -> tuple[RegisteredModel, ...]:
    """The enabled models that a step may ask, in order. The built-in reader is none of them."""
    if step.tier is not None:
        return registry.of_tier(step.tier)
    return tuple(model for model in registry.models if model.name == step.model and model.is_enabled)


def asks_models(steps: Sequence[PlannedStep]) -> bool:
    """Whether any of the steps may ask a model other than the built-in reader."""
    return any(step.asks_model for step in steps)


def cheapest_first(steps: Sequence[PlannedStep], registry: RegistryState) -> tuple[PlannedStep, ...]:
    """The steps that ask a model for an answer, sorted by cost; every other step keeps its place.

    A step costs what a typical call of its cheapest model costs at most. A step whose cost is not known comes last: its
    models have no price, or have left the registry since the route was planned.
    """
    is_sorted = [step.step.role == "answer" and step.asks_model for step in steps]
    by_cost = iter(sorted(compress(steps, is_sorted), key=lambda step: _typical_cost(step, registry)))
    return tuple(next(by_cost) if moves else step for step, moves in zip(steps, is_sorted, strict=True))


def _typical_cost(planned: PlannedStep, registry: RegistryState) -> tuple[bool, Decimal]:
    prices = (price_of(model) for model in registry.models if model.name in planned.models)
    costs = ((False, price.max_cost(8_000, 0, 1_000)) for price in prices if price is not None)
    return min(costs, default=UNKNOWN_COST)


def route_digest(
    document_type: DocumentType, registry: RegistryState, models: Sequence[str] = (), *, reader_version: str
) -> str:
    """Digest of all that decides a type's scorings: the built-in reader, what score reads of the type, and which models
    may answer each step.

    A model counts once it was ever enabled, even if it is disabled today. Prices and limits do not count. The prompts'
    rules and the version of the judge count where a model may answer.
    """
    parts = [document_type.score_digest, f"local:{reader_version}"]
    for step in _steps(document_type, models):
        versions = ",".join(
            f"{model.name}={model.digest}" for model in registry.models if model.was_enabled and _serves(model, step)
        )
        pictures = ":images" if models and step.images else ""  # a type's own steps are in its digest
        parts.append(f"{step.model or step.tier}:{step.prompt}:{versions}{pictures}")
        if versions:
            parts += (RULES, CRITERIA_RULES, DEFAULT_TEMPLATE, JUDGE_VERSION)
            parts += [WORKED_RULES] * any(example.reply for example in document_type.examples)
        if step.when.sensitive is not None:
            parts.append(f"sensitive:{document_type.sensitive}")
        if (step.accept is not None and step.accept.checks) or step.asks == "unsure":  # decided by the type's review
            parts.append(f"review:{document_type.review.accept_at}:{document_type.review.accept_models_at}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _steps(document_type: DocumentType, models: Sequence[str]) -> tuple[RouteStep, ...]:
    return tuple(RouteStep(model=name, images=True) for name in models) or document_type.route


def _planned(at: int, step: RouteStep, registry: RegistryState) -> PlannedStep:
    if step.model == LOCAL:
        return PlannedStep(at, step, (LOCAL,))
    names = tuple(model.name for model in models_of(step, registry))
    if names:
        return PlannedStep(at, step, names)
    if step.model is None:
        return PlannedStep(at, step, why=f"no model of the tier {step.tier} is enabled")
    is_known = registry.get(step.model) is not None
    return PlannedStep(at, step, why=f"{step.model} is {'disabled' if is_known else 'not in the registry'}")


def _serves(model: RegisteredModel, step: RouteStep) -> bool:
    return model.name == step.model if step.model is not None else model.tier == step.tier
