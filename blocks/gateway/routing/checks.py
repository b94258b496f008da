"""Whether the routes can be taken with the models that there are: asked before a run begins, and so before it pays."""

from collections.abc import Container, Iterable, Mapping

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
from blocks.gateway.registry.registry import RegisteredModel, RegistryState
from blocks.gateway.routing.plan import asks_models, plan_route
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

    Models that are disabled are out of a route, and may lack a key or a price; prompts that no model is asked by may
    fail.
    Raises `ModelUnknown`, `ModelKeyMissing`, `ModelPriceUnknown` and `RouteUnusable`, which name the step's place;
    `ModelDisabled` and `ModelNeverAsked` for `models`, and `DocumentTypeInvalid` for prompts that cannot be rendered.
    """
    if models:
        _check_option(registry, keys, models)
    else:
        _check_types(types, registry, keys)
    _check_prompts(types, registry, models)


def _check_types(types: Mapping[str, DocumentType], registry: RegistryState, keys: Container[str]) -> None:
    checked: set[str] = set()
    for name, document_type in types.items():
        for at, step in enumerate(document_type.route):
            if _needs_place(step, registry, keys, checked):
                _check_step(step, registry, keys, step_place(document_type, at))
        plan = plan_route(document_type, registry)
        if not any(planned.models for planned in plan):
            why = "; ".join(dict.fromkeys(planned.why for planned in plan))
            raise RouteUnusable(name, why, step_place(document_type, 0))


def _check_prompts(types: Mapping[str, DocumentType], registry: RegistryState, models: tuple[str, ...]) -> None:
    problems: list[str] = []
    for document_type in types.values():
        plan = plan_route(document_type, registry, models)
        variants = {planned.step.prompt for planned in plan if asks_models((planned,))}
        problems.extend(str(problem) for problem in prompt_problems(document_type, variants))
    if problems:
        raise DocumentTypeInvalid(tuple(problems))


def _check_option(registry: RegistryState, keys: Container[str], models: tuple[str, ...]) -> None:
    for name in models:
        _check_step(RouteStep(model=name), registry, keys, OPTION)
        known = registry.get(name)
        if known is not None and not known.is_enabled:
            raise ModelDisabled(name, OPTION)
    if LOCAL in models[:-1]:
        raise ModelNeverAsked(models[models.index(LOCAL) + 1], OPTION)


def _needs_place(step: RouteStep, registry: RegistryState, keys: Container[str], checked: set[str]) -> bool:
    """Whether a step has something to be complained about: only then its line is looked up."""
    if step.model not in (None, LOCAL) and registry.get(str(step.model)) is None:
        return True
    fresh = [one for one in _asked(step, registry) if one.name not in checked]
    checked.update(one.name for one in fresh if not _lacks_key(one, keys) and price_of(one) is not None)
    return any(one.name not in checked for one in fresh)


def _check_step(step: RouteStep, registry: RegistryState, keys: Container[str], place: str) -> None:
    if step.model not in (None, LOCAL) and registry.get(str(step.model)) is None:
        raise ModelUnknown(str(step.model), registry.names, place, registry.offered)
    for model in _asked(step, registry):
        if _lacks_key(model, keys):
            raise ModelKeyMissing(model.name, str(model.key), place)
        if price_of(model) is None:
            raise ModelPriceUnknown(model.name, model.upstream, place)


def _asked(step: RouteStep, registry: RegistryState) -> Iterable[RegisteredModel]:
    """The enabled models that a step may ask."""
    if step.tier is not None:
        return registry.of_tier(step.tier)
    known = registry.get(step.model or LOCAL)
    return (known,) if known is not None and known.is_enabled else ()


def _lacks_key(model: RegisteredModel, keys: Container[str]) -> bool:
    return model.key is not None and model.key not in keys
