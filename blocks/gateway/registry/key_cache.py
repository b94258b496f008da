"""The keys of models as calls use them: at hand, and looked up anew once a second, so that an exchange is followed.

A key may come from Prefect, which takes its time; so calls go on with the one they have while it is looked up, and all
that have none wait for the same look-up.
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
    """Lives on the gateway's event loop; `keys` is asked in threads. A key is looked up when it is `fresh_s` old."""

    def __init__(self, keys: Mapping[str, SecretStr], fresh_s: float) -> None:
        self._keys = keys
        self._fresh_s = fresh_s
        self._held: dict[str, tuple[float, SecretStr]] = {}
        self._lookups: dict[str, asyncio.Task[None]] = {}

    def of(self, model: RegisteredModel) -> SecretStr | None:
        """The key of a model for which `hold` has seen to it; None for one that needs none."""
        return None if model.key is None else self._held[model.key][1]

    def has(self, model: RegisteredModel) -> bool:
        """Whether the key of a model, where it needs one, is at hand and fresh."""
        if model.key is None:
            return True
        held = self._held.get(model.key)
        return held is not None and time.monotonic() - held[0] < self._fresh_s

    async def hold(self, model: RegisteredModel) -> None:
        """Have the key of a model at hand and fresh. Raises `ModelKeyMissing`, and what a look-up raises."""
        if model.key is None or self.has(model):
            return
        reference = model.key
        held = self._held.get(reference)
        if held is not None and held[0] > -math.inf:  # not one that was taken away
            self._held[reference] = time.monotonic(), held[1]  # the others go on with this one meanwhile
        lookup = self._lookups.get(reference)
        if lookup is None:
            lookup = self._lookups[reference] = asyncio.create_task(self._look_up(model, reference))
            lookup.add_done_callback(lambda _: self._lookups.pop(reference))
        await asyncio.shield(lookup)  # others wait for it too

    async def _look_up(self, model: RegisteredModel, reference: str) -> None:
        held = self._held.get(reference)
        try:
            key = await asyncio.to_thread(self._keys.get, reference)
        except WinnowError as error:
            if held is None:
                raise
            log.warning("the key of %s cannot be looked up (%s); the last one is used", model.name, error)
            return
        if key is None:
            if held is not None:
                self._held[reference] = -math.inf, held[1]  # for calls under way; the next one looks again
            raise ModelKeyMissing(model.name, reference)
        self._held[reference] = time.monotonic(), key
