"""The reply store: looks replies up and stores them for all models of a process, in groups and off the event loop.

A store that fails costs money and never a document: models are asked again, and the log says so.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blocks.gateway.model import ModelReply
from blocks.gateway.policies.shared_state import ReplyCache
from blocks.gateway.spending.group_commit import GroupCommit, Rounds

logger = logging.getLogger(__name__)

MAX_WAITING = 1_000
"""How many replies may wait to be stored. Beyond that, new replies are not stored."""
WARN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class _PendingReply:
    """A reply to store. With `replaces`, it takes the place of a stored one."""

    key: str
    model: str
    reply: bytes
    replaces: bool


class ReplyStore:
    """Looks replies up, stores them, and knows the questions that are being answered now.

    Lives on the gateway's event loop. `flights` has, by key, the future reply to a question; None if it fails.
    """

    def __init__(self, cache: ReplyCache, rounds: Rounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.flights: dict[str, asyncio.Future[ModelReply | None]] = {}
        self._cache = cache
        self._clock = clock
        self._lookups: GroupCommit[str, bytes | None] = GroupCommit(self._load, rounds)
        self._writes: GroupCommit[_PendingReply | str, None] = GroupCommit(self._write, rounds)
        self._waiting: dict[str, bytes] = {}
        self._under_way: set[asyncio.Future[None]] = set()
        self._warned_at = -WARN_EVERY_S

    async def find(self, key: str, deadline: float) -> bytes | None:
        """The stored reply of a key; None where there is none, or where the store does not answer by the deadline."""
        if key in self._waiting:
            return self._waiting[key]
        try:
            kept = await self._lookups.ask(key, deadline)
        except TimeoutError:
            return None
        if kept is not None:
            self._put(key)
        return kept

    def keep(self, key: str, model: str, reply: bytes, *, replaces: bool = False) -> None:
        """Store a reply soon; `find` has it at once. With `replaces`, it takes the place of a stored reply."""
        if len(self._waiting) >= MAX_WAITING or (key in self._waiting and not replaces):
            return
        self._waiting[key] = reply
        self._put(_PendingReply(key, model, reply, replaces)).add_done_callback(lambda _: self._forget(key, reply))

    def _forget(self, key: str, reply: bytes) -> None:
        if self._waiting.get(key) is reply:  # not a reply that replaced it
            del self._waiting[key]

    async def close(self) -> None:
        """Wait until all replies are stored and all hits are counted."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _put(self, item: _PendingReply | str) -> asyncio.Future[None]:
        """Write a reply, or count a hit of the reply with this key."""
        written = self._writes.hand_in(item)
        self._under_way.add(written)
        written.add_done_callback(self._under_way.discard)
        return written

    def _load(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        try:
            kept = self._cache.load(keys)
        except Exception as error:  # noqa: BLE001 - whatever the database raises: see the module
            self._warn("read", error)
            return [None] * len(keys)
        return [kept.get(key) for key in keys]

    def _write(self, items: Sequence[_PendingReply | str]) -> Sequence[None]:
        try:
            for replaces in (False, True):
                kept = [item for item in items if isinstance(item, _PendingReply) and item.replaces is replaces]
                if kept:
                    self._cache.keep({item.key: (item.model, item.reply) for item in kept}, replaces=replaces)
            if hits := {item for item in items if isinstance(item, str)}:
                self._cache.count_hits(hits)
        except Exception as error:  # noqa: BLE001 - as above
            self._warn("written", error)
        return [None] * len(items)

    def _warn(self, what: str, error: Exception) -> None:
        if self._clock() - self._warned_at >= WARN_EVERY_S:
            self._warned_at = self._clock()
            logger.warning("the reply store cannot be %s (%s): models are asked again", what, type(error).__name__)
