"""A promise from labels to rows: proven before a run, bound to how documents are read, and closed by audits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from blocks.database.engine import Database, now
from blocks.database.learning import learned
from blocks.database.learning.forget import forget
from blocks.database.learning.labels import LabelFilter
from blocks.database.learning.learned import Learned, LearnedState
from blocks.database.learning.readings import bases_of
from blocks.database.results.results import accepted_by
from blocks.database.review.tables import review
from blocks.database.tables import results, sources
from blocks.document_types.loader import load_document_types
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentType
from blocks.gateway.registry.registry import RegistryState
from blocks.learning.promised import WHOLE
from blocks.records import Batch
from blocks.settings import Settings
from tasks.backfill.plain import without_prefect
from tasks.discover.batch import record_sources
from tasks.promise import prove
from tasks.promise.sample import sample_of
from tasks.promise.trust import trust_of
from tasks.promise.watch import watch
from tasks.report.artifacts import in_words
from tasks.runs.chunk import RunContext
from tasks.runs.pipeline import process_chunks
from tasks.runs.prepare import PreparedRun, handed_over
from tasks.runs.run import open_run
from tasks.stages import PIPELINE
from tests.label_rows import add_label

TYPE = """title: Slip
description: What the kiosk hands out.
fields:
  sum: {{type: money, required: true, aliases: [total]}}
  note: {{type: text}}
{more}
"""
SLIP = "Kiosk Anna Berg\nSlip {number}\nCoffee 3.20\nTotal {amount} EUR\n"
PROMISED = "review: {accept: {error: 30%}}\n"
FIRST_LOOK = 14
"""Labels at which runs look first: 0.7 to the power of 11 is at most 0.025, half of 5 %; and a fifth more."""


@dataclass
class Desk:
    """A database, a type with slips, and runs over them."""

    database: Database
    folder: Path
    types_folder: Path
    runs: int = 0
    slips: int = 0

    @property
    def type(self) -> DocumentType:
        return load_document_types(self.types_folder)["slip"]

    @property
    def rules(self) -> AcceptRules:
        rules = self.type.review.accept
        assert rules is not None
        return rules

    @property
    def basis(self) -> str:
        """That of the last run."""
        run_id = f"run-{self.runs}"
        with self.database.read() as connection:
            return bases_of(connection, [run_id], "slip")[run_id]

    def write_type(self, more: str = PROMISED) -> None:
        (self.types_folder / "slip").mkdir(parents=True, exist_ok=True)
        (self.types_folder / "slip" / "type.yaml").write_text(TYPE.format(more=more))

    def hand_out(self, number: int) -> list[int]:
        """So many slips, each with another sum. Returns their numbers."""
        self.folder.mkdir(exist_ok=True)
        new = [self.slips + count + 1 for count in range(number)]
        for slip in new:
            (self.folder / f"{slip}.txt").write_text(SLIP.format(number=slip, amount=f"{slip}.50"))
        self.slips += number
        return new

    def run(self, **asked: Any) -> str:
        self.runs += 1
        settings = Settings(document_types_dir=self.types_folder, ocr_languages=())
        types: Mapping[str, DocumentType] = {"slip": self.type}
        prepared = PreparedRun(settings, types, self.database, RegistryState(), ())
        batch = Batch(sources=(str(self.folder),), document_type="slip")
        context = RunContext(run_id=f"run-{self.runs}", **asked)
        with handed_over(prepared), open_run(context, batch, without_prefect(PIPELINE)) as run:
            record_sources(run, batch)
            process_chunks(run)
        return context.run_id

    def id_of(self, slip: int) -> str:
        query = select(sources.c.document_id).where(sources.c.uri.like(f"%/{slip}.txt"))
        with self.database.read() as connection:
            return str(connection.execute(query).scalar_one())

    def row_of(self, slip: int) -> tuple[str, list[str], str | None, str]:
        """Status, reasons, what accepted it, and its run."""
        row = results.c
        query = select(row.status, row.reasons, row.accepted_by, row.run_id).where(
            row.document_id == self.id_of(slip), row.is_current
        )
        with self.database.read() as connection:
            found = connection.execute(query).one()
        return found.status, found.reasons, found.accepted_by, found.run_id

    def label(self, slips: list[int], wrong: int = 0) -> None:
        """People say what the sums are; those of the first `wrong` slips were read wrongly."""
        for count, slip in enumerate(slips):
            amount = "0.01" if count < wrong else f"{slip}.50"
            add_label(self.database, self.id_of(slip), self.type, "sum", amount, drawn_with=1.0)

    def audit(self, slips: list[int], wrong: int, status: str = "decided") -> None:
        """Chance drew these accepted rows, and people decided on them."""
        self.label(slips, wrong)
        for slip in slips:
            id_ = self.id_of(slip)
            with self.database.write() as connection:
                own = results.c.document_id == id_
                fingerprint = connection.execute(select(results.c.fingerprint).where(own)).scalar_one()
                row = {
                    "document_id": id_,
                    "fingerprint": fingerprint,
                    "document_type": "slip",
                    "status": status,
                    "reasons": [],
                    "confidence": 0.9,
                    "priority": 5,
                    "created_at": now(),
                    "run_id": "run",
                    "kind": "audit",
                    "drawn_with": 1.0,
                    "decision": {"action": "correct"},
                }
                connection.execute(insert(review).values(**row))

    def looks(self) -> list[Learned]:
        return learned.history(self.database, "slip")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    desk = Desk(database, tmp_path / "in", tmp_path / "types")
    desk.write_type()
    return desk


def proven(desk: Desk) -> int:
    """A desk whose promise is proven by labels. Returns a slip that was read under the proof."""
    slips = desk.hand_out(FIRST_LOOK)
    desk.run()
    desk.label(slips)
    (slip,) = desk.hand_out(1)
    desk.run()
    return slip


def test_rows_wait_for_people_until_the_promise_is_proven_and_settled_rows_stay(desk: Desk) -> None:
    slips = desk.hand_out(FIRST_LOOK)
    desk.run()
    assert desk.row_of(slips[0]) == ("in_review", ["unproven"], None, "run-1")
    desk.label(slips[1:])
    desk.run()
    assert desk.looks() == []  # one label too few, so that no look is spent
    desk.label(slips[:1])
    (later,) = desk.hand_out(1)
    third = desk.run()
    (look,) = desk.looks()
    assert (look.state, look.labels) == (LearnedState.USED, FIRST_LOOK)
    assert desk.row_of(later) == ("accepted", [], "promise", third)
    assert desk.row_of(slips[0])[0] == "in_review"
    fourth = desk.run(relearn=True)
    assert desk.row_of(slips[0]) == ("accepted", [], "promise", fourth)
    assert desk.looks() == [look]


def test_a_promise_that_labels_refute_is_looked_at_again_with_a_quarter_more_labels(desk: Desk) -> None:
    slips = desk.hand_out(FIRST_LOOK)
    desk.run()
    desk.label(slips, wrong=8)
    desk.run()
    assert [look.state for look in desk.looks()] == [LearnedState.REFUSED]
    more = desk.hand_out(3)
    desk.run()
    desk.label(more)
    desk.run()
    assert len(desk.looks()) == 1
    (last,) = desk.hand_out(1)
    desk.run()
    desk.label([last])
    desk.run()
    assert [look.labels for look in desk.looks()] == [18, FIRST_LOOK]


def test_unproven_rows_are_accepted_by_the_threshold_where_the_type_says_so(desk: Desk) -> None:
    desk.write_type("review: {accept_at: 0.5, accept: {error: 1%, unproven: accept}}\n")
    (slip,) = desk.hand_out(1)
    run = desk.run()
    assert desk.row_of(slip) == ("accepted", [], "unproven", run)
    desk.write_type("review: {accept_at: 0.5}\n")
    (other,) = desk.hand_out(1)
    second = desk.run()
    assert desk.row_of(other) == ("accepted", [], None, second)
    assert desk.row_of(slip)[3] == run


def test_one_run_may_ask_for_an_error_of_its_own(desk: Desk) -> None:
    desk.write_type("review: {accept_at: 0.5}\n")
    slips = desk.hand_out(FIRST_LOOK)
    desk.run()
    assert desk.row_of(slips[0])[0] == "accepted"
    desk.label(slips)
    (strict, loose) = desk.hand_out(1)[0], desk.hand_out(1)[0]
    (desk.folder / f"{loose}.txt").rename(desk.folder.parent / "later.txt")
    desk.run(accept_error=Decimal("0.01"))
    assert desk.row_of(strict)[:3] == ("in_review", ["unproven"], None)
    (desk.folder.parent / "later.txt").rename(desk.folder / f"{loose}.txt")
    desk.run(accept_error=Decimal("0.3"))
    assert desk.row_of(loose)[:3] == ("accepted", [], "promise")


def test_audits_against_it_close_it_until_later_labels_prove_it_again(desk: Desk) -> None:
    proven(desk)
    audited = desk.hand_out(40)
    desk.run()
    assert {desk.row_of(slip)[2] for slip in audited} == {"promise"}
    desk.audit(audited, wrong=30)
    (after,) = desk.hand_out(1)
    desk.run()
    assert [look.state for look in desk.looks()] == [LearnedState.CLOSED]
    assert learned.closed_promises(desk.database, ["slip", "note"]) == ["slip"]
    assert desk.row_of(after)[:2] == ("in_review", ["unproven"])
    desk.run()
    # The 40 audits since the proof are looked at again, and the 14 labels before it are not: nothing is proven.
    assert [(look.state, look.labels) for look in desk.looks()] == [
        (LearnedState.REFUSED, 40),
        (LearnedState.CLOSED, FIRST_LOOK),
    ]
    assert learned.closed_promises(desk.database, ["slip"]) == []


def test_a_proof_that_a_person_took_back_does_not_return_with_the_next_run(desk: Desk) -> None:
    proven(desk)
    with desk.database.write() as connection:
        learned.set_state(connection, desk.looks()[0].learned_id, LearnedState.ROLLED_BACK, "ann")
    (slip,) = desk.hand_out(1)
    desk.run()
    assert desk.row_of(slip)[1] == ["unproven"]
    assert [look.state for look in desk.looks()] == [LearnedState.ROLLED_BACK]


def test_what_accepted_rows_is_counted_for_the_artifact_of_the_run(desk: Desk) -> None:
    proven(desk)
    desk.hand_out(2)
    assert accepted_by(desk.database, desk.run()) == {"promise": 2}
    assert in_words({"promise": 2, "unproven": 1}) == (
        "2 by a promise that labels prove, 1 by accept_at, although nothing is proven"
    )


def test_audits_within_the_promise_leave_it_open(desk: Desk) -> None:
    proven(desk)
    audited = desk.hand_out(40)
    desk.run()
    desk.audit(audited, wrong=4)
    desk.run()
    assert [look.state for look in desk.looks()] == [LearnedState.USED]


def test_a_change_of_how_documents_are_read_makes_it_unproven(desk: Desk) -> None:
    proven(desk)
    desk.write_type("languages: [en, de]\n" + PROMISED)
    (slip,) = desk.hand_out(1)
    desk.run()
    # All documents were read again by this run, after it had looked: the next one may look at them.
    assert desk.row_of(slip)[:2] == ("in_review", ["unproven"])
    more = desk.hand_out(2)
    desk.run()
    assert len(desk.looks()) == 1  # the second look has a sixth of the certainty's rest, and needs 17 labels
    desk.label([slip, *more])
    (later,) = desk.hand_out(1)
    desk.run()
    assert desk.row_of(later)[:3] == ("accepted", [], "promise")
    assert [look.labels for look in desk.looks()] == [17, FIRST_LOOK]


def test_earlier_draws_wait_until_all_of_them_were_read_again(desk: Desk) -> None:
    slips = desk.hand_out(3)
    desk.run()
    desk.label(slips)
    old = desk.basis
    desk.write_type("languages: [en, de]\n" + PROMISED)
    (desk.folder / f"{slips[0]}.txt").unlink()
    desk.run()
    assert desk.basis != old
    found = sample_of(desk.database, desk.type, basis=desk.basis)
    assert (found.labels[WHOLE], found.other_basis) == ([], 3)


def test_a_closed_proof_accepts_nothing_although_a_plan_names_it(desk: Desk) -> None:
    proven(desk)
    number = desk.looks()[0].learned_id
    with desk.database.write() as connection:
        learned.set_state(connection, number, LearnedState.CLOSED, "alarm")
    (slip,) = desk.hand_out(1)
    desk.run(learned=(number,))
    assert desk.row_of(slip)[:2] == ("in_review", ["unproven"])


def test_a_run_whose_promises_could_not_be_watched_accepts_nothing_by_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven(desk)

    def broken(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(prove, "watch", broken)
    (slip,) = desk.hand_out(1)
    desk.run()
    assert desk.row_of(slip)[:2] == ("in_review", ["unproven"])


def test_forgotten_labels_prove_nothing_any_more(desk: Desk) -> None:
    proven(desk)
    forget(desk.database, LabelFilter(document_type="slip"), "ann")
    assert [(look.state, look.changed_by) for look in desk.looks()] == [(LearnedState.ROLLED_BACK, "ann")]
    (slip,) = desk.hand_out(1)
    desk.run()
    assert desk.row_of(slip)[1] == ["unproven"]


def test_audits_of_rows_that_were_judged_again_count_although_their_items_are_older(desk: Desk) -> None:
    slip = proven(desk)
    desk.audit([slip], wrong=1)
    with desk.database.write() as connection:
        connection.execute(update(review).values(created_at=now() - timedelta(days=1)))
    assert watch(desk.database, desk.type, desk.looks()[0]).wrong == 1


def test_a_labelled_document_that_is_drawn_again_needs_no_second_label(desk: Desk) -> None:
    slips = desk.hand_out(2)
    desk.run()
    desk.label(slips)
    with desk.database.write() as connection:
        connection.execute(update(review).values(drawn_with=0.5, created_at=now() + timedelta(days=1)))
    found = sample_of(desk.database, desk.type)
    assert (found.waiting, len(found.labels[WHOLE])) == (0, 2)


def test_the_alarm_counts_audits_up_to_the_first_undecided_one(desk: Desk) -> None:
    proven(desk)
    audited = desk.hand_out(6)
    desk.run()
    desk.audit(audited[:2], wrong=1)
    desk.audit(audited[2:3], wrong=0, status="open")
    desk.audit(audited[3:], wrong=3)
    found = watch(desk.database, desk.type, desk.looks()[0])
    assert (found.audits, found.wrong, found.waiting) == (2, 1, 4)


def test_readings_that_a_change_altered_count_as_wrong_although_they_are_right_now(desk: Desk) -> None:
    desk.write_type(PROMISED)
    slips = desk.hand_out(FIRST_LOOK)
    for slip in slips:
        (desk.folder / f"{slip}.txt").write_text(
            f"Kiosk\nSlip {slip}\nCoffee 3.20\nObolus {slip}.50\nPaid in notes 50.00\n"
        )
    desk.run()
    desk.label(slips)
    text = (desk.types_folder / "slip" / "type.yaml").read_text()
    (desk.types_folder / "slip" / "type.yaml").write_text(text.replace("[total]", "[total, obolus]"))
    desk.run()
    found = sample_of(desk.database, desk.type, basis=desk.basis)
    assert found.mended == FIRST_LOOK
    assert [label.is_wrong for label in found.labels[WHOLE]] == [True] * FIRST_LOOK


def test_what_another_version_read_last_is_left_out(desk: Desk) -> None:
    slips = desk.hand_out(2)
    desk.run()
    desk.label(slips)
    found = trust_of(desk.database, desk.type, desk.rules, "another basis")
    assert (found.drawn, found.other_basis) == (0, 2)
