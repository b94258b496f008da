"""Decisions in the database: one transaction, once, on the version that was shown; claims; the chain."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue
from sqlalchemy import func, select, text, update

from blocks.backfill.selection import Selection
from blocks.database.engine import Database, now
from blocks.database.pipeline.failures import FailedDocument, list_failures, record_failures
from blocks.database.pipeline.selected import record_selected
from blocks.database.results.results import NewResult, list_results, write_results
from blocks.database.review import claims
from blocks.database.review.decide import Decided, decide, undo
from blocks.database.review.item_content import read_item
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.database.review.judgements import judge
from blocks.database.review.queue import list_items
from blocks.database.review.tables import review, review_answers, review_events
from blocks.database.review.verify import Tampered, verify_trail
from blocks.database.tables import documents
from blocks.document_types.review_rules import ReviewRules
from blocks.records import Evidence, Failure, Rerun, Retry, Stage, Status, Validation
from blocks.review.chain import Head
from blocks.review.errors import (
    InvalidDecision,
    ItemClaimed,
    ItemClosed,
    ItemMissing,
    ItemReplaced,
    ReviewError,
    SecondLookNeeded,
)
from blocks.review.records import (
    Action,
    Correction,
    Decision,
    Door,
    Event,
    FieldJudgement,
    ItemKind,
    ItemStatus,
    Judgement,
    Look,
    Person,
)
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import ANN, AT, BOB, SUE, TYPES, open_item


def decision(review_id: int, action: Action, by: Person = ANN, version: int = 1, **content: Any) -> Decision:
    return Decision(review_id=review_id, version=version, action=action, by=by.name, door=Door.COMMAND, **content)


def accept(database: Database, review_id: int, by: Person = ANN, version: int = 1) -> Decided:
    return decide(database, decision(review_id, Action.ACCEPT, by, version), by, TYPES)


def correct(database: Database, review_id: int, by: Person = ANN, **values: JsonValue) -> Decided:
    corrections = {name: Correction(value=value) for name, value in values.items()}
    looks = {"total": Look(shown_ms=700, is_touched=True)}
    return decide(database, decision(review_id, Action.CORRECT, by, corrections=corrections, looks=looks), by, TYPES)


def result(database: Database, name: str = "a") -> Mapping[str, Any]:
    return {row["document_id"]: row for row in list_results(database)}[id_of(name)]


def events(database: Database) -> list[tuple[str, str | None]]:
    query = select(review_events.c.event, review_events.c.actor).order_by(review_events.c.event_id)
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_a_correction_becomes_the_result_with_its_answers_and_event(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    decided = correct(database, item, total="1.234,50")
    assert decided.event is Event.DECIDED
    assert result(database)["status"] == "accepted"
    assert result(database)["fields"] == {"company": "Café", "total": "1234.50"}
    assert read_item(database, item).decided_by == "ann"
    assert list_items(database) == []
    answer = review_answers.c
    with database.read() as connection:
        rows = connection.execute(
            select(answer.field, answer.shown, answer.decided, answer.is_touched, answer.shown_ms, answer.confidence)
        ).all()
    assert sorted(map(tuple, rows)) == [
        ("company", "Café", "Café", False, 0, 0.9),
        ("total", "9.00", "1234.50", True, 700, 0.5),
    ]
    assert events(database) == [("opened", None), ("decided", "ann")]
    assert isinstance(verify_trail(database), Head)


def test_the_same_decision_twice_is_one_and_another_is_refused(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    first = accept(database, item)
    again = accept(database, item)
    assert (again.is_repeated, again.event_id) == (True, first.event_id)
    with pytest.raises(ItemClosed, match="was decided by ann"):
        accept(database, item, BOB)
    with pytest.raises(ItemMissing):
        accept(database, item + 1)
    assert events(database) == [("opened", None), ("decided", "ann")]


def test_a_decision_on_a_replaced_version_is_refused_with_what_changed(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    assert open_item(database, total="9.50", fingerprint="g") == item
    with pytest.raises(ItemReplaced, match=r"total is '9\.50' and was '9\.00'"):
        accept(database, item)
    assert accept(database, item, version=2).event is Event.DECIDED


def test_no_run_replaces_a_decision(database: Database) -> None:
    add_documents(database, "a")
    correct(database, open_item(database), total="7")
    with database.read() as connection:
        before = connection.execute(select(func.count()).select_from(review_events)).scalar_one()
    later = Validation(document_type="receipt", status=Status.ACCEPTED, confidence=0.9, fields={"total": "8.00"})
    with database.write() as connection:
        new = [NewResult(id_of("a"), "g", later, provisional=False, is_current=False)]
        write_results(database, connection, "run-2", new, AT)
    assert result(database)["fields"]["total"] == "7.00"
    assert len(events(database)) == before


def test_a_rejected_document_and_a_reclassified_one(database: Database) -> None:
    add_documents(database, "a", "b")
    decide(database, decision(open_item(database), Action.REJECT, reason="a joke"), ANN, TYPES)
    assert (result(database)["status"], result(database)["reasons"]) == ("rejected", ["rejected_by_person:a joke"])
    moved = open_item(database, "b")
    decide(database, decision(moved, Action.RECLASSIFY, document_type="invoice"), ANN, TYPES)
    with database.read() as connection:
        given = select(documents.c.given_type, documents.c.is_type_decided, documents.c.settled_under)
        row = connection.execute(given.where(documents.c.document_id == id_of("b"))).one()
    assert tuple(row) == ("invoice", True, None)
    assert read_item(database, moved).status is ItemStatus.DECIDED
    selected: dict[str, Any] = {"rerun": Rerun.STALE, "pipeline_digest": "p", "chunk_size": 9}
    assert record_selected(database, "run-2", Selection(reclassified=True), **selected) == 1
    with database.write() as connection:
        connection.execute(update(documents).values(settled_under="p", settled_as="accepted"))
    assert record_selected(database, "run-3", Selection(reclassified=True), **selected) == 0


def test_four_eyes_end_with_agreement_or_a_senior(database: Database) -> None:
    add_documents(database, "a", "b")
    two = ReviewRules(decisions=2)
    agreed, split = open_item(database, rules=two), open_item(database, "b", rules=two)
    assert correct(database, agreed, total="7").event is Event.SEEN_ONCE
    with pytest.raises(SecondLookNeeded):
        correct(database, agreed, total="8")
    assert correct(database, agreed, BOB, total="7.00").event is Event.DECIDED
    correct(database, split, total="7")
    assert accept(database, split, BOB).event is Event.DISAGREED
    with pytest.raises(ReviewError):
        accept(database, split, Person(name="eve"))
    assert accept(database, split, SUE).event is Event.DECIDED


def test_a_claim_is_one_persons_and_ends_by_itself(database: Database) -> None:
    add_documents(database, "a", "b")
    first, second = open_item(database), open_item(database, "b")
    taken = claims.claim_next(database, ANN)
    assert taken is not None
    assert taken.review_id == first
    other = claims.claim_next(database, BOB)
    assert other is not None
    assert other.review_id == second
    assert claims.claim_next(database, SUE) is None
    with pytest.raises(ItemClaimed, match="ann has had"):
        accept(database, first, BOB)
    with database.write() as connection:
        expired = {"claim_expires_at": AT - timedelta(hours=1)}
        connection.execute(update(review).where(review.c.review_id == first).values(expired))
    assert claims.claim(database, first, BOB).claimed_by == "bob"
    with pytest.raises(ItemClaimed, match="bob has had"):
        claims.claim(database, first, ANN)
    assert claims.release(database, first, BOB)
    assert not claims.release(database, first, BOB)
    assert accept(database, first, ANN).event is Event.DECIDED


def test_people_who_take_the_next_item_at_once_take_different_ones(database: Database) -> None:
    names = [f"d{number}" for number in range(12)]
    add_documents(database, *names)
    wanted = [open_item(database, name) for name in names]
    people = [Person(name=f"p{number}") for number in range(len(names))]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda person: claims.claim_next(database, person), people))
    assert sorted(item.review_id for item in taken if item is not None) == wanted


def test_the_next_item_is_none_on_which_the_person_has_decided(database: Database) -> None:
    add_documents(database, "a", "b")
    first, second = (open_item(database, name, rules=ReviewRules(decisions=2)) for name in "ab")
    accept(database, first)
    taken = claims.claim_next(database, ANN)
    assert taken is not None
    assert taken.review_id == second
    again = claims.claim_next(database, BOB)
    assert again is not None
    assert again.review_id == first


def test_a_decision_can_be_taken_back_for_a_while(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    correct(database, item, total="7")
    with pytest.raises(InvalidDecision, match="no decision"):
        undo(database, item, BOB)
    undo(database, item, ANN)
    assert (result(database)["status"], result(database)["fields"]["total"]) == ("in_review", "9.00")
    assert [row["review_id"] for row in list_items(database)] == [item]
    correct(database, item, BOB, total="6")
    assert isinstance(verify_trail(database), Head)
    with database.write() as connection:
        connection.execute(update(review).values(decided_at=AT))
    with pytest.raises(InvalidDecision, match="is final"):
        undo(database, item, BOB)


def test_a_rejected_failure_that_is_taken_back_is_a_failure_again(database: Database) -> None:
    add_documents(database, "a")
    failure = Failure(stage=Stage.EXTRACT, kind="encrypted", message="locked", retry=Retry.NEVER)
    failed = FailedDocument(id_of("a"), failure)
    verdict = Validation(document_type="unknown", status=Status.IN_REVIEW, confidence=0.0)
    need = ReviewNeed(id_of("a"), "extract:encrypted", verdict, kind=ItemKind.FAILURE)
    with database.write() as connection:
        record_failures(database, connection, "run-1", [failed], AT)
        sync_review(database, connection, "run-1", [need], [], AT)
    (item,) = list_items(database)
    decide(database, decision(item["review_id"], Action.REJECT, reason="no document"), ANN, TYPES)
    assert list_failures(database) == []
    undo(database, item["review_id"], ANN)
    assert [row["kind"] for row in list_failures(database)] == ["encrypted"]
    assert list_results(database) == []


def test_a_type_that_is_taken_back_is_no_longer_a_persons(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    decide(database, decision(item, Action.RECLASSIFY, document_type="invoice"), ANN, TYPES)
    undo(database, item, ANN)
    with database.read() as connection:
        row = connection.execute(select(documents.c.given_type, documents.c.is_type_decided)).one()
    assert tuple(row) == (None, False)


def test_a_type_cannot_be_taken_back_after_a_run_has_read_the_document(database: Database) -> None:
    add_documents(database, "a")
    first = open_item(database)
    decide(database, decision(first, Action.RECLASSIFY, document_type="invoice"), ANN, TYPES)
    second = open_item(database, fingerprint="g")
    with pytest.raises(InvalidDecision, match="read the document"):
        undo(database, first, ANN)
    assert [row["review_id"] for row in list_items(database)] == [second]


def test_a_decision_is_not_taken_back_over_a_result_that_a_run_has_made_since(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    decide(database, decision(item, Action.RECLASSIFY, document_type="invoice"), ANN, TYPES)
    verdict = Validation(document_type="invoice", status=Status.ACCEPTED, confidence=1.0, fields={"total": "3.00"})
    with database.write() as connection:
        write_results(database, connection, "run-2", [NewResult(id_of("a"), "g", verdict, provisional=False)], now())
    with pytest.raises(InvalidDecision, match="so the decision stands"):
        undo(database, item, ANN)
    assert result(database)["fields"] == {"total": "3.00"}
    with database.read() as connection:
        assert connection.execute(select(documents.c.given_type)).scalar_one() == "invoice"


def test_what_was_done_with_an_item_is_not_done_again_when_it_is_sent_twice(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    for action, by in ((Action.ESCALATE, ANN), (Action.RETURN, SUE)):
        first, again = (decide(database, decision(item, action, by), by, TYPES) for _ in range(2))
        assert again == first.model_copy(update={"is_repeated": True})
    accept(database, item)
    first, again = undo(database, item, ANN), undo(database, item, ANN)
    assert again == first.model_copy(update={"is_repeated": True})
    assert events(database)[1:] == [("escalated", "ann"), ("returned", "sue"), ("decided", "ann"), ("undone", "ann")]


def test_a_second_decision_that_differs_is_sent_twice(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database, rules=ReviewRules(decisions=2))
    accept(database, item)
    assert correct(database, item, BOB, total="7").event is Event.DISAGREED
    again = correct(database, item, BOB, total="7")
    assert (again.event, again.is_repeated) == (Event.DISAGREED, True)


def test_a_refused_decision_tells_no_value_of_a_blind_audit(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database, total="9.37")
    open_item(database, total="9.38", fingerprint="g")
    with database.write() as connection:
        connection.execute(update(review).values(is_blind=True, kind="audit"))
    with pytest.raises(ItemReplaced) as refused:
        accept(database, item, version=1)
    given = FieldJudgement(
        review_id=item, version=1, field="total", judgement=Judgement.RIGHT, by="ann", door=Door.PAGE
    )
    with pytest.raises(ItemReplaced) as not_judged:
        judge(database, given, ANN, TYPES)
    assert "9.3" not in f"{refused.value}{refused.value.changes}{not_judged.value}"


def test_many_people_decide_each_item_once(database: Database) -> None:
    names = [f"d{number}" for number in range(20)]
    add_documents(database, *names)
    wanted = [open_item(database, name) for name in names]
    people = [Person(name=f"p{number}") for number in range(4)]

    def work(person: Person) -> list[int]:
        done: list[int] = []
        for item in wanted:
            try:
                accept(database, item, person)
                done.append(item)
            except ItemClosed:
                continue
        return done

    with ThreadPoolExecutor(len(people)) as pool:
        done = list(pool.map(work, people))
    assert sorted(item for items in done for item in items) == wanted
    assert [event for event, _ in events(database)].count("decided") == len(wanted)
    assert isinstance(verify_trail(database), Head)


@pytest.mark.parametrize("change", ["actor = 'eve'", "content = '{}'", "event = 'opened'", "review_id = 1"])
def test_a_changed_event_is_named(database: Database, change: str) -> None:
    add_documents(database, "a", "b")
    open_item(database, "a")
    accept(database, open_item(database, "b"))
    with database.write() as connection:
        connection.execute(text(f"UPDATE review_events SET {change} WHERE event_id = 3"))
    broken = verify_trail(database)
    assert broken == Tampered("review_events", "3", "its content was changed")


def test_text_that_no_database_takes_does_not_break_the_chain(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    quoted = Correction(value="9.00", evidence=(Evidence(page=1, quote="nul \x00 and half \ud83d"),))
    decide(database, decision(item, Action.CORRECT, corrections={"total": quoted}), ANN, TYPES)
    assert isinstance(verify_trail(database), Head)


def test_the_first_of_two_persons_may_take_their_decision_back_until_the_second_decides(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database, rules=ReviewRules(decisions=2))
    decide(database, decision(item, Action.ACCEPT), ANN, TYPES)
    with pytest.raises(InvalidDecision, match="bob has no decision"):
        undo(database, item, BOB)
    undone = undo(database, item, ANN)
    assert undo(database, item, ANN) == undone.model_copy(update={"is_repeated": True})
    decide(database, decision(item, Action.ACCEPT), ANN, TYPES)
    assert isinstance(verify_trail(database), Head)
    decide(database, decision(item, Action.ACCEPT, BOB), BOB, TYPES)
    with pytest.raises(InvalidDecision, match="ann has no decision"):
        undo(database, item, ANN)
