"""A policy is a `Model` around another `Model`; it keeps that model's name and version."""

from collections.abc import Callable, Sequence

from blocks.gateway.model import Model


class Wrapper:
    """A policy around `model`, but for its own `answer`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The name of the model in routes and the ledger."""
        return self._model.name

    @property
    def version(self) -> str:
        """The version of the model."""
        return self._model.version


def behind(model: Model, policies: Sequence[Callable[[Model], Model]]) -> Model:
    """The model behind policies; the first of them is the outermost."""
    for policy in reversed(policies):
        model = policy(model)
    return model
