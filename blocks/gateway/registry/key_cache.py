"""Keys of models, looked up again once a second, so that a replaced key is soon used.

A look-up in Prefect is slow. So calls use the key they have while it is looked up, and all calls without a key wait for
the same look-up.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping

from pydantic import SecretStr

from blocks.errors import WinnowError
from blocks.gateway.registry.errors import ModelKeyMissing
from blocks.gateway.registry.registry import RegisteredModel

log = logging.getLogger(__name__)


class KeyCache:
    """Lives on the gateway's event loop; `keys` is read in threads. A key that is `fresh_s` old is looked up again."""

    def __init__(self, keys: Mapping[str, SecretStr], fresh_s: float) -> None:
        self._keys = keys
        self._fresh_s = fresh_s
        self._kept: dict[str, tuple[float, SecretStr]] = {}
        self._lookups: dict[str, asyncio.Task[None]] = {}

    def of(self, model: RegisteredModel) -> SecretStr | None:
        """The key of a model after `refresh`; None for a model that needs none."""
        return None if model.key is None else self._kept[model.key][1]

    def has(self, model: RegisteredModel) -> bool:
        """Whether the model needs no key, or has a fresh one here."""
        if model.key is None:
            return True
        held = self._kept.get(model.key)
        return held is not None and time.monotonic() - held[0] < self._fresh_s

    async def refresh(self, model: RegisteredModel) -> None:
        """Look the model's key up unless a fresh one is here. Raises `ModelKeyMissing`, and what the look-up raises."""
        if model.key is None or self.has(model):
            return
        reference = model.key
        held = self._kept.get(reference)
        if held is not None and held[0] > -math.inf:  # -inf: the key was removed
            self._kept[reference] = time.monotonic(), held[1]  # other calls use this key meanwhile
        lookup = self._lookups.get(reference)
        if lookup is None:
            lookup = self._lookups[reference] = asyncio.create_task(self._look_up(model, reference))
            lookup.add_done_callback(lambda _: self._lookups.pop(reference))
        await asyncio.shield(lookup)  # other callers wait for it too

    async def _look_up(self, model: RegisteredModel, reference: str) -> None:
        held = self._kept.get(reference)
        try:
            key = await asyncio.to_thread(self._keys.get, reference)
        except WinnowError as error:
            if held is None:
                raise
            log.warning("the key of %s cannot be looked up (%s); the last key is used", model.name, error)
            return
        if key is None:
            if held is not None:
                self._kept[reference] = -math.inf, held[1]  # calls under way still use it; the next call looks again
            raise ModelKeyMissing(model.name, reference)
        self._kept[reference] = time.monotonic(), key
