import asyncio
import math
import threading
from collections.abc import Sequence

import pytest

from blocks.gateway.spending import group_commit
from blocks.gateway.spending.group_commit import GroupCommit, Rounds

FAR = math.inf


class Squares:
    """Squares numbers, slowly; keeps the groups in which they came."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.unclaimed: list[tuple[int, int]] = []
        self.go = threading.Event()
        self.go.set()

    def work(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(numbers))
        self.go.wait()
        if 1313 in numbers:
            raise RuntimeError("unlucky")
        return [ValueError(str(number)) if number < 0 else number * number for number in numbers]

    def grouped(self, window_s: float = 0.01) -> GroupCommit[int, int]:
        return GroupCommit(
            self.work,
            Rounds(window_s),
            unclaimed=lambda item, result: self.unclaimed.append((item, result)),
        )


async def until_begun(squares: Squares, groups: int) -> None:
    while len(squares.groups) < groups:
        await asyncio.sleep(0.001)


def test_what_is_asked_at_once_is_done_at_once_and_answered_in_order() -> None:
    squares = Squares()

    async def scene() -> list[int]:
        grouped = squares.grouped()
        return await asyncio.gather(*(grouped.ask(number, FAR) for number in range(100)))

    assert asyncio.run(scene()) == [number * number for number in range(100)]
    assert squares.groups == [list(range(100))]


def test_a_group_has_no_more_than_it_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_ITEMS", 4)
    squares = Squares()

    async def scene() -> None:
        grouped = squares.grouped(window_s=0)
        await asyncio.gather(*(grouped.ask(number, FAR) for number in range(10)))

    asyncio.run(scene())
    assert [len(group) for group in squares.groups] == [4, 4, 2]


def test_while_one_group_is_worked_on_the_next_gathers() -> None:
    squares = Squares()

    async def scene() -> None:
        grouped = squares.grouped(window_s=0)
        squares.go.clear()
        tasks = [asyncio.create_task(grouped.ask(0, FAR))]
        await until_begun(squares, 1)
        for number in (1, 2, 3):
            tasks.append(asyncio.create_task(grouped.ask(number, FAR)))
            await asyncio.sleep(0.002)
        squares.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(scene())
    assert squares.groups == [[0], [1, 2, 3]]


def test_an_exception_is_raised_to_the_one_it_is_meant_for_or_to_the_group() -> None:
    squares = Squares()

    async def scene() -> Sequence[int | BaseException]:
        grouped = squares.grouped()
        first = await asyncio.gather(grouped.ask(2, FAR), grouped.ask(-1, FAR), return_exceptions=True)
        return first + await asyncio.gather(grouped.ask(3, FAR), grouped.ask(1313, FAR), return_exceptions=True)

    two, minus, three, unlucky = asyncio.run(scene())
    assert two == 4
    assert isinstance(minus, ValueError)
    assert isinstance(three, RuntimeError)
    assert isinstance(unlucky, RuntimeError)


def test_who_goes_before_his_group_begins_is_not_part_of_it_and_who_goes_later_is_told_of() -> None:
    squares = Squares()

    async def scene() -> None:
        grouped = squares.grouped(window_s=0)
        squares.go.clear()
        begun = asyncio.create_task(grouped.ask(5, FAR))
        await until_begun(squares, 1)
        waiting = asyncio.create_task(grouped.ask(6, FAR))
        await asyncio.sleep(0)
        begun.cancel()
        waiting.cancel()
        squares.go.set()
        assert await grouped.ask(7, FAR) == 49
        for task in (begun, waiting):
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(scene())
    assert squares.groups == [[5], [7]]
    assert squares.unclaimed == [(5, 25)]


def test_a_result_that_comes_in_the_moment_of_cancelling_is_told_of() -> None:
    squares = Squares()

    async def scene() -> None:
        grouped = squares.grouped(window_s=0)

        async def cancel_the_other() -> None:
            await grouped.ask(1, FAR)
            other.cancel()  # whose result is there, and not taken yet

        canceller = asyncio.create_task(cancel_the_other())
        other = asyncio.create_task(grouped.ask(5, FAR))
        await canceller
        with pytest.raises(asyncio.CancelledError):
            await other

    asyncio.run(scene())
    assert squares.groups == [[1, 5]]
    assert squares.unclaimed == [(5, 25)]


def test_at_the_deadline_who_asks_is_told_so_and_what_was_done_for_him_is_told_of() -> None:
    squares = Squares()
    squares.go.clear()

    async def scene() -> None:
        grouped = squares.grouped()
        with pytest.raises(TimeoutError):
            await grouped.ask(5, asyncio.get_running_loop().time() + 0.02)
        squares.go.set()
        assert await grouped.ask(6, FAR) == 36

    asyncio.run(scene())
    assert squares.groups == [[5], [6]]
    assert squares.unclaimed == [(5, 25)]


def test_groups_that_share_their_rounds_are_worked_on_in_one_go_in_the_order_in_which_they_were_made() -> None:
    done: list[tuple[str, int, list[int]]] = []

    async def scene() -> None:
        rounds = Rounds(0.02)

        def group(name: str) -> GroupCommit[int, int]:
            def work(numbers: Sequence[int]) -> Sequence[int]:
                done.append((name, threading.get_ident(), list(numbers)))
                return numbers

            return GroupCommit(work, rounds)

        first, second = group("first"), group("second")
        await first.ask(0, FAR)
        answers = await asyncio.gather(second.ask(1, FAR), first.ask(2, FAR), second.ask(3, FAR))
        assert list(answers) == [1, 2, 3]

    asyncio.run(scene())
    assert [(name, numbers) for name, _, numbers in done] == [("first", [0]), ("first", [2]), ("second", [1, 3])]
    assert done[1][1] == done[2][1] != threading.get_ident()


def test_where_no_thread_is_to_be_had_who_asks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def to_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def scene() -> None:
        grouped = Squares().grouped()
        monkeypatch.setattr(asyncio, "to_thread", to_thread)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await grouped.ask(5, FAR)
        monkeypatch.undo()
        assert await grouped.ask(6, FAR) == 36

    asyncio.run(scene())
