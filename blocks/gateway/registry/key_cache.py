"""The cache of models' keys, so that a replaced key is soon used.

A variable of the environment is read again each second; a key in Prefect after five minutes (`keys.py`).

A look-up in Prefect is slow. So calls use the last key meanwhile, and calls without a key wait for the same look-up.
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
    """Lives on the gateway's event loop and reads `keys` in threads. A key that is `fresh_s` old is looked up again."""

    def __init__(self, keys: Mapping[str, SecretStr], fresh_s: float) -> None:
        self._keys = keys
        self._fresh_s = fresh_s
        self._kept: dict[str, tuple[float, SecretStr]] = {}
        self._lookups: dict[str, asyncio.Task[None]] = {}

    def of(self, model: RegisteredModel) -> SecretStr | None:
        """The key of a model after `refresh`; None where the model needs none."""
        return None if model.key is None else self._kept[model.key][1]

    def has(self, model: RegisteredModel) -> bool:
        """Whether the model needs no key, or its key is fresh."""
        if model.key is None:
            return True
        last = self._kept.get(model.key)
        return last is not None and time.monotonic() - last[0] < self._fresh_s

    async def refresh(self, model: RegisteredModel) -> None:
        """Look the model's key up unless it is fresh. Raises `ModelKeyMissing`, and what the look-up raises."""
        if model.key is None or self.has(model):
            return
        reference = model.key
        last = self._kept.get(reference)
        if last is not None and last[0] > -math.inf:  # -inf: the key was removed
            self._kept[reference] = time.monotonic(), last[1]  # other calls use this key meanwhile
        lookup = self._lookups.get(reference)
        if lookup is None:
            lookup = self._lookups[reference] = asyncio.create_task(self._look_up(model, reference))
            lookup.add_done_callback(lambda _: self._lookups.pop(reference))
        await asyncio.shield(lookup)  # other callers wait for it too

    async def _look_up(self, model: RegisteredModel, reference: str) -> None:
        last = self._kept.get(reference)
        try:
            key = await asyncio.to_thread(self._keys.get, reference)
        except WinnowError as error:
            if last is None:
                raise
            log.warning("the key of %s cannot be looked up (%s); the last key is used", model.name, error)
            return
        if key is None:
            if last is not None:
                self._kept[reference] = -math.inf, last[1]  # calls under way still use it; the next call looks again
            raise ModelKeyMissing(model.name, reference)
        self._kept[reference] = time.monotonic(), key
