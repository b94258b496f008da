"""The SQL door: rows of people are applied once, on the version that they saw, and answered."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import insert, select, text

from blocks.database.engine import Database
from blocks.database.results.results import list_results
from blocks.database.review import decide
from blocks.database.review.claims import claim_next
from blocks.database.review.inbox import Answered, apply_decisions
from blocks.database.review.tables import review_answers, review_decisions, review_events
from blocks.database.review.users import add_user
from blocks.database.review.verify import verify_trail
from blocks.review.chain import Head
from blocks.review.records import Person, Role
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import TYPES, open_item

Row = dict[str, Any]


def write(database: Database, *rows: Row) -> None:
    """Insert rows as a person would, with a value for nothing that has a default."""
    with database.write() as connection:
        for row in rows:
            connection.execute(insert(review_decisions), {"decided_by": "ann"} | row)


def answers(database: Database) -> list[tuple[str, str]]:
    query = select(review_decisions.c.status, review_decisions.c.message, review_decisions.c.applied_at)
    with database.read() as connection:
        rows = connection.execute(query.order_by(review_decisions.c.decision_id)).all()
    assert all((status == "new") == (applied_at is None) for status, _, applied_at in rows)
    return [(status, message) for status, message, _ in rows]


def test_several_rows_are_one_correction(database: Database) -> None:
    add_documents(database, "a", "b")
    first, second = open_item(database, "a"), open_item(database, "b")
    write(
        database,
        {"review_id": first, "decision": "correct", "field": "total", "value": "1.234,50", "note": "seen"},
        {"review_id": second, "decision": "Accept "},
        {"review_id": first, "decision": "correct", "field": "company", "value": "Tea House"},
        {"review_id": first, "decision": "correct", "field": "total", "value": "1", "decided_by": "bob"},
    )
    assert apply_decisions(database, TYPES) == Answered(applied=2, refused=1)
    assert apply_decisions(database, TYPES) == Answered()
    found = answers(database)
    corrected = ("applied", "decided: total is 1234.50, company is Tea House")  # as it was understood
    assert found[:3] == [corrected, ("applied", "decided"), corrected]
    assert found[3][0] == "refused"
    assert "was decided by ann" in found[3][1]
    results = {row["document_id"]: row["fields"] for row in list_results(database)}
    assert results[id_of("a")] == {"company": "Tea House", "total": "1234.50"}
    with database.read() as connection:
        decided = select(review_events.c.content).where(review_events.c.event == "decided")
        notes = [(content["note"], content["door"]) for content in connection.execute(decided).scalars()]
        touched = connection.execute(select(review_answers.c.review_id).where(review_answers.c.is_touched)).scalars()
        assert list(touched) == [first, first]
    assert notes == [("seen", "sql"), ("", "sql")]


def test_nobody_is_handed_an_item_on_which_a_row_waits(database: Database) -> None:
    add_documents(database, "a", "b")
    first, second = open_item(database, "a"), open_item(database, "b")
    eve = Person(name="eve", role=Role.REVIEWER)
    write(database, {"review_id": first, "decision": "accept"})
    taken = claim_next(database, eve)
    assert taken is not None
    assert (taken.review_id, claim_next(database, eve, besides=second)) == (second, None)
    write(database, {"review_id": second, "decision": "accept"})
    assert apply_decisions(database, TYPES) == Answered(applied=1, refused=1)  # the second came after the claim
    own = claim_next(database, eve)
    assert own is not None
    assert own.review_id == second


def test_a_row_decides_on_what_its_person_saw(database: Database) -> None:
    add_documents(database, "a")
    item = open_item(database)
    write(database, {"review_id": item, "decision": "accept"})
    open_item(database, total="9.50", fingerprint="g")
    assert apply_decisions(database, TYPES) == Answered(refused=1)
    [(_, message)] = answers(database)
    assert "total is '9.50' and was '9.00'" in message
    write(database, {"review_id": item, "decision": "accept"})
    assert apply_decisions(database, TYPES) == Answered(applied=1)


def test_every_refusal_says_why(database: Database) -> None:
    add_documents(database, "a", "b")
    item = open_item(database)
    add_user(database, "ruth", Role.READER, None)
    wrong: list[tuple[Row, str]] = [
        ({"decision": "approve"}, "'approve' is no decision; there are: accept, correct"),
        ({"decision": "correct", "value": "1"}, "names its field"),
        ({"decision": "correct", "field": "sum", "value": "1", "decided_by": "b"}, "there is no field 'sum'"),
        ({"decision": "correct", "field": "total", "value": "many", "decided_by": "c"}, "total: 'many'"),
        ({"decision": "accept", "field": "total", "value": "7.50"}, "accept takes no value, and '7.50' is given"),
        ({"decision": "reject"}, "needs a reason"),
        ({"decision": "reclassify", "value": "x"}, "no document type 'x'"),
        ({"decision": "accept", "decided_by": " "}, "decided_by is empty"),
        ({"decision": "accept", "decided_by": "ruth"}, "ruth has the role reader"),
        ({"decision": "accept", "review_id": 99}, "no review item 99"),
    ]
    write(database, *({"review_id": item} | row for row, _ in wrong))
    write(database, *({"review_id": item, "decision": "correct", "field": "total", "decided_by": "d"},) * 2)
    assert apply_decisions(database, TYPES) == Answered(refused=11)
    for (status, message), (_, says) in zip(answers(database), [*wrong, ({}, "twice"), ({}, "twice")], strict=True):
        assert status == "refused"
        assert says in message
    write(database, {"review_id": item, "decision": "reject", "value": "no receipt"})
    assert apply_decisions(database, TYPES) == Answered(applied=1)


def test_a_row_is_new_whatever_status_it_was_inserted_with(database: Database) -> None:
    add_documents(database, "a", "b")
    first, second = open_item(database, "a"), open_item(database, "b")
    write(
        database,
        {"review_id": first, "decision": "accept", "status": "applied", "message": "decided"},
        {"review_id": second, "decision": "accept", "status": "New"},
    )
    assert apply_decisions(database, TYPES) == Answered(applied=2)
    assert answers(database) == [("applied", "decided"), ("applied", "decided")]


def test_a_defect_costs_its_decision_only(database: Database, monkeypatch: Any, caplog: Any) -> None:
    add_documents(database, "a", "b")
    first, second = open_item(database, "a"), open_item(database, "b")
    write(database, {"review_id": first, "decision": "accept"}, {"review_id": second, "decision": "accept"})
    real = decide.decide_within

    def faulty(database: Database, connection: Any, decision: Any, *rest: Any) -> Any:
        done = real(database, connection, decision, *rest)
        if decision.review_id == first:
            raise ZeroDivisionError
        return done

    monkeypatch.setattr("blocks.database.review.inbox.decide_within", faulty)
    assert apply_decisions(database, TYPES) == Answered(applied=1, refused=1)
    assert "ZeroDivisionError" in caplog.text
    assert isinstance(verify_trail(database), Head)
    with database.read() as connection:
        open_items = connection.execute(text("SELECT review_id FROM review WHERE status = 'open'")).scalars().all()
    assert open_items == [first]


def test_appliers_at_once_apply_each_decision_once(database: Database) -> None:
    names = [f"d{number}" for number in range(12)]
    add_documents(database, *names)
    items = [open_item(database, name) for name in names]
    rows: list[Row] = [
        {"review_id": item, "decision": "correct", "field": field, "value": "7"}
        for field in ("total", "company")
        for item in items
    ]
    write(database, *rows)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: apply_decisions(database, TYPES), range(4)))
    assert sum(answered.applied for answered in done) == len(items)
    assert answers(database) == [("applied", "decided: total is 7.00, company is 7")] * len(rows)
    assert all(row["fields"] == {"company": "7", "total": "7.00"} for row in list_results(database))
    assert isinstance(verify_trail(database), Head)


def test_a_row_that_nobody_can_read_keeps_no_other_from_being_applied(database: Database) -> None:
    add_documents(database, "a", "b")
    first, second = open_item(database, "a"), open_item(database, "b")
    write(
        database,
        {"review_id": first, "decision": "correct\n", "field": "total", "value": "7"},
        {"review_id": first, "decision": "\taccept"},
        {"review_id": second, "decision": " ACCEPT "},
    )
    assert apply_decisions(database, TYPES) == Answered(applied=1, refused=2)
    assert "'correct\\n' is no decision" in answers(database)[0][1]
    assert isinstance(verify_trail(database), Head)


def test_times_that_are_none_keep_no_row_from_being_applied(sqlite_database: Database) -> None:
    add_documents(sqlite_database, "a")
    insertion = (
        "INSERT INTO review_decisions (review_id, decision, decided_by, inserted_at, version) "
        "VALUES (:id, 'accept', 'ann', 'yesterday', :version)"
    )
    item = open_item(sqlite_database)
    with sqlite_database.write() as connection:
        connection.execute(text(insertion), [{"id": item, "version": "one"}, {"id": item, "version": None}])
    assert apply_decisions(sqlite_database, TYPES) == Answered(applied=1, refused=1)
