"""Every row of review that somebody changes by hand is found, and named by table, id and what differs."""

import re
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing

import pytest
from sqlalchemy import insert, text

from blocks.database.engine import Database
from blocks.database.review import claims
from blocks.database.review.decide import decide, undo
from blocks.database.review.events import NewEvent, append
from blocks.database.review.inbox import apply_decisions
from blocks.database.review.judgements import judge, undo_judgement
from blocks.database.review.tables import review_decisions
from blocks.database.review.verify import Tampered, verify_trail
from blocks.document_types.review_rules import ReviewRules
from blocks.records import Status
from blocks.review import chain
from blocks.review.chain import Head
from blocks.review.records import Action, Correction, Decision, Door, Event, FieldJudgement, Person
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import ANN, AT, BOB, SUE, TYPES, open_item

FOUR_EYES = ReviewRules(decisions=2)
LAST = 18
"""The last event of `history`."""


def decided(database: Database, review_id: int, action: Action, by: Person = ANN, **content: object) -> None:
    decision = {"review_id": review_id, "version": 1, "action": action, "by": by.name, "door": Door.COMMAND}
    decide(database, Decision.model_validate(decision | content), by, TYPES)


def history(database: Database) -> None:
    """Items with every kind of event that people and runs cause; their ids are 1 to 7.

    Events: 1 to 7 open them. 8 corrects item 1, 9 rejects 2, 10 and 11 accept 3 by two persons, 12 escalates 4,
    13 replaces 5, 14 supersedes 6, 15 and 16 judge fields of 4, 17 takes the second of them back, 18 accepts 7 by SQL.
    """
    names = "abcdefg"
    add_documents(database, *names)
    for name in names:
        open_item(database, name, rules=FOUR_EYES if name == "c" else None)
    decided(database, 1, Action.CORRECT, corrections={"total": Correction(value="7.00")})
    decided(database, 2, Action.REJECT, reason="no receipt")
    decided(database, 3, Action.ACCEPT)
    decided(database, 3, Action.ACCEPT, BOB)
    decided(database, 4, Action.ESCALATE)
    open_item(database, "e", total="9.50", fingerprint="g")
    open_item(database, "f", status=Status.ACCEPTED, fingerprint="g")
    for name in ("company", "total"):
        given = {"review_id": 4, "version": 1, "field": name, "judgement": "right", "by": "sue", "door": Door.PAGE}
        judge(database, FieldJudgement.model_validate(given), SUE, TYPES)
    undo_judgement(database, 4, "total", SUE)
    with database.write() as connection:
        connection.execute(insert(review_decisions), {"review_id": 7, "decision": "accept", "decided_by": "ann"})
    apply_decisions(database, TYPES)


def tamper(database: Database, *statements: str, **values: object) -> None:
    """Run statements as somebody does who may write every table, and puts its foreign keys and triggers aside."""
    if database.is_sqlite:
        with closing(sqlite3.connect(str(database.engine.url.database))) as file, file:
            for statement in statements:
                file.execute(statement, values)
        return
    with database.write() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            connection.execute(text(statement), values)


def cut_off(database: Database, last: int) -> None:
    """Take the events after `last` away, and make the head agree, as an attacker would who knows the chain."""
    tamper(
        database,
        "DELETE FROM review_answers WHERE event_id > :last",
        "DELETE FROM review_events WHERE event_id > :last",
        "UPDATE review_chain SET event_id = :last, hash = (SELECT hash FROM review_events WHERE event_id = :last)",
        last=last,
    )


def open_again(database: Database, review_id: int) -> None:
    nothing = "decided_by = NULL, decided_at = NULL, decision = NULL"
    tamper(database, f"UPDATE review SET status = 'open', {nothing} WHERE review_id = :id", id=review_id)


def test_an_untouched_history_holds_whatever_people_and_runs_did(database: Database) -> None:
    history(database)
    decided(database, 5, Action.RECLASSIFY, version=2, document_type="invoice")
    undo(database, 5, ANN)
    decided(database, 5, Action.UNREADABLE, version=2, note="a note")
    decided(database, 4, Action.RETURN, SUE)
    decided(database, 4, Action.CORRECT, corrections={"company": Correction(value="Łódź \u200b 😀")})
    assert isinstance(verify_trail(database), Head)


TAMPERED: dict[str, tuple[str, str, str, str]] = {
    # what: (statement, table, id, what differs)
    "an event is changed": (
        "UPDATE review_events SET actor = 'eve' WHERE event_id = 8",
        "review_events", "8", "its content was changed",
    ),
    "an event's time is changed": (
        "UPDATE review_events SET happened_at = '2020-01-01 00:00:00.000000' WHERE event_id = 9",
        "review_events", "9", "its content was changed",
    ),
    "an event is deleted": ("DELETE FROM review_events WHERE event_id = 4", "review_events", "4", "it is missing"),
    "an event is inserted": (
        """INSERT INTO review_events (event_id, review_id, event, content, actor, happened_at, previous_hash, hash)
        SELECT 19, 4, 'returned', content, 'eve', happened_at, hash, hash FROM review_events WHERE event_id = 18""",
        "review_events", "19", "its content was changed",
    ),
    "the last event is deleted": (
        "DELETE FROM review_events WHERE event_id = 18", "review_events", "18", "removed or added",
    ),
    "the head is set back": (
        "UPDATE review_chain SET event_id = 17, hash = (SELECT hash FROM review_events WHERE event_id = 17)",
        "review_events", "18", "removed or added",
    ),
    "the decided value of an answer": (
        "UPDATE review_answers SET decided = '\"1.00\"' WHERE event_id = 8 AND field = 'total'",
        "review_answers", "8 total", "it was changed",
    ),
    "how long a field was shown": (
        "UPDATE review_answers SET shown_ms = 9 WHERE event_id = 11 AND field = 'company'",
        "review_answers", "11 company", "it was changed",
    ),
    "the item of an answer": (
        "UPDATE review_answers SET review_id = 2 WHERE event_id = 8 AND field = 'total'",
        "review_answers", "8 total", "event 8 is about item 1",
    ),
    "an answer is deleted": (
        "DELETE FROM review_answers WHERE event_id = 10 AND field = 'total'",
        "review_answers", "10 total", "it is missing",
    ),
    "an answer names no event": (
        """INSERT INTO review_answers (event_id, field, review_id, evidence, shown_ms, is_touched)
        VALUES (99, 'total', 2, '[]', 0, false)""",
        "review_answers", "99", "the trail has no event of this id",
    ),
    "an answer moves to another event": (
        "UPDATE review_answers SET event_id = 9 WHERE event_id = 8 AND field = 'total'",
        "review_answers", "8 total", "it is missing",
    ),
    "an answer is added": (
        """INSERT INTO review_answers (event_id, field, review_id, evidence, shown_ms, is_touched)
        VALUES (9, 'total', 2, '[]', 0, false)""",
        "review_answers", "9 total", "it was added",
    ),
    "a decided value": (
        """UPDATE results SET fields = '{"company": "Café", "total": "1.00"}'
        WHERE document_id = :a AND decided_by = 'ann'""",
        "results", ":a", "its status, its type or its fields",
    ),
    "a decided status": (
        "UPDATE results SET status = 'accepted' WHERE document_id = :b AND decided_by = 'ann'",
        "results", ":b", "its status, its type or its fields",
    ),
    "the reason of a rejection": (
        "UPDATE results SET reasons = '[]' WHERE document_id = :b AND decided_by = 'ann'",
        "results", ":b", "its reasons",
    ),
    "who decided a result": (
        "UPDATE results SET decided_by = 'eve' WHERE document_id = :a AND decided_by = 'ann'",
        "results", ":a", "decided_by is 'eve', and 'ann' decided",
    ),
    "when a result was decided": (
        "UPDATE results SET created_at = '2020-01-01 00:00:00.000000' WHERE document_id = :a AND decided_by = 'ann'",
        "results", ":a", "created_at",
    ),
    "a decided result is deleted": (
        "DELETE FROM results WHERE document_id = :a AND decided_by = 'ann'", "results", ":a", "it is missing",
    ),
    "a decided result becomes a run's": (
        "UPDATE results SET decided_by = NULL WHERE document_id = :a", "results", ":a", "decided_by is None",
    ),
    "a decided result no longer counts": (
        "UPDATE results SET is_current = (decided_by IS NULL) WHERE document_id = :a",
        "results", ":a", "is_current is false, and item 1 is decided",
    ),
    "two results count": (
        "UPDATE results SET is_current = true WHERE document_id = :a", "results", ":a", "2 of its results are current",
    ),
    "a run's result becomes a decision": (
        "UPDATE results SET decided_by = 'eve' WHERE document_id = :d",
        "results", ":d f", "the trail has no event of this decision",
    ),
    "a decided item is opened": (
        "UPDATE review SET status = 'open' WHERE review_id = 2", "review", "2", "status is 'open'",
    ),
    "an open item is closed": (
        "UPDATE review SET status = 'superseded' WHERE review_id = 4", "review", "4", "status is 'superseded'",
    ),
    "a superseded item is opened": (
        "UPDATE review SET status = 'open' WHERE review_id = 6", "review", "6", "events say 'superseded'",
    ),
    "who decided an item": (
        "UPDATE review SET decided_by = 'eve' WHERE review_id = 2", "review", "2", "decided_by is 'eve'",
    ),
    "what was decided on an item": (
        "UPDATE review SET decision = '{\"action\": \"accept\"}' WHERE review_id = 2", "review", "2", "decision is",
    ),
    "the second pair of eyes is dropped": (
        "UPDATE review SET decisions_needed = 1 WHERE review_id = 3", "review", "3", "decisions_needed is 1",
    ),
    "an opinion is dropped": ("UPDATE review SET opinions = '[]' WHERE review_id = 3", "review", "3", "opinions is []"),
    "an escalation is taken back": (
        "UPDATE review SET role = 'reviewer' WHERE review_id = 4", "review", "4", "role is 'reviewer'",
    ),
    "a due time": (
        "UPDATE review SET due_at = '2030-01-01 00:00:00.000000' WHERE review_id = 5", "review", "5", "due_at is",
    ),
    "the version of an item": ("UPDATE review SET version = 1 WHERE review_id = 5", "review", "5", "version is 1"),
    "the reasons of an item": ("UPDATE review SET reasons = '[]' WHERE review_id = 4", "review", "4", "reasons is []"),
    "the document of an item": (
        "UPDATE review SET document_id = :f WHERE review_id = 4", "review", "4", "document_id is",
    ),
    "an item is deleted": (
        "DELETE FROM review WHERE review_id = 4", "review", "4", "it is missing; event 4 is about it",
    ),
    "an item is added": (
        """INSERT INTO review
        (document_id, fingerprint, document_type, status, reasons, confidence, priority, created_at, run_id)
        SELECT document_id, fingerprint, document_type, 'superseded', reasons, confidence, priority, created_at, run_id
        FROM review WHERE review_id = 1""",
        "review", "8", "no event opened it",
    ),
    "a judgement": (
        "UPDATE review_judgements SET judgement = 'wrong' WHERE event_id = 15",
        "review_judgements", "15", "it was changed",
    ),
    "who judged": (
        "UPDATE review_judgements SET judged_by = 'eve' WHERE event_id = 15", "review_judgements", "15", "judged_by",
    ),
    "a judgement is deleted": (
        "DELETE FROM review_judgements WHERE event_id = 16", "review_judgements", "16", "it is missing",
    ),
    "a judgement that was taken back counts": (
        "UPDATE review_judgements SET undone_at = NULL WHERE event_id = 16",
        "review_judgements", "16", "undone_at is not as the trail says",
    ),
    "a judgement counts no longer": (
        "UPDATE review_judgements SET undone_at = judged_at WHERE event_id = 15",
        "review_judgements", "15", "undone_at is not as the trail says",
    ),
    "a judgement is added": (
        """INSERT INTO review_judgements
        (event_id, review_id, version, field, judgement, shown, evidence, shown_ms, judged_by, judged_at)
        SELECT 1, 1, version, field, judgement, shown, evidence, shown_ms, judged_by, judged_at
        FROM review_judgements WHERE event_id = 15""",
        "review_judgements", "1", "the trail has no event of it",
    ),
    "who decided by SQL": (
        "UPDATE review_decisions SET decided_by = 'eve'",
        "review_decisions", "1", "the trail has no 'accept' by 'eve' on item 7",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_a_row_that_was_tampered_with_is_named(database: Database, what: str) -> None:
    statement, table, row_id, why = TAMPERED[what]
    history(database)
    ids = {name: id_of(name) for name in "abdf"}
    tamper(database, statement, **{name: id_ for name, id_ in ids.items() if re.search(rf":{name}\b", statement)})
    found = verify_trail(database)
    assert isinstance(found, Tampered), what
    for name, id_ in ids.items():
        row_id = re.sub(rf":{name}\b", id_, row_id)
    assert (found.table, found.row_id.startswith(row_id)) == (table, True), found
    assert why in found.why


def test_events_that_changed_their_places_are_named(database: Database) -> None:
    history(database)
    swap = "UPDATE review_events SET event_id = {} WHERE event_id = {}"
    tamper(database, swap.format(0, 12), swap.format(12, 13), swap.format(13, 0))
    assert verify_trail(database) == Tampered("review_events", "12", "it does not follow the entry before it")


@pytest.mark.parametrize(
    ("last", "table", "row_id", "why"),
    [
        (17, "review", "7", "status is 'decided', and its events say 'open'"),
        (13, "review", "6", "status is 'superseded', and its events say 'open'"),
        (11, "review", "4", "role is 'senior'"),
        (6, "review", "1", "status is 'decided'"),
    ],
)
def test_events_that_were_cut_off_are_missed_by_the_rows_that_they_made(
    database: Database, last: int, table: str, row_id: str, why: str
) -> None:
    history(database)
    cut_off(database, last)
    found = verify_trail(database)
    assert isinstance(found, Tampered)
    assert (found.table, found.row_id) == (table, row_id)
    assert why in found.why


def test_a_result_without_its_event_is_named_even_if_the_item_was_opened_again(database: Database) -> None:
    history(database)
    cut_off(database, LAST - 1)
    open_again(database, 7)
    tamper(
        database, "UPDATE results SET is_current = false WHERE document_id = :g AND decided_by IS NULL", g=id_of("g")
    )
    found = verify_trail(database)
    assert isinstance(found, Tampered)
    assert found.table == "results"
    assert found.row_id.startswith(id_of("g"))
    assert found.why == "decided_by is 'ann', and the trail has no event of this decision"


def test_only_a_kept_hash_proves_what_was_taken_back_in_every_table(database: Database) -> None:
    history(database)
    before = verify_trail(database)
    assert isinstance(before, Head)
    cut_off(database, LAST - 1)
    open_again(database, 7)
    tamper(database, "DELETE FROM review_decisions")
    tamper(database, "DELETE FROM results WHERE document_id = :g AND decided_by IS NOT NULL", g=id_of("g"))
    tamper(database, "UPDATE results SET is_current = true WHERE document_id = :g", g=id_of("g"))
    after = verify_trail(database)
    assert after == Head(LAST - 1, _hash_of(database, LAST - 1))
    found = verify_trail(database, kept=before.hash)
    assert isinstance(found, Tampered)
    assert f"no event has the hash {before.hash}" in found.why
    assert verify_trail(database, kept=_hash_of(database, LAST - 1)) == after


def test_people_may_decide_while_the_trail_is_verified(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    history(database)
    seen: list[Callable[[], None]] = [lambda: decided(database, 5, Action.ACCEPT, version=2)]
    follow = chain.follow

    def decided_meanwhile(*arguments: object) -> object:
        if seen:
            seen.pop()()
        return follow(*arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(chain, "follow", decided_meanwhile)
    assert verify_trail(database) == Head(LAST, _hash_of(database, LAST))
    assert not seen
    assert verify_trail(database) == Head(LAST + 1, _hash_of(database, LAST + 1))


def _hash_of(database: Database, event_id: int) -> str:
    with database.read() as connection:
        query = text("SELECT hash FROM review_events WHERE event_id = :id")
        return str(connection.execute(query, {"id": event_id}).scalar_one())


def test_a_long_trail_is_read_a_batch_at_a_time(sqlite_database: Database) -> None:
    add_documents(sqlite_database, "a")
    item = open_item(sqlite_database)
    claims.claim(sqlite_database, item, ANN)
    peaks = []
    for _ in range(2):
        with sqlite_database.write() as connection:
            for _ in range(4):
                events = [NewEvent(item, Event.REMINDED, {"version": 1, "text": "x" * 500})] * 1_000
                append(sqlite_database, connection, events, AT)
        tracemalloc.start()
        try:
            assert isinstance(verify_trail(sqlite_database), Head)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
