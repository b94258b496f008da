"""Lists of review items: filters, order, and pages by the last item of the page before."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from blocks.database.engine import Database
from blocks.database.review import claims, queue
from blocks.database.review.queue import QueueFilter, count_items, list_items, open_page
from blocks.database.review.tables import review
from blocks.review.errors import ItemMissing
from blocks.review.records import ItemKind, ItemStatus, Role
from tests.database_fixtures import add_documents
from tests.review_items import ANN, AT, open_item

Values = dict[str, Any]
CONTENT: dict[str, Values] = {
    "a": {"priority": 2, "due_at": None, "confidence": 0.1, "created_at": AT},
    "b": {"priority": 2, "due_at": AT, "confidence": 0.9, "created_at": AT - timedelta(days=2)},
    "c": {"priority": 2, "due_at": None, "confidence": 0.1, "kind": "audit"},
    "d": {"priority": 1, "due_at": AT + timedelta(hours=1), "confidence": 0.5, "role": "senior"},
    "e": {
        "priority": 2,
        "due_at": AT,
        "confidence": 0.4,
        "reasons": ["hidden_text", 'low_confidence_100%,"quoted":["quoted"]', '\\\'"cited" by:some', "é" * 3_000],
    },
    "f": {"priority": 2, "due_at": AT, "confidence": 0.4, "document_type": "invoice"},
}


def prepare(database: Database) -> dict[int, str]:
    add_documents(database, *CONTENT)
    names = {open_item(database, name): name for name in CONTENT}
    with database.write() as connection:
        for review_id, name in names.items():
            connection.execute(update(review).where(review.c.review_id == review_id).values(CONTENT[name]))
    return names


def test_pages_follow_each_other_in_the_order_of_work(database: Database) -> None:
    names = prepare(database)
    complete = [row["review_id"] for row in list_items(database)]
    assert "".join(names[id_] for id_ in complete) == "defbac"
    paged: list[int] = []
    while page := list_items(database, limit=2, after=paged[-1] if paged else None):
        paged += [row["review_id"] for row in page]
    assert paged == complete
    with pytest.raises(ItemMissing):
        list_items(database, after=99)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (QueueFilter(document_type="invoice"), "f"),
        (QueueFilter(reason="hidden_text"), "e"),
        (QueueFilter(reason="low_confidence"), "dfbac"),
        (QueueFilter(reason="low_confidence:total"), "dfbac"),
        (QueueFilter(reason="%"), ""),
        (QueueFilter(reason="low"), ""),
        (QueueFilter(reason="quoted"), ""),
        (QueueFilter(reason="cited"), ""),
        (QueueFilter(reason="some"), ""),
        (QueueFilter(priority=1), "d"),
        (QueueFilter(due_before=AT + timedelta(minutes=1)), "efb"),
        (QueueFilter(opened_before=AT - timedelta(days=1)), "b"),
        (QueueFilter(claimed_by="ann"), "d"),
        (QueueFilter(claimed_by="eve"), ""),
        (QueueFilter(text="/IN/B"), "b"),
        (QueueFilter(text="_"), ""),
        (QueueFilter(kind=ItemKind.AUDIT), "c"),
        (QueueFilter(role=Role.SENIOR), "d"),
        (QueueFilter(status=ItemStatus.DECIDED), ""),
        (QueueFilter(priority=2, reason="low_confidence", document_type="receipt"), "bac"),
    ],
)
def test_filters(database: Database, wanted: QueueFilter, found: str) -> None:
    names = prepare(database)
    claims.claim(database, next(id_ for id_, name in names.items() if name == "d"), ANN.model_copy(update=SENIOR))
    assert "".join(names[row["review_id"]] for row in list_items(database, wanted)) == found
    assert count_items(database, wanted) == len(found)


SENIOR = {"role": Role.SENIOR}


def test_a_blind_item_shows_no_values(database: Database) -> None:
    names = prepare(database)
    with database.write() as connection:
        connection.execute(update(review).where(review.c.priority == 1).values(is_blind=True))
    without = [names[row["review_id"]] for row in list_items(database) if not row["fields"]]
    assert without == ["d"]


@pytest.mark.parametrize("counted", [1, 1_000])
@pytest.mark.parametrize(
    "wanted",
    [QueueFilter(), QueueFilter(reason="low_confidence"), QueueFilter(text="/IN/"), QueueFilter(text="nowhere")],
)
def test_a_page_has_the_same_items_whether_its_filter_lets_few_or_many_through(
    database: Database, monkeypatch: pytest.MonkeyPatch, wanted: QueueFilter, counted: int
) -> None:
    prepare(database)
    monkeypatch.setattr(queue, "COUNTED", counted)
    complete = list_items(database, wanted)
    page = open_page(database, wanted, 2)
    assert list(page.items) == complete[:2]
    assert (page.count, page.is_more) == (min(len(complete), counted), len(complete) > counted)
    if len(complete) > 2:
        assert list(open_page(database, wanted, 2, complete[1]["review_id"]).items) == complete[2:4]


def test_items_are_loaded_in_batches_each_once_and_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_documents(database, *"abcdefg")
    for name in "abcdefg":
        open_item(database, name)
    monkeypatch.setattr(queue, "BATCH", 3)
    order = [row["review_id"] for row in queue.list_items(database)]
    for limit in (None, 0, 2, 3, 5, 6, 7, 20):
        loaded = [item.review_id for item, _ in queue.load_items(database, limit=limit)]
        assert loaded == order[:limit], limit
