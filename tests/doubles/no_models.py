"""A registry without any model, for stages in which the built-in reader reads alone."""

from blocks.gateway.registry.registry import RegistryState
from blocks.gateway.routing.calls import AnsweringGateway


class NoModels:
    """Satisfies `tasks.score.stage.RunModels`. Opening a gateway is an error: nothing may be asked."""

    def registry(self) -> RegistryState:
        return RegistryState()

    def gateway(self) -> AnsweringGateway:
        raise AssertionError("a gateway was opened, though no route asks a model")
