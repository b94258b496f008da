"""The gateway's event loop: one thread per process that every call of a model runs on, whoever asks.

Stages run in threads of their own and wait for a future; a thousand calls in flight cost one thread. A fork has no
running thread: a forked process gets a loop of its own at its first use. At exit the loop is drained, so that
connections are closed rather than dropped.
"""

import asyncio
import atexit
import concurrent.futures
import gc
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

CLOSE_GRACE_S = 5.0
"""How long `close` waits for coroutines that were cancelled."""

COLLECT_EVERY = 100_000
"""New objects between two searches for garbage in cycles. Python's own 700 are those of three calls, and the search
through all that hundreds of calls in flight hold took a fifth of the time of a call."""

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a daemon thread of its own until `close`."""

    def __init__(self, name: str = "winnow-gateway") -> None:
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_closing = False
        self._submitted: set[concurrent.futures.Future[Any]] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_usable(self) -> bool:
        """Whether work can be submitted: not closed, and not inherited through a fork."""
        return not self._is_closing and self._pid == os.getpid()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop, from any thread. Cancelling the future cancels the coroutine.

        Raises RuntimeError where the loop is closed or belongs to the process that this one was forked from.
        """
        with self._lock:
            if self.is_usable:
                future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
                self._submitted.add(future)
            else:
                coroutine.close()
                raise RuntimeError("the gateway's event loop is closed, or belongs to the process before a fork")
        future.add_done_callback(self._submitted.discard)
        return future

    def close(self) -> None:
        """Cancel what runs, wait for it, and end the thread. No future stays unresolved. Harmless when repeated."""
        if self._pid != os.getpid():
            return
        with self._lock:
            is_first, self._is_closing = not self._is_closing, True
            if is_first:
                self._loop.call_soon_threadsafe(self._start_draining)
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_GRACE_S + 1)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for future in tuple(self._submitted):  # of coroutines that would not be cancelled
            future.cancel()
        self._loop.close()

    def _start_draining(self) -> None:
        # Scheduled after every accepted coroutine, so their tasks are there to be cancelled.
        self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        ends_at = self._loop.time() + CLOSE_GRACE_S
        try:
            while tasks := asyncio.all_tasks() - {self._draining}:
                for task in tasks:
                    task.cancel()
                left_s = ends_at - self._loop.time()
                if left_s <= 0:
                    break
                await asyncio.wait(tasks, timeout=min(left_s, 0.5))
            await self._loop.shutdown_asyncgens()
        finally:
            self._loop.stop()


class _Process:
    """The loop of this process, and what keeps two threads from making two."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: LoopThread | None = None
        self.inherited: list[LoopThread] = []


_process = _Process()


def gateway_loop() -> LoopThread:
    """The loop of this process, started at the first use; a new one where the last was closed."""
    with _process.lock:
        if _process.thread is None or not _process.thread.is_usable:
            _process.thread = LoopThread()
        return _process.thread


def _forget_in_child() -> None:
    # Kept, never closed: its poll object is shared with the parent, whose wake-ups closing it here would disable.
    _process.lock = threading.Lock()
    if _process.thread is not None:
        _process.inherited.append(_process.thread)
        _process.thread = None


def _close_at_exit() -> None:
    if _process.thread is not None:
        _process.thread.close()


def collect_garbage_less_often() -> None:
    """Have this process search for garbage every `COLLECT_EVERY` objects, unless it does so less often or never."""
    first, *others = gc.get_threshold()
    if 0 < first < COLLECT_EVERY:
        gc.set_threshold(COLLECT_EVERY, *others)


os.register_at_fork(after_in_child=_forget_in_child)
atexit.register(_close_at_exit)
