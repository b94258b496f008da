"""What a type's route comes down to today: for each step the models that may be asked, and the digest of all of it.

A model that is disabled is out of the route. `--model A,B` puts those models in the place of every type's steps.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from blocks.document_types.schema import DocumentType, RouteStep
from blocks.gateway.prompts.prompts import CRITERIA_RULES, DEFAULT_TEMPLATE, RULES
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.replies.reading import JUDGE_VERSION
from blocks.gateway.spending.prices import price_of
from blocks.records import LOCAL

UNKNOWN = (True, Decimal(0))
"""A cost that is not known, in the order of costs: after all that are."""


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
        """Whether the step asks the built-in model."""
        return self.models == (LOCAL,)


def steps_of(document_type: DocumentType, models: Sequence[str] = ()) -> tuple[RouteStep, ...]:
    """The type's steps, or one for each of the models that replace them in this run."""
    return tuple(RouteStep(model=name) for name in models) or document_type.route


def plan_route(
    document_type: DocumentType, registry: RegistryState, models: Sequence[str] = ()
) -> tuple[PlannedStep, ...]:
    """Every step with the models that are enabled for it."""
    return tuple(_planned(at, step, registry) for at, step in enumerate(steps_of(document_type, models)))


def asks_models(steps: Sequence[PlannedStep]) -> bool:
    """Whether any model but the built-in one may be asked."""
    return any(step.models and not step.is_local for step in steps)


def cheapest_first(steps: Sequence[PlannedStep], registry: RegistryState) -> tuple[PlannedStep, ...]:
    """The steps with those that ask models for an answer in the order of what they cost; the others keep their places.

    A step costs what a typical call of the cheapest of its models costs at most; one without a known price, or whose
    models have left the registry since the route was planned, comes last.
    """
    at = [place for place, one in enumerate(steps) if one.step.role == "answer" and asks_models((one,))]
    ordered = sorted((steps[place] for place in at), key=lambda one: _typical_cost(one, registry))
    found = list(steps)
    for place, one in zip(at, ordered, strict=True):
        found[place] = one
    return tuple(found)


def _typical_cost(planned: PlannedStep, registry: RegistryState) -> tuple[bool, Decimal]:
    prices = (price_of(one) for one in registry.models if one.name in planned.models)
    return min(((False, price.max_cost(8_000, 0, 1_000)) for price in prices if price is not None), default=UNKNOWN)


def route_digest(
    document_type: DocumentType, registry: RegistryState, models: Sequence[str] = (), *, reader_version: str
) -> str:
    """Digest of all that decides a type's scorings: the built-in reader, what score reads of the type, and which models
    may answer each step.

    A model counts once it was ever enabled, even if it is disabled today; prices and limits do not count. How models
    are asked and their replies judged counts where a model may answer.
    """
    parts = [document_type.score_digest, f"local:{reader_version}"]
    for step in steps_of(document_type, models):
        who = ",".join(_versions(step, registry))
        parts.append(f"{step.model or step.tier}:{step.prompt}:{who}")
        if who:
            parts += (RULES, CRITERIA_RULES, DEFAULT_TEMPLATE, JUDGE_VERSION)
        if step.when.sensitive is not None:
            parts.append(f"sensitive:{document_type.sensitive}")
        if (step.accept is not None and step.accept.checks) or step.asks == "unsure":  # which go by what review asks
            parts.append(f"review:{document_type.review.accept_at}:{document_type.review.accept_models_at}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _planned(at: int, step: RouteStep, registry: RegistryState) -> PlannedStep:
    if step.model == LOCAL:
        return PlannedStep(at, step, (LOCAL,))
    if step.model is not None:
        known = registry.get(step.model)
        if known is None:
            return PlannedStep(at, step, why=f"{step.model} is not in the registry")
        return (
            PlannedStep(at, step, (step.model,))
            if known.is_enabled
            else PlannedStep(at, step, why=f"{step.model} is disabled")
        )
    names = tuple(one.name for one in registry.of_tier(step.tier)) if step.tier is not None else ()
    return PlannedStep(at, step, names, "" if names else f"no model of the tier {step.tier} is enabled")


def _versions(step: RouteStep, registry: RegistryState) -> tuple[str, ...]:
    return tuple(f"{one.name}={one.digest}" for one in registry.models if one.was_enabled and _serves(one, step))


def _serves(model: RegisteredModel, step: RouteStep) -> bool:
    return model.name == step.model if step.model is not None else model.tier == step.tier
