"""What people decided on one document makes others of the same issuer right, and changes no row that was settled."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from blocks.database.engine import Database, now
from blocks.database.keeping.erasure import erase
from blocks.database.learning import learned
from blocks.database.learning.forget import forget
from blocks.database.learning.labels import LabelFilter
from blocks.database.learning.learned import LearnedState, Part
from blocks.database.story.document import load_document
from blocks.database.tables import documents
from tasks.learn import gate
from tasks.learn.learn import learn, sentence
from tasks.learn.memory import MemoryLearned
from tests.slip_desk import Desk


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    desk = Desk(database, tmp_path / "in", tmp_path / "types")
    desk.write_type()
    return desk


def with_decided_slips(desk: Desk) -> Desk:
    """Three slips, whose sums stand beside a label that the type does not know, read and then decided."""
    for number, amount in ((1, "27.30"), (2, "18.45"), (3, "9.95")):
        desk.hand_out(number, amount)
    desk.run()
    assert desk.sum_of(1) != "27.30"
    for number, amount in ((1, "27.30"), (2, "18.45"), (3, "9.95")):
        desk.label(number, amount)
    return desk


def test_a_new_document_of_a_decided_issuer_is_read_right(desk: Desk) -> None:
    with_decided_slips(desk)
    desk.hand_out(4, "31.60")
    desk.run()
    assert desk.sum_of(4) == "31.60"


def test_what_a_value_was_read_by_is_shown(desk: Desk) -> None:
    with_decided_slips(desk)
    desk.hand_out(4, "31.60")
    desk.run()
    sums = {field.field: field for field in load_document(desk.database, desk.id_of(4)).fields}
    named = sums["sum"].read_as_in
    assert named is not None
    assert sorted(named.split("; ")) == [f"{number}.txt, decided by ann" for number in (1, 2, 3)]
    assert load_document(desk.database, desk.id_of(1)).fields[0].read_as_in is None
    erase(desk.database, [desk.id_of(1)], "ann")
    gone = load_document(desk.database, desk.id_of(4)).fields[0].read_as_in
    assert gone is not None
    assert "whose label was forgotten" in gone


def test_what_was_read_before_is_read_again_only_where_that_is_wanted(desk: Desk) -> None:
    with_decided_slips(desk)
    desk.hand_out(4, "31.60")
    second = desk.run()
    assert desk.scored_in(4) == [second]
    assert desk.scored_in(1) == ["run-1"]
    third = desk.run(relearn=True)
    assert desk.scored_in(1) == ["run-1", third]
    assert desk.sum_of(1) == "27.30"
    desk.hand_out(5, "12.00")
    desk.run()
    desk.label(5, "12.00")
    desk.write_type("memory: {refresh: stale}\n")
    last = desk.run()
    assert last in desk.scored_in(4)


def test_nothing_new_makes_nothing_new(desk: Desk) -> None:
    with_decided_slips(desk)
    (came,) = learn(desk.database, desk.types)
    assert came.is_used
    assert came.documents == 3
    (again,) = learn(desk.database, desk.types)
    assert (again.learned_id, again.why) == (None, "nothing new was decided since")


def test_a_document_whose_label_changes_is_remembered_anew_and_an_older_state_comes_back(desk: Desk) -> None:
    with_decided_slips(desk)
    (first,) = learn(desk.database, desk.types)
    desk.label(1, "27.31")
    (second,) = learn(desk.database, desk.types)
    assert first.learned_id is not None
    assert second.learned_id is not None
    rows = {id_: learned.load_memories(desk.database, "slip", id_) for id_ in (first.learned_id, second.learned_id)}
    assert [len(found) for found in rows.values()] == [3, 3]
    changed = set(rows[first.learned_id]) ^ set(rows[second.learned_id])
    assert {row.document_id for row in changed} == {desk.id_of(1)}
    with desk.database.write() as connection:
        learned.set_state(connection, second.learned_id, LearnedState.ROLLED_BACK, "ann")
    assert learned.in_use(desk.database)["slip", Part.MEMORY].learned_id == first.learned_id


def test_what_reads_a_field_worse_is_not_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with_decided_slips(desk)
    was_right = iter([{"sum": True}, {"sum": False}] * 3)
    monkeypatch.setattr(gate, "right_fields", lambda *_: next(was_right))
    monkeypatch.setattr(gate, "WORSE_AT", 0.2)
    (came,) = learn(desk.database, desk.types)
    assert not came.is_used
    assert isinstance(came, MemoryLearned)
    assert came.gate is not None
    assert came.gate.fields["sum"].p_worse == 0.125
    assert sentence(came).endswith("not used, because it reads sum worse: sum 3 to 0 of 3 right")
    assert learned.in_use(desk.database) == {}


def test_an_erased_document_is_remembered_no_longer(desk: Desk) -> None:
    with_decided_slips(desk)
    (came,) = learn(desk.database, desk.types)
    assert came.learned_id is not None
    erased = desk.id_of(1)
    erase(desk.database, [erased], "ann")
    left = learned.load_memories(desk.database, "slip", came.learned_id)
    assert erased not in {row.document_id for row in left}
    assert len(left) == 2


def test_a_type_that_does_not_ask_for_it_is_read_as_ever(desk: Desk) -> None:
    desk.write_type("")
    with_decided_slips(desk)
    desk.hand_out(4, "31.60")
    desk.run()
    assert desk.sum_of(4) != "31.60"
    (came,) = learn(desk.database, desk.types)
    assert came.why.startswith("its type.yaml does not ask for it")


def test_what_was_learnt_is_found_by_its_ids(desk: Desk) -> None:
    with_decided_slips(desk)
    (came,) = learn(desk.database, desk.types)
    assert came.learned_id is not None
    assert learned.by_ids(desk.database, [came.learned_id]) == learned.in_use(desk.database)
    assert learned.by_ids(desk.database, []) == {}


def test_what_was_learnt_of_forgotten_labels_is_forgotten_at_once(desk: Desk) -> None:
    with_decided_slips(desk)
    desk.run()
    assert len(learned.newest_memories(desk.database, "slip")) == 3
    forget(desk.database, LabelFilter(document_id=desk.id_of(1)), "ann")
    kept = {row.document_id for row in learned.newest_memories(desk.database, "slip")}
    assert kept == {desk.id_of(2), desk.id_of(3)}


def test_a_document_that_is_erased_while_what_it_taught_is_measured_is_not_remembered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_decided_slips(desk)
    measure = gate.measure

    def erased_meanwhile(*given: Any) -> gate.Gate:
        with desk.database.write() as connection:
            of_one = documents.c.document_id == desk.id_of(1)
            connection.execute(update(documents).where(of_one).values(erased_at=now()))
        return measure(*given)

    monkeypatch.setattr("tasks.learn.memory.measure", erased_meanwhile)
    desk.run()
    kept = {row.document_id for row in learned.newest_memories(desk.database, "slip")}
    assert kept == {desk.id_of(2), desk.id_of(3)}
