import asyncio
import concurrent.futures
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from blocks.gateway import event_loop
from blocks.gateway.event_loop import LoopThread, gateway_loop

ROOT = Path(__file__).resolve().parents[3]


async def _name_of_thread() -> str:
    return threading.current_thread().name


def test_one_loop_serves_all_threads_of_the_process() -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        loops = list(pool.map(lambda _: gateway_loop(), range(64)))
    assert len({id(loop) for loop in loops}) == 1
    assert gateway_loop().submit(_name_of_thread()).result(60) == "winnow-gateway"


def test_cancelling_the_future_cancels_the_coroutine() -> None:
    loop, started, seen = LoopThread(), threading.Event(), threading.Event()

    async def waits() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.set()
            raise

    future = loop.submit(waits())
    assert started.wait(60)
    assert future.cancel()
    assert seen.wait(60)
    loop.close()


def test_closing_leaves_no_future_unresolved_and_no_coroutine_running() -> None:
    loop, cleaned = LoopThread(), []

    async def waits(number: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(number)

    futures = [loop.submit(waits(number)) for number in range(100)]
    time.sleep(0.05)
    loop.close()
    assert all(future.cancelled() for future in futures)
    assert sorted(cleaned) == list(range(100))
    with pytest.raises(RuntimeError, match="closed"):
        loop.submit(_name_of_thread())
    loop.close()


def test_a_coroutine_that_will_not_be_cancelled_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "CLOSE_GRACE_S", 0.3)
    loop, is_over = LoopThread(), threading.Event()

    async def uncancellable() -> None:
        while not is_over.is_set():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    future = loop.submit(uncancellable())
    time.sleep(0.05)
    loop.close()
    is_over.set()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(60)


def test_what_is_submitted_while_closing_is_run_or_refused_and_never_hangs() -> None:
    for _ in range(20):
        loop = LoopThread()
        outcomes: list[str] = []

        def ask(loop: LoopThread = loop, outcomes: list[str] = outcomes) -> None:
            try:
                loop.submit(asyncio.sleep(0.001)).result(60)
                outcomes.append("run")
            except (RuntimeError, concurrent.futures.CancelledError):
                outcomes.append("refused")

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        loop.close()
        for thread in threads:
            thread.join(60)
        assert len(outcomes) == 8


def test_a_forked_process_gets_a_loop_of_its_own_and_leaves_the_parents_alone() -> None:
    parent = gateway_loop()
    assert parent.submit(_name_of_thread()).result(60)
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            own = gateway_loop()
            answered = own is not parent and own.submit(_name_of_thread()).result(60) == "winnow-gateway"
            parent.close()
            own.close()
            os.write(writes, b"y" if answered and not parent.is_usable else b"n")
        finally:
            os._exit(0)
    os.close(writes)
    said = os.read(reads, 1)
    os.close(reads)
    os.waitpid(child, 0)
    assert said == b"y"
    assert gateway_loop() is parent
    assert parent.submit(_name_of_thread()).result(60) == "winnow-gateway"


@pytest.mark.parametrize("end", ["pass", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 2)"])
def test_a_process_ends_at_once_with_calls_under_way(end: str) -> None:
    program = f"""
import asyncio, time
from blocks.gateway.event_loop import gateway_loop
async def waits():
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned", flush=True)
gateway_loop().submit(waits())
time.sleep(0.1)
{end}
"""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "cleaned\n"
    assert "Exception ignored" not in done.stderr
    assert "never awaited" not in done.stderr
    assert time.monotonic() - started < 50
