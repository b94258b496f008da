from datetime import UTC, datetime, timedelta

from blocks.database.review.notices import Notice
from tasks.escalate.message import message_of

DUE = datetime(2026, 11, 30, 9, tzinfo=UTC)


def notice(review_id: int, level: int) -> Notice:
    role = "senior" if level > 1 else "reviewer"
    return Notice(review_id, level, "receipt", "verdict", role, DUE + timedelta(minutes=review_id))


def test_a_message_lists_the_items_with_their_times() -> None:
    message = message_of([notice(1, 3), notice(2, 2), notice(3, 1)], "https://winnow.example/review")
    assert message.subject == "Winnow: of the review items, 2 are due and 1 has half of the time left"
    assert message.body.splitlines() == [
        "- item 1: receipt, due 2026-11-30 09:01 UTC, a senior must decide, notice 2",
        "- item 2: receipt, due 2026-11-30 09:02 UTC, a senior must decide",
        "- item 3: receipt, due 2026-11-30 09:03 UTC, a reviewer must decide",
        "",
        "https://winnow.example/review",
    ]


def test_a_long_message_ends_with_how_many_more_there_are() -> None:
    message = message_of([notice(number, 1) for number in range(80)], None)
    assert message.subject == "Winnow: of the review items, 80 have half of the time left"
    assert message.body.splitlines()[49:] == [
        "- item 49: receipt, due 2026-11-30 09:49 UTC, a reviewer must decide",
        "… and 30 more",
        "",
        "winnow review list",
    ]
