"""Notices in the database: each level once, each message claimed by one sender, none lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from blocks.database.engine import Database
from blocks.database.review import claims
from blocks.database.review.decide import decide
from blocks.database.review.item_content import read_item
from blocks.database.review.items import sync_review
from blocks.database.review.notices import Raised, claim_messages, confirm_sent, leave_unsent, raise_levels
from blocks.database.review.tables import review, review_events, review_notices
from blocks.database.review.verify import verify_trail
from blocks.document_types.review_rules import BusinessHours, ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.review.chain import Head
from blocks.review.errors import NotAllowed
from blocks.review.records import Action, Decision, Door, Person, Role
from tests.blocks.database.review.test_items import AT, need
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of

OPS = "custom-webhook/ops"
ANN = Person(name="ann")


def receipts(**rules: Any) -> dict[str, DocumentType]:
    fields = {"total": DocumentField(type=FieldType.MONEY)}
    return {"receipt": DocumentType(name="receipt", title="Receipt", fields=fields, review=ReviewRules(**rules))}


def open_items(database: Database, *names: str, due_minutes: int = 120, at: datetime = AT) -> None:
    add_documents(database, *names)
    with database.write() as connection:
        sync_review(database, connection, "run-1", [need(n, due_minutes=due_minutes) for n in names], [], at)


def raise_at(database: Database, minutes: float, *blocks: str, again: float = 480) -> Raised:
    return raise_levels(database, receipts(), again, blocks or (OPS,), AT + timedelta(minutes=minutes))


def events(database: Database) -> list[tuple[str, int]]:
    query = select(review_events.c.event, review_events.c.content).order_by(review_events.c.event_id)
    with database.read() as connection:
        return [(event, content["level"]) for event, content in connection.execute(query) if "level" in content]


def item_id(database: Database, name: str) -> int:
    with database.read() as connection:
        query = select(review.c.review_id).where(review.c.document_id == id_of(name))
        return int(connection.execute(query).scalar_one())


def messages(database: Database) -> list[dict[str, Any]]:
    with database.read() as connection:
        query = select(review_notices).order_by(review_notices.c.review_id, review_notices.c.level)
        return [dict(row) for row in connection.execute(query).mappings()]


def test_an_item_is_reminded_of_then_escalated_then_escalated_again(database: Database) -> None:
    open_items(database, "a")
    assert raise_at(database, 59) == Raised()
    assert raise_at(database, 60) == Raised(reminded=1)
    assert read_item(database, item_id(database, "a")).role is Role.REVIEWER
    assert raise_at(database, 119) == Raised()
    assert raise_at(database, 120) == Raised(escalated=1)
    assert read_item(database, item_id(database, "a")).role is Role.SENIOR
    assert raise_at(database, 599) == Raised()
    assert raise_at(database, 600) == Raised(escalated=1)
    assert raise_at(database, 600) == Raised()
    assert events(database) == [("reminded", 1), ("escalated", 2), ("escalated", 3)]
    assert isinstance(verify_trail(database), Head)


def test_a_clock_that_is_set_back_repeats_nothing(database: Database) -> None:
    open_items(database, "a", "b")
    assert raise_at(database, 125) == Raised(escalated=2)
    for minutes in (65, 119, 125, 185):
        assert raise_at(database, minutes) == Raised()
    assert events(database) == [("escalated", 2)] * 2
    assert [message["level"] for message in messages(database)] == [2, 2]


def test_hours_of_the_type_count(database: Database) -> None:
    hours = BusinessHours(opens=time(13), closes=time(14), timezone="UTC")
    types = receipts(hours=hours)
    monday = datetime(2026, 11, 2, 12, tzinfo=UTC)
    add_documents(database, "a")
    wanted = need("a", due_minutes=120)
    with database.write() as connection:
        sync_review(
            database, connection, "r", [type(wanted)(*_with_rules(wanted, types["receipt"].review))], [], monday
        )

    def levels_at(day: int, hour: int) -> Raised:
        return raise_levels(database, types, 60, (OPS,), datetime(2026, 11, day, hour, 30, tzinfo=UTC))

    assert levels_at(2, 13) == Raised()
    assert levels_at(3, 12) == Raised(reminded=1), "an hour has passed when they closed on Monday"
    assert levels_at(3, 13) == Raised()
    assert levels_at(3, 14) == Raised(escalated=1)
    assert levels_at(4, 13) == Raised()
    assert levels_at(4, 15) == Raised(escalated=1)


def _with_rules(wanted: Any, rules: ReviewRules) -> tuple[Any, ...]:
    return wanted.document_id, wanted.fingerprint, wanted.validation, rules


def test_many_flow_runs_at_once_raise_each_level_once(database: Database) -> None:
    names = [f"n{number}" for number in range(30)]
    open_items(database, *names)
    with ThreadPoolExecutor(6) as pool:
        raised = list(pool.map(lambda _: raise_at(database, 120), range(12)))
    assert sum(one.escalated for one in raised) == 30
    assert events(database) == [("escalated", 2)] * 30
    with ThreadPoolExecutor(6) as pool:
        claimed = [notice for found in pool.map(lambda _: claim_messages(database, OPS), range(12)) for notice in found]
    assert len(claimed) == len({notice.review_id for notice in claimed}) == 30


def test_decided_and_superseded_items_are_left_alone(database: Database) -> None:
    open_items(database, "a", "b")
    raise_at(database, 60)
    with database.write() as connection:
        sync_review(database, connection, "run-2", [], [id_of("a")], AT)
    assert raise_at(database, 120) == Raised(escalated=1)
    assert [notice.review_id for notice in claim_messages(database, OPS)] == [item_id(database, "b")]


def test_an_item_without_a_due_time_is_never_late(database: Database) -> None:
    add_documents(database, "a")
    with database.write() as connection:
        sync_review(database, connection, "run-1", [need("a")], [], AT)
    assert raise_at(database, 1_000_000) == Raised()


def test_more_late_items_than_fit_a_transaction(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocks.database.review.notices._AT_ONCE", 3)
    open_items(database, *(f"n{number}" for number in range(7)))
    assert raise_at(database, 60) == Raised(reminded=7)


def test_each_block_gets_its_message_once(database: Database) -> None:
    open_items(database, "a", "b")
    raise_at(database, 120, OPS, "slack-webhook/team")
    ops = claim_messages(database, OPS)
    assert [(notice.level, notice.role, notice.document_type) for notice in ops] == [(2, "senior", "receipt")] * 2
    assert claim_messages(database, OPS) == [], "another sender has them"
    confirm_sent(database, OPS, ops)
    assert claim_messages(database, OPS) == []
    assert len(claim_messages(database, "slack-webhook/team")) == 2
    assert claim_messages(database, "no/block") == []
    assert {message["sent_at"] is not None for message in messages(database) if message["block"] == OPS} == {True}


def test_a_message_that_could_not_be_sent_is_sent_by_the_next_sender(database: Database) -> None:
    open_items(database, "a")
    raise_at(database, 120)
    leave_unsent(database, OPS, claim_messages(database, OPS), "it answered 503")
    [message] = messages(database)
    assert (message["sent_at"], message["message"]) == (None, "it answered 503")
    confirm_sent(database, OPS, claim_messages(database, OPS))
    [message] = messages(database)
    assert (message["sent_at"] is not None, message["message"]) == (True, None)


def test_a_message_whose_sender_died_is_sent_again_after_its_claim(database: Database) -> None:
    open_items(database, "a")
    raise_at(database, 120)
    [notice] = claim_messages(database, OPS)
    with database.write() as connection:
        connection.execute(update(review_notices).values(sending_until=datetime(2026, 1, 1, tzinfo=UTC)))
    assert claim_messages(database, OPS) == [notice]


def test_an_item_with_several_unsent_levels_is_in_one_message(database: Database) -> None:
    open_items(database, "a")
    for minutes in (60, 120, 600):
        raise_at(database, minutes)
    [notice] = claim_messages(database, OPS)
    assert notice.level == 3
    confirm_sent(database, OPS, [notice])
    assert all(message["sent_at"] for message in messages(database))


def test_without_blocks_items_are_escalated_all_the_same(database: Database) -> None:
    open_items(database, "a")
    assert raise_levels(database, {}, 480, (), AT + timedelta(hours=2)) == Raised(escalated=1)
    assert messages(database) == []


def test_a_later_result_keeps_the_level_and_the_role(database: Database) -> None:
    open_items(database, "a")
    raise_at(database, 120)
    for fingerprint, version in (("f", 1), ("g", 2)):
        with database.write() as connection:
            wanted = need("a", due_minutes=120, fingerprint=fingerprint)
            sync_review(database, connection, "run-2", [wanted], [], AT + timedelta(hours=3))
        item = read_item(database, item_id(database, "a"))
        assert (item.version, item.role) == (version, Role.SENIOR)
        assert raise_at(database, 181) == Raised()
    assert raise_at(database, 600) == Raised(escalated=1)


def test_who_has_claimed_an_item_may_finish_it_when_it_is_escalated(database: Database) -> None:
    open_items(database, "a", "b")
    claims.claim(database, item_id(database, "a"), ANN)
    raise_at(database, 120)
    for name, refused in (("a", False), ("b", True)):
        decision = Decision(
            review_id=item_id(database, name),
            version=1,
            action=Action.REJECT,
            by="ann",
            door=Door.PAGE,
            reason="no receipt",
        )
        if refused:
            with pytest.raises(NotAllowed):
                decide(database, decision, ANN, receipts())
        else:
            assert decide(database, decision, ANN, receipts()).event == "decided"
