"""Where kept replies are looked up and put, for all models of a process: in groups, and away from the event loop.

A cache that is out of order costs money and never a document: it is then as if nothing were kept, and the log says so.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from blocks.gateway.model import ModelReply
from blocks.gateway.policies.grouping import Grouped
from blocks.gateway.shared_state import ReplyCache

logger = logging.getLogger(__name__)

GATHER_S = 0.05
"""How long lookups, and replies to keep, wait for others to go with them; the first lookup in so long does not wait."""
MOST_WAITING = 1_000
"""Replies that wait to be kept; beyond, new ones are not kept."""
COMPLAIN_EVERY_S = 60.0


class Shelf:
    """Lookups, replies on their way to being kept, and questions that are being answered right now.

    Lives on the gateway's event loop. `flights` has, by key, what a question under way will give: its reply, or None
    where it gave none.
    """

    def __init__(self, cache: ReplyCache, gather_s: float = GATHER_S, clock: Callable[[], float] = time.monotonic):
        self.flights: dict[str, asyncio.Future[ModelReply | None]] = {}
        self._cache = cache
        self._gather_s = gather_s
        self._clock = clock
        self._lookups: Grouped[str, bytes | None] = Grouped(self._load, window_s=gather_s)
        self._waiting: dict[str, tuple[str, bytes]] = {}
        self._hits: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_keeping = False
        self._complained_at = -COMPLAIN_EVERY_S

    async def find(self, key: str, deadline: float) -> bytes | None:
        """The reply that is kept under a key; None where none is, or where that is not known by the deadline."""
        if key in self._waiting:
            return self._waiting[key][1]
        try:
            kept = await self._lookups.ask(key, deadline)
        except TimeoutError:
            return None
        if kept is not None:
            self._hits.add(key)
            self._write_soon()
        return kept

    def keep(self, key: str, model: str, reply: bytes) -> None:
        """Keep a reply soon. It can be found at once."""
        if len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.setdefault(key, (model, reply))
        self._write_soon()

    def _write_soon(self) -> None:
        if not self._is_keeping:
            self._is_keeping = True
            task = asyncio.get_running_loop().create_task(self._put())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until what was to be kept is kept, and hits are counted."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _put(self) -> None:
        await asyncio.sleep(self._gather_s)
        while self._waiting or self._hits:
            batch, hits, self._hits = dict(self._waiting), self._hits, set()
            await asyncio.to_thread(self._write, batch, hits)
            for key in batch:
                del self._waiting[key]
        self._is_keeping = False

    def _load(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        try:
            kept = self._cache.load(keys)
        except Exception as error:  # noqa: BLE001 - whatever the store raises: see the module
            self._complain("read", error)
            return [None] * len(keys)
        return [kept.get(key) for key in keys]

    def _write(self, replies: Mapping[str, tuple[str, bytes]], hits: Collection[str]) -> None:
        try:
            if replies:
                self._cache.keep(replies)
            if hits:
                self._cache.count_hits(hits)
        except Exception as error:  # noqa: BLE001 - as above
            self._complain("written", error)

    def _complain(self, what: str, error: Exception) -> None:
        if self._clock() - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = self._clock()
            logger.warning("the cache of replies cannot be %s (%s); models are asked again", what, type(error).__name__)
