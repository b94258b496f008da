"""Erasure: nothing of a document is left in any table but digests, and the audit trail still proves what happened."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text, update

from blocks.database.engine import Database
from blocks.database.keeping.erasure import erase, held_rows, with_parts
from blocks.database.keeping.errors import DocumentsInWork, SubjectTooShort
from blocks.database.keeping.subjects import find_subject
from blocks.database.metadata import metadata
from blocks.database.payloads import pack, unpack
from blocks.database.pipeline.documents import record_batch
from blocks.database.review.decide import decide
from blocks.database.review.judgements import judge
from blocks.database.review.tables import review, review_answers, review_decisions, review_events
from blocks.database.review.verify import Tampered, verify_trail
from blocks.database.tables import (
    documents,
    failures,
    model_call_texts,
    model_calls,
    reply_cache,
    sources,
    stage_outputs,
)
from blocks.records import Rerun
from blocks.review.chain import Head
from blocks.review.records import Action, Correction, Decision, Door, FieldJudgement
from tests.database_fixtures import add_documents, lease_of
from tests.doubles.scripted_stages import found, id_of
from tests.review_items import ANN, AT, SUE, TYPES, open_item

SUBJECT = "Zöe Quartermain"
IBAN = "DE89 3704 0044 0532 0130 00"


def fill(database: Database) -> None:
    """Documents a (decided), b (waits) and c (a part of b), which name the subject in every table; d does not."""
    add_documents(database, "a", "b", "c", "d")
    for name in "abd":
        open_item(database, name, total="7.00")
    given = {"review_id": 2, "version": 1, "field": "company", "judgement": "right", "by": "sue", "door": Door.PAGE}
    judge(database, FieldJudgement.model_validate(given), SUE, TYPES)
    corrections = {"company": Correction(value=SUBJECT), "total": Correction(value="8.00")}
    content = {"review_id": 1, "version": 1, "by": ANN.name, "door": Door.PAGE, "note": f"asked {SUBJECT}"}
    decide(
        database, Decision.model_validate(content | {"action": Action.CORRECT, "corrections": corrections}), ANN, TYPES
    )
    with database.write() as connection:
        connection.execute(
            insert(review_decisions),
            {"review_id": 2, "decision": "correct", "field": "x", "value": IBAN, "decided_by": "ann"},
        )
        connection.execute(
            update(documents)
            .where(documents.c.document_id == id_of("c"))
            .values(parent_id=id_of("b"), part=f"{SUBJECT}.pdf", content=b"bytes")
        )
        for name in "abc":
            _add_outputs(connection, name)


def _add_outputs(connection: Connection, name: str) -> None:
    own: dict[str, Any] = {"document_id": id_of(name), "run_id": "run-1"}
    payload = pack(json.dumps({"pages": [{"text": f"Konto DE89-3704-0044-0532-0130-00, {SUBJECT}"}]}).encode())
    output = {"stage": "extract", "fingerprint": "f", "state": "done", "is_current": True, "payload": payload}
    connection.execute(
        insert(stage_outputs), own | output | {"attempts": 1, "solo_attempts": 0, "updated_at": AT, "worker_id": ""}
    )
    failure = {"stage": "score", "kind": "x", "message": SUBJECT, "attempts": 1, "retry": "never"}
    connection.execute(insert(failures), own | failure | {"first_at": AT, "last_at": AT})
    numbers = ("step", "attempt", "input_characters", "output_characters", "input_tokens", "output_tokens")
    call = {"model": "m", "model_version": "m", "request_digest": f"key-{name}", "cost_usd": 1, "latency_ms": 1}
    call |= dict.fromkeys(numbers, 1) | {"outcome": "ok", "called_at": AT, "call_key": f"call-{name}"}
    connection.execute(insert(model_calls), own | call)
    texts = {"call_key": f"call-{name}", "prompt": f"Read: {SUBJECT}", "reply": SUBJECT, "kept_at": AT}
    connection.execute(insert(model_call_texts), texts)
    reply = pack(json.dumps({"company": SUBJECT}).encode())
    kept = {"cache_key": f"key-{name}", "model": "m", "reply": reply, "hits": 0, "kept_at": AT, "used_at": AT}
    connection.execute(insert(reply_cache), kept)


def tables_that_name(database: Database, *subjects: str) -> set[str]:
    """The tables with a row that has one of the texts, in the clear or packed."""
    naming = set()
    with database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).all():
                values = [unpack(v).decode() if isinstance(v, bytes) and v != b"bytes" else repr(v) for v in row]
                shown = " ".join(values).replace("\\xf6", "ö").replace("\\u00f6", "ö")
                if any(subject in shown for subject in subjects):
                    naming.add(table.name)
    return naming


def test_a_subject_is_found_wherever_it_stands_and_however_it_is_written(database: Database) -> None:
    fill(database)
    by_name = find_subject(database, "zöe\nQUARTERMAIN")
    assert set(by_name) == {id_of(name) for name in "abc"}
    assert by_name[id_of("a")] == {
        "text and readings",
        "result",
        "failure",
        "prompts and replies",
        "kept replies",
        "review",
    }
    assert "name" in by_name[id_of("c")]
    assert set(find_subject(database, "de893704 0044 0532 0130 00")) == {id_of(name) for name in "abc"}
    assert not find_subject(database, "Quarter"), "it stands within a word only"
    with pytest.raises(SubjectTooShort):
        find_subject(database, "Zöe")


def test_nothing_of_an_erased_document_is_left_but_digests_and_the_trail_holds(database: Database) -> None:
    fill(database)
    assert tables_that_name(database, SUBJECT, IBAN) >= {
        "review_events",
        "review_answers",
        "review_decisions",
        "results",
    }
    wanted = with_parts(database, find_subject(database, SUBJECT))
    assert held_rows(database, wanted)["results"] == 3
    before = verify_trail(database)
    assert isinstance(before, Head)
    assert erase(database, wanted, "ann") == 3
    assert tables_that_name(database, SUBJECT, IBAN) == set()
    assert not find_subject(database, SUBJECT)
    after = verify_trail(database, before.hash)
    assert isinstance(after, Head)
    assert after.event_id == before.event_id + 2
    assert erase(database, wanted, "ann") == 0, "it is erased once"
    with database.read() as connection:
        assert connection.execute(select(review.c.status).order_by(review.c.review_id)).scalars().all() == [
            "decided",
            "superseded",
            "open",
        ]
        answers = connection.execute(select(review_answers.c.shown, review_answers.c.decided)).all()
        assert set(answers) == {("erased", "erased, changed")}, "that both values were changed stays known"
        assert connection.execute(select(model_calls.c.cost_usd)).scalars().all() == [1, 1, 1]


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE review_events SET content = \'{"is_erased": true, "version": 1}\' WHERE event_id = 1',
        'UPDATE review_events SET content = \'{"is_erased": true, "version": 1}\' WHERE event_id = 3',
        "UPDATE review SET status = 'open' WHERE review_id = 1",
    ],
)
def test_what_was_changed_behind_an_erasure_is_found(database: Database, statement: str) -> None:
    fill(database)
    erase(database, [id_of("a")], "ann")
    with database.write() as connection:
        connection.execute(text(statement))
    assert isinstance(verify_trail(database), Tampered)


def test_parts_go_with_their_container_and_kept_containers_lose_their_bytes(database: Database) -> None:
    fill(database)
    assert with_parts(database, [id_of("b")]) == {id_of("b"), id_of("c")}
    with database.write() as connection:
        connection.execute(update(documents).where(documents.c.document_id == id_of("b")).values(content=b"holds c"))
    erase(database, [id_of("c")], "ann")
    with database.read() as connection:
        of_container = select(documents.c.content).where(documents.c.document_id == id_of("b"))
        assert connection.execute(of_container).scalar_one() is None
    assert set(find_subject(database, SUBJECT)) == {id_of("a"), id_of("b")}


def test_an_archive_goes_when_nothing_else_of_it_is_left(database: Database) -> None:
    """Archive d holds archive c, which holds a and b."""
    add_documents(database, *"abcd")
    with database.write() as connection:
        for name, parent in (("a", "c"), ("b", "c"), ("c", "d")):
            own = documents.c.document_id == id_of(name)
            connection.execute(update(documents).where(own).values(parent_id=id_of(parent), part=f"member:{name}"))
        archives = documents.c.document_id.in_([id_of("c"), id_of("d")])
        connection.execute(update(documents).where(archives).values(is_container=True))
    assert with_parts(database, [id_of("a")]) == {id_of("a")}
    assert with_parts(database, [id_of("a"), id_of("b")]) == {id_of(name) for name in "abcd"}
    erase(database, with_parts(database, [id_of("a")]), "ann")
    assert with_parts(database, [id_of("b")]) == {id_of(name) for name in "bcd"}, "a was erased before"
    erase(database, with_parts(database, [id_of("b")]), "ann")
    with database.read() as connection:
        assert connection.execute(select(sources.c.uri)).all() == []


def test_an_erased_document_is_not_read_again(database: Database) -> None:
    fill(database)
    erase(database, [id_of("a")], "ann")
    options: dict[str, Any] = {"given_type": None, "rerun": Rerun.STALE, "pipeline_digest": "p", "chunk_size": 10}
    recorded = record_batch(database, "run-2", [found("a"), found("d")], **options)
    assert (recorded.members, recorded.erased) == (1, 1)
    assert set(find_subject(database, SUBJECT)) == {id_of("b"), id_of("c")}


def test_documents_that_a_live_run_works_on_are_not_erased(database: Database) -> None:
    fill(database)
    with lease_of(database, "run-1"), pytest.raises(DocumentsInWork, match="run-1"):
        erase(database, [id_of("a")], "ann")
    assert id_of("a") in find_subject(database, SUBJECT)
    assert erase(database, [id_of("a")], "ann") == 1
    last = select(review_events.c.event).order_by(review_events.c.event_id.desc()).limit(1)
    with database.read() as connection:
        assert connection.execute(last).scalar_one() == "erased"
