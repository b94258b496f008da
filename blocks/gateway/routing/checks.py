"""Checks before a run begins, and so before it pays, that every route can be taken with the models of the registry."""

from collections.abc import Callable, Container, Mapping
from functools import partial

from pydantic import SecretStr

from blocks.document_types.loader import prompt_problems, step_place
from blocks.document_types.schema import DocumentType, RouteStep
from blocks.errors import DocumentTypeInvalid
from blocks.gateway.registry.errors import (
    ModelDisabled,
    ModelKeyMissing,
    ModelNeverAsked,
    ModelPriceUnknown,
    ModelUnknown,
    RouteUnusable,
)
from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.plan import models_of, plan_route
from blocks.gateway.spending.prices import price_of
from blocks.records import LOCAL

OPTION = "--model"


def check_routes(
    types: Mapping[str, DocumentType],
    registry: RegistryState,
    keys: Container[str] | Mapping[str, SecretStr],
    models: tuple[str, ...] = (),
) -> None:
    """Check every type's route, or the `models` that replace them all. `keys` has the keys that are set, by reference.

    A disabled model is out of a route, and may lack a key or a price. A prompt by which no model is asked may fail.
    Raises `ModelUnknown`, `ModelKeyMissing`, `ModelPriceUnknown` and `RouteUnusable`, which name the step's place;
    `ModelDisabled` and `ModelNeverAsked` for `models`; `DocumentTypeInvalid` for prompts that cannot be rendered.
    """
    if models:
        _check_option(registry, keys, models)
    else:
        _check_types(types, registry, keys)
    _check_prompts(types, registry, models)


def _check_types(types: Mapping[str, DocumentType], registry: RegistryState, keys: Container[str]) -> None:
    for name, document_type in types.items():
        for at, step in enumerate(document_type.route):
            _check_step(step, registry, keys, partial(step_place, document_type, at))
        plan = plan_route(document_type, registry)
        if not any(planned.models for planned in plan):
            why = "; ".join(dict.fromkeys(planned.why for planned in plan))
            raise RouteUnusable(name, why, step_place(document_type, 0))


def _check_prompts(types: Mapping[str, DocumentType], registry: RegistryState, models: tuple[str, ...]) -> None:
    problems: list[str] = []
    for document_type in types.values():
        plan = plan_route(document_type, registry, models)
        variants = {planned.step.prompt for planned in plan if planned.asks_model}
        problems.extend(str(problem) for problem in prompt_problems(document_type, variants))
    if problems:
        raise DocumentTypeInvalid(tuple(problems))


def _check_option(registry: RegistryState, keys: Container[str], models: tuple[str, ...]) -> None:
    for name in models:
        _check_step(RouteStep(model=name), registry, keys, lambda: OPTION)
        known = registry.get(name)
        if known is not None and not known.is_enabled:
            raise ModelDisabled(name, OPTION)
    if LOCAL in models[:-1]:
        raise ModelNeverAsked(models[models.index(LOCAL) + 1], OPTION)


def _check_step(step: RouteStep, registry: RegistryState, keys: Container[str], place: Callable[[], str]) -> None:
    """`place` reads the type's file for the step's line, so it is called only for a mistake."""
    if step.model not in (None, LOCAL) and registry.get(str(step.model)) is None:
        raise ModelUnknown(str(step.model), registry.names, place(), registry.offered)
    for model in models_of(step, registry):
        if model.key is not None and model.key not in keys:
            raise ModelKeyMissing(model.name, model.key, place())
        if price_of(model) is None:
            raise ModelPriceUnknown(model.name, model.upstream, place())
