"""Progress: every listener gets every event, until it unsubscribes."""

from collections.abc import Iterator
from contextlib import contextmanager

from blocks import progress
from blocks.progress import Event, Passed, Planned, Waiting
from blocks.records import Stage


@contextmanager
def events() -> Iterator[list[Event]]:
    taken: list[Event] = []
    unsubscribe = progress.subscribe(taken.append)
    try:
        yield taken
    finally:
        unsubscribe()


def test_events_reach_every_listener_in_their_order() -> None:
    with events() as first, events() as second:
        progress.publish(Planned("run", 7))
        progress.report("run", Stage.SCORE, 2)
        progress.publish(Waiting("gpt", "it is down", 5.0))
    assert first == second == [Planned("run", 7), Passed("run", Stage.SCORE, 2), Waiting("gpt", "it is down", 5.0)]


def test_a_listener_that_has_unsubscribed_gets_nothing() -> None:
    with events() as taken:
        pass
    with events():
        progress.publish(Planned("run", 1))
    assert taken == []


def test_an_event_without_a_listener_is_lost() -> None:
    progress.report("run", Stage.EXTRACT, 1)
    with events() as taken:
        progress.report("run", Stage.EXTRACT, 2)
    assert taken == [Passed("run", Stage.EXTRACT, 2)]


def test_a_listener_may_unsubscribe_while_it_takes_an_event() -> None:
    taken: list[Event] = []

    def take_one(event: Event) -> None:
        taken.append(event)
        unsubscribe()

    unsubscribe = progress.subscribe(take_one)
    with events() as others:
        progress.publish(Planned("run", 1))
        progress.publish(Planned("run", 2))
    assert taken == [Planned("run", 1)]
    assert len(others) == 2
