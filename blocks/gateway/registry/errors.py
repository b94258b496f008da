"""Mistakes in the registry of models, its seed, and routes. A command or a run ends before any model is asked."""

from difflib import get_close_matches

from blocks.errors import UsageError
from blocks.gateway.registry.shown_values import quoted

_SHOWN = 6
"""How many names of models a message lists."""


class RegistryMistake(UsageError):
    """A mistake at a place, which is a file and line, or an option; empty where the message needs none."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)


class ModelUnknown(RegistryMistake):
    """A route or a command names a model that is not in the registry.

    The message suggests the closest of the `known` names; where none is close, it lists the first of the `offered`
    ones, or of the `known` ones where none is offered.
    """

    kind = "model_unknown"

    def __init__(self, name: str, known: tuple[str, ...], place: str = "", offered: tuple[str, ...] = ()) -> None:
        lowered = {known_name.lower(): known_name for known_name in known}
        near = get_close_matches(name.lower(), lowered, n=1)
        typed = name if quoted(name) == repr(name) else "NAME"
        shown = offered or known
        more = f" and {len(shown) - _SHOWN} more (winnow models list)" if len(shown) > _SHOWN else ""
        listed = f"known are {', '.join(shown[:_SHOWN])}{more};"
        hint = f"did you mean {lowered[near[0]]!r}? Else" if near else listed
        super().__init__(
            f"there is no model {quoted(name)}; {hint} add it: "
            f"`winnow models add {typed} --provider PROVIDER --model UPSTREAM`",
            place,
        )


class ModelDisabled(RegistryMistake):
    """`--model` names a model that is disabled."""

    kind = "model_disabled"

    def __init__(self, name: str, place: str) -> None:
        super().__init__(f"model {name!r} is disabled; `winnow models enable {name}`, or leave it out", place)


class ModelNeverAsked(RegistryMistake):
    """`--model` names a model after the built-in reader, which takes every document and every answer."""

    kind = "model_never_asked"

    def __init__(self, name: str, place: str) -> None:
        super().__init__(
            f"the built-in reader takes every document and every answer, so {name!r} after it is never asked; "
            "put local last, or leave it out: every route falls back on it",
            place,
        )


class ModelKeyMissing(RegistryMistake):
    """A model that is enabled has no key."""

    kind = "model_key_missing"

    def __init__(self, name: str, reference: str, place: str = "") -> None:
        super().__init__(
            f"model {name!r} takes its key from {reference}, which is not set; "
            f"set it, or `winnow models disable {name}`",
            place,
        )


class KeyUnusable(UsageError):
    """A key has characters that no header can carry, as when it was copied with a line break."""

    kind = "key_unusable"

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"the key in {reference} has a blank, a line break or a character outside ASCII in it; set the key alone"
        )


class ModelPriceUnknown(RegistryMistake):
    """A model that is enabled has no known price, so that no budget could bound it."""

    kind = "model_price_unknown"

    def __init__(self, name: str, upstream: str, place: str = "") -> None:
        super().__init__(
            f"no price is known for model {name!r} ({upstream}); give it, in USD per million tokens: "
            f"winnow models set {name} input_price=… output_price=… (0 for a server of your own)",
            place,
        )


class RouteUnusable(RegistryMistake):
    """A route has no step whose model can be asked."""

    kind = "route_unusable"

    def __init__(self, document_type: str, why: str, place: str) -> None:
        super().__init__(
            f"the route of {document_type!r} has no usable step ({why}); enable a model, or add "
            "the step {model: local}",
            place,
        )


class ModelInvalid(UsageError):
    """An entry of the registry, or of its seed, has a value that a model cannot have."""

    kind = "model_invalid"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"model {quoted(name)}: {problem}")


class ModelsFileInvalid(UsageError):
    """The file that the registry is seeded from has mistakes. `problems` has a text for each: file, line, remedy."""

    kind = "models_file_invalid"

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"the models file has {count}; correct them:{lines}")
