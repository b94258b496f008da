"""The chain of hashes names the first entry that was tampered with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from blocks.review.chain import Broken, Entry, Head, entry_hash, verify

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
Link = tuple[Entry, str, str]


def chain(length: int) -> tuple[list[Link], Head]:
    links, head = [], Head()
    for number in range(1, length + 1):
        entry = Entry(number, 7, "opened", {"reasons": ["a"], "version": number}, "ann", None, AT)
        hashed = entry_hash(head.hash, entry)
        links.append((entry, head.hash, hashed))
        head = Head(number, hashed)
    return links, head


def test_an_untouched_chain_holds() -> None:
    links, head = chain(5)
    assert verify(links, head) == head
    assert verify([], Head()) == Head()


@pytest.mark.parametrize(
    "change",
    [
        {"review_id": 8},
        {"event": "decided"},
        {"content": {"reasons": [], "version": 3}},
        {"actor": "bob"},
        {"run_id": "r"},
        {"happened_at": AT + timedelta(microseconds=1)},
    ],
)
def test_each_changed_column_breaks_the_chain_at_its_entry(change: dict[str, object]) -> None:
    links, head = chain(5)
    entry, previous, hashed = links[2]
    links[2] = (replace(entry, **change), previous, hashed)  # type: ignore[arg-type]
    assert verify(links, head) == Broken(3, "its content was changed")


def test_a_changed_entry_with_a_new_hash_breaks_the_next_one() -> None:
    links, head = chain(5)
    entry, previous, _ = links[2]
    forged = replace(entry, actor="bob")
    links[2] = (forged, previous, entry_hash(previous, forged))
    assert verify(links, head) == Broken(4, "it does not follow the entry before it")


def test_removed_and_added_entries_are_named() -> None:
    links, head = chain(5)
    assert verify(links[:2] + links[3:], head) == Broken(3, "it is missing")
    assert verify(links[:4], head) == Broken(5, "entries at the end were removed or added")
    assert verify(links, Head(4, links[3][2])) == Broken(5, "entries at the end were removed or added")
