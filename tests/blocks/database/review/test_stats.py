"""The figures of review, from what people did."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from blocks.database.engine import Database, now
from blocks.database.results.results import NewResult, write_results
from blocks.database.review.decide import decide, undo
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.stats import review_stats
from blocks.database.review.tables import review, review_days, review_events
from blocks.document_types.review_rules import ReviewRules
from blocks.records import Status, Validation
from blocks.review.records import Action, Correction, Decision, Door, ItemKind, Look, Person
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import ANN, BOB, TYPES


def opened(
    database: Database,
    name: str,
    drawn_with: float | None = None,
    rules: ReviewRules | None = None,
    confidences: dict[str, float] | None = None,
) -> int:
    """An item of the audit if it was drawn, else of the queue; returns its id."""
    status = Status.IN_REVIEW if drawn_with is None else Status.ACCEPTED
    reasons = ("low_confidence:total",) if drawn_with is None else ()
    verdict = Validation(
        document_type="receipt",
        status=status,
        confidence=0.5,
        reasons=reasons,
        fields={"total": "9.00"},
        confidences=confidences or {},
    )
    kind = ItemKind.VERDICT if drawn_with is None else ItemKind.AUDIT
    add_documents(database, name)
    with database.write() as connection:
        write_results(database, connection, "run-1", [NewResult(id_of(name), "f", verdict, provisional=False)], now())
        wanted = ReviewNeed(id_of(name), "f", verdict, rules or ReviewRules(), kind, drawn_with)
        sync_review(database, connection, "run-1", [wanted], [], now())
    query = select(review.c.review_id).where(review.c.document_id == id_of(name), review.c.status == "open")
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())


def act(database: Database, review_id: int, action: Action, by: Person = ANN, **content: Any) -> None:
    decision = Decision(review_id=review_id, version=1, action=action, by=by.name, door=Door.PAGE, **content)
    decide(database, decision, by, TYPES)


def corrected(total: str) -> dict[str, Any]:
    looks = {"total": Look(shown_ms=2_000, is_touched=True)}
    return {"corrections": {"total": Correction(value=total)}, "shown_ms": 8_000, "looks": looks}


def test_the_audit_counts_what_people_rejected_or_changed(database: Database) -> None:
    for name, action, content in (
        ("right", Action.ACCEPT, {}),
        ("same", Action.CORRECT, corrected("9.00")),
        ("changed", Action.CORRECT, corrected("10.00")),
        ("rejected", Action.REJECT, {"reason": "no receipt"}),
    ):
        act(database, opened(database, name, drawn_with=0.5), action, **content)
    opened(database, "waits", drawn_with=0.5)
    act(database, opened(database, "of the queue"), Action.CORRECT, **corrected("8.00"))
    [audit] = review_stats(database, days=90).audits
    assert (audit.document_type, audit.waiting) == ("receipt", 1)
    assert (audit.wrong.hits, audit.wrong.counted, audit.wrong.is_exact) == (2, 4, True)
    assert review_stats(database, days=90, document_type="invoice").audits == ()


def test_what_waits_what_was_decided_and_how_long_it_took(database: Database) -> None:
    opened(database, "a")
    opened(database, "b", drawn_with=1.0)
    act(database, opened(database, "c"), Action.CORRECT, **corrected("10.00"))
    taken_back = opened(database, "d")
    act(database, taken_back, Action.ACCEPT, shown_ms=60_000)
    undo(database, taken_back, ANN)
    stats = review_stats(database, days=90)
    assert [(w.kind, w.role, w.items, w.overdue) for w in stats.waiting] == [
        ("audit", "reviewer", 1, 0),
        ("verdict", "reviewer", 2, 0),
    ]
    assert timedelta() <= datetime.now(UTC) - stats.waiting[0].oldest_at < timedelta(hours=1)
    assert [day.decisions for day in stats.decisions] == [1], "what was taken back does not count"
    assert (stats.per_document.counted, stats.per_document.p50_s) == (1, 8.0)
    assert (stats.per_field.counted, stats.per_field.p90_s) == (1, 2.0)
    assert sum((week.reasons.get("low_confidence", 0) for week in stats.reasons), 0) == 3


def test_two_persons_agree_or_do_not(database: Database) -> None:
    two = ReviewRules(decisions=2)
    for name, second in (("a", "9.00"), ("b", "11.00")):
        review_id = opened(database, name, rules=two)
        act(database, review_id, Action.ACCEPT)
        act(database, review_id, Action.CORRECT, BOB, **corrected(second))
    agreement = review_stats(database, days=90).agreement
    assert (agreement.hits, agreement.counted) == (1, 2)


def test_an_empty_queue_has_figures_too(database: Database) -> None:
    stats = review_stats(database, days=1)
    assert (stats.waiting, stats.decisions, stats.audits, stats.agreement.share) == ((), (), (), None)


def test_of_two_decisions_that_differ_the_second_may_be_taken_back(database: Database) -> None:
    """The second person's last word counts, once."""
    review_id = opened(database, "a", rules=ReviewRules(decisions=2))
    act(database, review_id, Action.ACCEPT)
    act(database, review_id, Action.ACCEPT, BOB)
    undo(database, review_id, BOB)
    assert review_stats(database, days=1).agreement.counted == 0
    act(database, review_id, Action.CORRECT, BOB, **corrected("11.00"))
    stats = review_stats(database, days=1)
    assert (stats.agreement.hits, stats.agreement.counted) == (0, 1)
    assert [(a.document_type, a.agreement.counted) for a in stats.agreements] == [("receipt", 1)]


def aged(database: Database, review_id: int, hours: float) -> None:
    """Let an item, and all that happened to it, be so much older."""
    by = timedelta(hours=hours)
    with database.write() as connection:
        for table, column in ((review, "created_at"), (review, "decided_at"), (review_events, "happened_at")):
            at = connection.execute(select(table.c[column]).where(table.c.review_id == review_id)).scalars().first()
            if at is not None:
                of_item = update(table).where(table.c.review_id == review_id)
                connection.execute(of_item.values({column: at - by}))


def test_ages_and_sizes_of_the_queue(database: Database) -> None:
    for name, hours in (("new", 0.0), ("half a day", 12.0), ("old", 24.0 * 30)):
        aged(database, opened(database, name), hours)
    decided = opened(database, "decided")
    aged(database, decided, 48)
    act(database, decided, Action.ACCEPT)
    stats = review_stats(database, days=4)
    assert {group.below_h: group.items for group in stats.ages if group.items} == {1: 1, 24: 1, None: 1}
    assert (len(stats.sizes), stats.sizes[0].items, stats.sizes[-1].items) == (4, 1, 3)


def test_an_item_that_is_reopened_and_superseded_ceased_to_be_open_once(database: Database) -> None:
    """A run that reopens a decided document supersedes its item where nobody needs to look at it any more."""
    other = opened(database, "waits")
    aged(database, other, 24)
    review_id = opened(database, "a")
    act(database, review_id, Action.ACCEPT)
    with database.write() as connection:
        sync_review(database, connection, "run-2", [], [id_of("a")], now(), reopened=[id_of("a")])
    assert [day.items for day in review_stats(database, days=2).sizes] == [1, 1]


def test_confidence_against_what_people_left_as_it_was(database: Database) -> None:
    for number, (action, content) in enumerate(
        [(Action.ACCEPT, {}), (Action.ACCEPT, {}), (Action.CORRECT, corrected("10.00"))]
    ):
        act(database, opened(database, f"{number}", confidences={"total": 0.7}), action, **content)
    taken_back = opened(database, "taken back", confidences={"total": 0.7})
    act(database, taken_back, Action.CORRECT, **corrected("10.00"))
    undo(database, taken_back, ANN)
    act(database, opened(database, "sure", confidences={"total": 1.0}), Action.ACCEPT)
    found = review_stats(database, days=1).calibration
    assert [(group.low, group.high, group.mean, group.right, group.counted) for group in found] == [
        (0.7, 0.8, 0.7, 2, 3),
        (0.9, 1.0, 1.0, 1, 1),
    ]


def test_days_that_are_over_are_counted_once(database: Database) -> None:
    """Kept figures and those that are counted anew come to the same; only the past is kept."""
    for name, hours in (("a", 72.0), ("b", 0.0)):
        review_id = opened(database, name)
        act(database, review_id, Action.CORRECT, **corrected("10.00"))
        aged(database, review_id, hours)
    first = review_stats(database, days=7)
    assert (len(first.decisions), first.per_document.counted, first.per_field.p50_s) == (2, 2, 2.0)
    with database.read() as connection:
        kept = set(connection.execute(select(review_days.c.day)).scalars())
    assert str(first.sizes[-1].day) not in kept
    assert str(first.decisions[0].day) in kept
    with database.write() as connection:
        three_days_ago = review_events.c.happened_at < now() - timedelta(days=2)
        connection.execute(update(review_events).where(three_days_ago).values(event="returned"))
    assert review_stats(database, days=7) == first, "the past is not counted again"
    assert review_stats(database, days=7, document_type="invoice").decisions == ()
