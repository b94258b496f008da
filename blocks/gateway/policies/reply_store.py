"""Where kept replies are looked up and put, for all models of a process: in groups, and away from the event loop.

A cache that is out of order costs money and never a document: it is then as if nothing were kept, and the log says so.
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

MOST_WAITING = 1_000
"""Replies that wait to be kept; beyond, new ones are not kept."""
COMPLAIN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reply to keep. With `replaces`, in place of one that is kept already."""

    key: str
    model: str
    reply: bytes
    replaces: bool


@dataclass(frozen=True, slots=True)
class _Hit:
    """A kept reply that was used."""

    key: str


class Shelf:
    """Lookups, replies on their way to being kept, and questions that are being answered right now.

    Lives on the gateway's event loop. `flights` has, by key, what a question under way will give: its reply, or None
    where it gave none.
    """

    def __init__(self, cache: ReplyCache, rounds: Rounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.flights: dict[str, asyncio.Future[ModelReply | None]] = {}
        self._cache = cache
        self._clock = clock
        self._lookups: GroupCommit[str, bytes | None] = GroupCommit(self._load, rounds)
        self._writes: GroupCommit[_Kept | _Hit, None] = GroupCommit(self._write, rounds)
        self._waiting: dict[str, bytes] = {}
        self._under_way: set[asyncio.Future[None]] = set()
        self._complained_at = -COMPLAIN_EVERY_S

    async def find(self, key: str, deadline: float) -> bytes | None:
        """The reply that is kept under a key; None where none is, or where that is not known by the deadline."""
        if key in self._waiting:
            return self._waiting[key]
        try:
            kept = await self._lookups.ask(key, deadline)
        except TimeoutError:
            return None
        if kept is not None:
            self._put(_Hit(key))
        return kept

    def keep(self, key: str, model: str, reply: bytes, *, replaces: bool = False) -> None:
        """Keep a reply soon. It can be found at once. With `replaces`, it is found in place of one that is kept."""
        if len(self._waiting) >= MOST_WAITING or (key in self._waiting and not replaces):
            return
        self._waiting[key] = reply
        self._put(_Kept(key, model, reply, replaces)).add_done_callback(lambda _: self._forget(key, reply))

    def _forget(self, key: str, reply: bytes) -> None:
        if self._waiting.get(key) is reply:  # and not one that replaces it
            del self._waiting[key]

    async def close(self) -> None:
        """Wait until what was to be kept is kept, and hits are counted."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _put(self, item: _Kept | _Hit) -> asyncio.Future[None]:
        written = self._writes.hand_in(item)
        self._under_way.add(written)
        written.add_done_callback(self._under_way.discard)
        return written

    def _load(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        try:
            kept = self._cache.load(keys)
        except Exception as error:  # noqa: BLE001 - whatever the store raises: see the module
            self._complain("read", error)
            return [None] * len(keys)
        return [kept.get(key) for key in keys]

    def _write(self, items: Sequence[_Kept | _Hit]) -> Sequence[None]:
        try:
            for replaces in (False, True):
                kept = [one for one in items if isinstance(one, _Kept) and one.replaces is replaces]
                if kept:
                    self._cache.keep({one.key: (one.model, one.reply) for one in kept}, replaces=replaces)
            if hits := {one.key for one in items if isinstance(one, _Hit)}:
                self._cache.count_hits(hits)
        except Exception as error:  # noqa: BLE001 - as above
            self._complain("written", error)
        return [None] * len(items)

    def _complain(self, what: str, error: Exception) -> None:
        if self._clock() - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = self._clock()
            logger.warning("the cache of replies cannot be %s (%s); models are asked again", what, type(error).__name__)
