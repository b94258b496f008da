"""The review queue: its order, and what happens to an item when its document is run again."""

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from blocks.database.engine import Database
from blocks.database.results.results import NewResult, write_results
from blocks.database.results.views import create_views
from blocks.database.review import tables
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.queue import QueueFilter, list_items
from blocks.records import Status, Validation
from blocks.review.records import ItemStatus
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=3)


def need(
    name: str,
    *,
    fingerprint: str = "f",
    reasons: tuple[str, ...] = ("low_confidence:total",),
    confidence: float = 0.5,
    priority: int = 3,
    due_minutes: int | None = None,
) -> ReviewNeed:
    verdict = Validation(
        document_type="receipt",
        status=Status.IN_REVIEW,
        confidence=confidence,
        reasons=reasons,
        fields={"total": "9.00"},
        priority=priority,
        due_minutes=due_minutes,
    )
    return ReviewNeed(id_of(name), fingerprint, verdict)


def sync(
    database: Database, *needs: ReviewNeed, settled: tuple[str, ...] = (), run_id: str = "run-1", at: datetime = AT
) -> None:
    with database.write() as connection:
        sync_review(database, connection, run_id, needs, [id_of(name) for name in settled], at)


def queue(database: Database) -> list[str]:
    return [item["uri"].removeprefix("/in/") for item in list_items(database)]


def events(database: Database) -> list[tuple[Any, ...]]:
    event = tables.review_events.c
    query = select(event.review_id, event.event, event.content, event.run_id, event.happened_at)
    with database.read() as connection:
        rows = connection.execute(query.order_by(event.event_id)).all()
    return [(id_, name, {"reasons": content.get("reasons", [])}, *rest) for id_, name, content, *rest in rows]


def test_an_item_has_all_that_a_reviewer_needs(database: Database) -> None:
    add_documents(database, "a")
    wanted = need("a", due_minutes=90)
    sync(database, wanted)
    with database.write() as connection:
        new = NewResult(id_of("a"), "f", wanted.validation, provisional=False)
        write_results(database, connection, "run-1", [new], AT)
    (item,) = list_items(database)
    assert item.pop("review_id") > 0
    assert item == {
        "version": 1,
        "document_id": id_of("a"),
        "uri": "/in/a",
        "document_type": "receipt",
        "status": "open",
        "kind": "verdict",
        "role": "reviewer",
        "claimed_by": None,
        "is_blind": False,
        "reasons": ["low_confidence:total"],
        "confidence": 0.5,
        "priority": 3,
        "due_at": "2026-11-01T13:30:00+00:00",
        "fields": {"total": "9.00"},
    }
    with database.read() as connection:
        row = connection.execute(select(tables.review)).mappings().one()
    assert (row["created_at"], row["run_id"], row["fingerprint"]) == (AT, "run-1", "f")


def test_a_reviewer_works_by_priority_then_due_time_then_confidence(database: Database) -> None:
    names = ("last", "undated", "undated-sure", "late", "early-sure", "early", "urgent")
    add_documents(database, *names)
    sync(
        database,
        need("last", priority=5, due_minutes=1, confidence=0.0),
        need("undated-sure", confidence=0.2),
        need("undated", confidence=0.1),
        need("late", due_minutes=90, confidence=0.1),
        need("early-sure", due_minutes=30, confidence=0.9),
        need("early", due_minutes=30, confidence=0.3),
        need("urgent", priority=1, confidence=0.9),
    )
    assert queue(database) == ["urgent", "early", "early-sure", "late", "undated", "undated-sure", "last"]


def test_items_that_are_alike_come_in_the_order_of_their_opening(database: Database) -> None:
    names = [f"n{number}" for number in range(8)]
    add_documents(database, *names)
    for name in (opened := ["n3", "n1", "n7", "n0"]):
        sync(database, need(name))
    sync(database, need("n3", fingerprint="g"))  # an update moves a row to the end of PostgreSQL's table
    assert queue(database) == opened


def test_a_view_and_the_list_have_the_same_order(database: Database) -> None:
    create_views(database, {})
    add_documents(database, "a", "b", "c", "d")
    sync(
        database,
        need("a", confidence=0.9),
        need("b", confidence=0.1),
        need("c", due_minutes=5, confidence=0.8),
        need("d", priority=1),
    )
    with database.read() as connection:
        ids = list(connection.execute(text("SELECT document_id FROM review_queue")).scalars())
    assert ids == [item["document_id"] for item in list_items(database)] == [id_of(name) for name in "dcba"]


def test_an_item_without_a_result_has_no_fields(database: Database) -> None:
    add_documents(database, "a", "b")
    other = need("a", fingerprint="other")
    sync(database, need("a"), need("b"))
    with database.write() as connection:
        new = NewResult(id_of("a"), other.fingerprint, other.validation, provisional=False)
        write_results(database, connection, "run-1", [new], AT)
    assert [item["fields"] for item in list_items(database)] == [{}, {}]


def test_a_repeat_changes_nothing(database: Database) -> None:
    add_documents(database, "a")
    sync(database, need("a", due_minutes=30))
    before, logged = list_items(database), events(database)
    sync(database, need("a", due_minutes=30), run_id="run-2", at=LATER)
    assert list_items(database) == before
    assert events(database) == logged
    with database.read() as connection:
        assert connection.execute(select(tables.review.c.run_id)).scalars().all() == ["run-1"]


@pytest.mark.parametrize(
    "changed",
    [
        {"fingerprint": "g"},
        {"reasons": ("outlier:total",)},
        {"confidence": 0.6},
        {"priority": 1},
        {"due_minutes": 60},
        {"due_minutes": None},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_change_updates_the_open_item(database: Database, changed: dict[str, Any]) -> None:
    add_documents(database, "a", "b")
    sync(database, need("a", due_minutes=30), need("b"))
    known = {item["document_id"]: item["review_id"] for item in list_items(database)}
    sync(database, need("a", **({"due_minutes": 30} | changed)), run_id="run-2", at=LATER)
    items = {item["document_id"]: item for item in list_items(database)}
    assert {id_: item["review_id"] for id_, item in items.items()} == known
    with database.read() as connection:
        row = connection.execute(select(tables.review).where(tables.review.c.document_id == id_of("a"))).mappings()
        item = dict(row.one())
    assert (item["run_id"], item["created_at"], item["status"]) == ("run-2", AT, "open")
    for name, value in changed.items():
        if name == "due_minutes":
            assert item["due_at"] == (value and AT + timedelta(minutes=value)), "counted from the opening"
        else:
            assert item[name] == (list(value) if name == "reasons" else value)
    reasons = list(changed.get("reasons", ("low_confidence:total",)))
    assert events(database)[2:] == [(known[id_of("a")], "updated", {"reasons": reasons}, "run-2", LATER)]
    assert items[id_of("b")]["confidence"] == 0.5


def test_a_document_that_settles_leaves_the_queue(database: Database) -> None:
    add_documents(database, "a", "b", "c")
    sync(database, need("a"), need("b"))
    ids = {item["document_id"]: item["review_id"] for item in list_items(database)}
    sync(database, settled=("a", "c"), run_id="run-2", at=LATER)
    assert queue(database) == ["b"]
    (closed,) = list_items(database, QueueFilter(status=ItemStatus.SUPERSEDED))
    assert (closed["review_id"], closed["status"]) == (ids[id_of("a")], "superseded")
    assert events(database)[2:] == [(ids[id_of("a")], "superseded", {"reasons": []}, "run-2", LATER)]
    sync(database, settled=("a",), run_id="run-3")
    assert len(events(database)) == 3, "closing twice is closing once"


def test_a_document_may_come_back_to_the_queue(database: Database) -> None:
    add_documents(database, "a")
    sync(database, need("a", due_minutes=30))
    sync(database, settled=("a",))
    sync(database, need("a", due_minutes=30), run_id="run-3", at=LATER)
    (item,), (earlier,) = list_items(database), list_items(database, QueueFilter(status=ItemStatus.SUPERSEDED))
    assert item["review_id"] != earlier["review_id"]
    assert item["due_at"] == "2026-11-01T15:30:00+00:00", "counted from the new opening"
    assert [(event, run_id) for _, event, _, run_id, _ in events(database)] == [
        ("opened", "run-1"),
        ("superseded", "run-1"),
        ("opened", "run-3"),
    ]


def test_needs_and_settled_documents_go_together(database: Database) -> None:
    add_documents(database, "new", "same", "changed", "settled", "other")
    sync(database, need("same"), need("changed"), need("settled"), need("other"))
    sync(database, need("new"), need("same"), need("changed", priority=1), settled=("settled",), at=LATER)
    assert sorted(queue(database)) == ["changed", "new", "other", "same"]
    assert sorted(event for _, event, *_ in events(database)[4:]) == ["opened", "superseded", "updated"]


def test_an_opening_is_logged_with_its_reasons(database: Database) -> None:
    add_documents(database, "a", "b")
    sync(database, need("a", reasons=("first",)), need("b", reasons=("second",)))
    by_item = {item["review_id"]: item["reasons"] for item in list_items(database)}
    logged = {id_: content["reasons"] for id_, event, content, *_ in events(database) if event == "opened"}
    assert logged == by_item
    assert sorted(by_item.values()) == [["first"], ["second"]]


def test_a_decided_item_is_no_open_item(database: Database) -> None:
    """A person has decided; a later run that wants a look opens an item of its own."""
    add_documents(database, "a")
    sync(database, need("a"))
    with database.write() as connection:
        connection.execute(update(tables.review).values(status="decided", decided_by="ada", decided_at=AT))
    assert queue(database) == []
    sync(database, settled=("a",))
    assert [item["status"] for item in list_items(database, QueueFilter(status=ItemStatus.DECIDED))] == ["decided"]
    sync(database, need("a"), run_id="run-2")
    assert queue(database) == ["a"]
    assert len(list_items(database, QueueFilter(status=ItemStatus.DECIDED))) == 1


def test_a_document_has_one_open_item(database: Database) -> None:
    add_documents(database, "a")
    sync(database, need("a"))
    with database.write() as connection:
        connection.execute(update(tables.review).values(status="superseded"))
    sync(database, need("a"))
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(update(tables.review).values(status="open"))


def test_an_item_without_a_due_time_has_none(database: Database) -> None:
    add_documents(database, "a", "b")
    sync(database, need("a"), need("b", due_minutes=0))
    due = {item["uri"]: item["due_at"] for item in list_items(database)}
    assert due == {"/in/a": None, "/in/b": "2026-11-01T12:00:00+00:00"}


def test_due_times_are_listed_in_utc(database: Database) -> None:
    add_documents(database, "a")
    sync(database, need("a", due_minutes=30), at=AT.astimezone(timezone(timedelta(hours=5))))
    assert list_items(database)[0]["due_at"] == "2026-11-01T12:30:00+00:00"


def test_due_times_are_listed_in_utc_whatever_the_time_zone_of_the_machine(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_documents(sqlite_database, "a")
    sync(sqlite_database, need("a", due_minutes=30))
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Karachi")
        time.tzset()
        (item,) = list_items(sqlite_database)
    time.tzset()
    assert item["due_at"] == "2026-11-01T12:30:00+00:00"
