"""What every policy is: a `Model` around another one, which keeps that one's name and version."""

from blocks.gateway.model import Model


class Wrapper:
    """A `Model` but for `answer`, which each policy has of its own, around `model`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """What routes and the ledger call the model within."""
        return self._model.name

    @property
    def version(self) -> str:
        """That of the model within."""
        return self._model.version
