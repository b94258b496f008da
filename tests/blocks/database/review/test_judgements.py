"""Judgements on single fields in the database: recorded once, on a version; they decide nothing by themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from blocks.database.engine import Database
from blocks.database.review import claims
from blocks.database.review.decide import decide
from blocks.database.review.item_content import read_item
from blocks.database.review.judgements import judge, read_judged, undo_judgement
from blocks.database.review.strips import Strip, count_audits, count_unsure_fields, strip_items
from blocks.database.review.tables import review, review_answers, review_events, review_judgements
from blocks.database.review.verify import verify_trail
from blocks.document_types.review_rules import ReviewRules
from blocks.errors import DatabaseUnreachable
from blocks.review.chain import Head
from blocks.review.errors import InvalidDecision, ItemClaimed, ItemReplaced, SecondLookNeeded, UnknownField
from blocks.review.records import (
    Action,
    Correction,
    Decision,
    Door,
    FieldJudgement,
    ItemKind,
    ItemStatus,
    Judgement,
    Look,
    Person,
)
from tests.database_fixtures import add_documents
from tests.review_items import ANN, AT, BOB, RECEIPT, SUE, TYPES, open_item

TOTALS = Strip(document_type="receipt", field="total")


def judged(
    database: Database, review_id: int, says: Judgement = Judgement.RIGHT, by: Person = ANN, **given: Any
) -> int:
    content = {"version": 1, "field": "total", "shown_ms": 900} | given
    judgement = FieldJudgement(review_id=review_id, judgement=says, by=by.name, door=Door.PAGE, **content)
    return judge(database, judgement, by, TYPES).event_id


def accept(database: Database, review_id: int, by: Person = ANN, **content: Any) -> None:
    decision = Decision(
        review_id=review_id,
        version=1,
        action=content.pop("action", Action.ACCEPT),
        by=by.name,
        door=Door.PAGE,
        **content,
    )
    decide(database, decision, by, TYPES)


def counted(database: Database, by: Person = ANN) -> dict[str, int]:
    return {count.field: count.items for count in count_unsure_fields(database, TYPES, by)}


def ids(database: Database, by: Person = ANN, wanted: Strip = TOTALS) -> list[int]:
    return [item.review_id for item in strip_items(database, wanted, RECEIPT, by)]


def test_a_judgement_is_recorded_with_what_was_shown_and_leaves_the_item_open(database: Database) -> None:
    add_documents(database, "a")
    review_id = open_item(database)
    event_id = judged(database, review_id)
    assert judged(database, review_id) == event_id  # sent twice
    with database.read() as connection:
        rows = connection.execute(select(review_judgements)).mappings().all()
        logged = connection.execute(select(review_events.c.event, review_events.c.actor)).all()
    (row,) = rows
    names = ("version", "field", "judgement", "shown", "confidence", "shown_ms", "judged_by", "undone_at")
    assert [row[name] for name in names] == [1, "total", "right", "9.00", 0.5, 900, "ann", None]
    assert row["evidence"][0]["quote"] == "Total 9.00"
    assert [tuple(event) for event in logged] == [("opened", None), ("judged", "ann")]
    assert read_item(database, review_id).status is ItemStatus.OPEN
    assert isinstance(verify_trail(database), Head)


def test_the_decision_has_the_judgement_in_its_answers(database: Database) -> None:
    add_documents(database, "a")
    review_id = open_item(database)
    judged(database, review_id)
    accept(database, review_id, BOB)
    answer = review_answers.c
    with database.read() as connection:
        query = select(answer.field, answer.is_touched, answer.shown_ms).order_by(answer.field)
        assert [tuple(row) for row in connection.execute(query)] == [("company", False, 0), ("total", True, 900)]


@pytest.mark.parametrize("says", [Judgement.WRONG, Judgement.UNREADABLE])
def test_a_field_that_was_found_wrong_is_looked_at_before_its_document_is_accepted(
    database: Database, says: Judgement
) -> None:
    add_documents(database, "a", "b")
    first, second = open_item(database, "a"), open_item(database, "b")
    for review_id in (first, second):
        judged(database, review_id, says)
        with pytest.raises(InvalidDecision, match=f"ann found total of review item {review_id} {says}"):
            accept(database, review_id, BOB)
    accept(database, first, BOB, looks={"total": Look(shown_ms=1, is_touched=True)})
    accept(database, second, BOB, action=Action.CORRECT, corrections={"total": Correction(value="9.00")})
    assert read_item(database, first).status is ItemStatus.DECIDED
    assert read_item(database, second).status is ItemStatus.DECIDED


def test_an_undone_judgement_does_not_count_and_the_one_before_does_again(database: Database) -> None:
    add_documents(database, "a")
    review_id = open_item(database)
    judged(database, review_id, Judgement.WRONG)
    judged(database, review_id, Judgement.RIGHT)
    undo_judgement(database, review_id, "total", ANN)
    assert read_judged(database, read_item(database, review_id), "bob")["total"].judgement is Judgement.WRONG
    undo_judgement(database, review_id, "total", ANN)
    assert read_judged(database, read_item(database, review_id), "bob") == {}
    with pytest.raises(InvalidDecision, match="no judgement on total"):
        undo_judgement(database, review_id, "total", ANN)
    assert isinstance(verify_trail(database), Head)


def test_a_commit_whose_answer_is_lost_takes_one_judgement_back(database: Database, monkeypatch: Any) -> None:
    add_documents(database, "a")
    review_id = open_item(database)
    judged(database, review_id, Judgement.WRONG)
    judged(database, review_id, Judgement.RIGHT)
    real, lost = Database.write, iter([True])

    @contextmanager
    def losing(self: Database) -> Iterator[Connection]:
        with real(self) as connection:
            yield connection
        if next(lost, False):
            raise DatabaseUnreachable(str(self.url), "the connection is lost", may_pass=True)

    monkeypatch.setattr(Database, "write", losing)
    undo_judgement(database, review_id, "total", ANN)
    assert next(lost, None) is None
    assert read_judged(database, read_item(database, review_id), "bob")["total"].judgement is Judgement.WRONG


def test_a_judgement_belongs_to_the_version_that_was_shown(database: Database) -> None:
    add_documents(database, "a")
    review_id = open_item(database)
    judged(database, review_id)
    assert ids(database) == []
    open_item(database, total="10.00", fingerprint="g")
    with pytest.raises(ItemReplaced, match=r"total is '10.00' and was '9.00'"):
        judged(database, review_id)
    assert read_judged(database, read_item(database, review_id), "ann") == {}
    assert ids(database) == [review_id]


def test_what_may_not_be_judged(database: Database) -> None:
    add_documents(database, "a")
    review_id = open_item(database)
    with pytest.raises(UnknownField):
        judged(database, review_id, field="vat")
    claims.claim(database, review_id, BOB)
    with pytest.raises(ItemClaimed):
        judged(database, review_id)
    judged(database, review_id, by=BOB)
    with pytest.raises(ItemClaimed):
        undo_judgement(database, review_id, "total", ANN)


def test_of_two_persons_who_must_decide_each_counts_on_their_own_judgements(database: Database) -> None:
    add_documents(database, "a")
    review_id = open_item(database, rules=ReviewRules(decisions=2))
    judged(database, review_id, Judgement.WRONG)
    assert read_judged(database, read_item(database, review_id), "bob") == {}
    assert ids(database, BOB) == [review_id]
    accept(database, review_id, BOB)
    with pytest.raises(SecondLookNeeded):
        judged(database, review_id, by=BOB)
    assert ids(database, BOB) == []


def test_a_strip_has_the_items_whose_field_is_in_doubt_and_that_nobody_else_has(database: Database) -> None:
    add_documents(database, *"abcd")
    items = [open_item(database, name) for name in "abcd"]
    assert ids(database) == items
    assert ids(database, wanted=Strip(document_type="receipt", field="company")) == []
    assert ids(database, wanted=TOTALS.model_copy(update={"after": items[1]})) == items[2:]
    claims.claim(database, items[0], BOB)
    judged(database, items[1])
    assert ids(database) == items[2:]
    assert ids(database, BOB) == [items[0], *items[2:]]
    with database.write() as connection:
        reasons = ["low_confidence:total", "contradiction:total 9.00 is not 8.00 of company", "missing:company"]
        connection.execute(update(review).where(review.c.review_id == items[3]).values(reasons=reasons))
        connection.execute(
            update(review).where(review.c.review_id == items[2]).values(reasons=["missing:company", "invalid:total:x"])
        )
    assert counted(database) == {"total": 1, "company": 1}  # without what bob has, and what was judged
    assert counted(database, BOB) == {"total": 2, "company": 1}
    judged(database, items[3], Judgement.WRONG)
    judged(database, items[3])
    assert counted(database) == {"company": 1}
    undo_judgement(database, items[3], "total", ANN)
    assert counted(database) == {"company": 1}  # the first one counts again
    undo_judgement(database, items[3], "total", ANN)
    assert counted(database) == {"total": 1, "company": 1}
    assert count_audits(database, ANN) == {}


def test_audits_that_others_have_are_not_counted(database: Database) -> None:
    add_documents(database, "a", "b")
    audits = [open_item(database, name) for name in "ab"]
    with database.write() as connection:
        connection.execute(update(review).values(kind=ItemKind.AUDIT, drawn_with=0.1))
    claims.claim(database, audits[0], BOB)
    assert (count_audits(database, ANN), count_audits(database, BOB)) == ({"receipt": 1}, {"receipt": 2})


def test_a_strip_claims_what_it_shows(database: Database) -> None:
    add_documents(database, *"abc")
    items = [open_item(database, name) for name in "abc"]
    claims.claim(database, items[0], BOB)
    decision = Decision(review_id=items[2], version=1, action=Action.ESCALATE, by=SUE.name, door=Door.PAGE)
    decide(database, decision, SUE, TYPES)
    assert claims.claim_all(database, items, ANN) == {items[1]: 1}
    assert claims.claim_all(database, items, SUE) == {items[2]: 1}
    since = read_item(database, items[1]).claimed_at
    assert claims.claim_all(database, items, ANN) == {items[1]: 1}
    assert read_item(database, items[1]).claimed_at == since
    for again in (lambda: claims.claim_all(database, items, ANN), lambda: claims.claim(database, items[1], ANN)):
        with database.write() as connection:  # a claim that has lapsed is not the same claim
            lapsed = {"claimed_at": AT, "claim_expires_at": AT + timedelta(minutes=2)}
            connection.execute(update(review).where(review.c.review_id == items[1]).values(lapsed))
        again()
        assert read_item(database, items[1]).claimed_at != AT
    assert claims.release_all(database, items, ANN) == 1
    assert read_item(database, items[1]).claimed_by is None
    assert read_item(database, items[0]).claimed_by == "bob"
