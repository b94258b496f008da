"""A promise from labels to rows: proven before a run, bound to how documents are read, and closed by audits."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

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
from blocks.database.tables import results
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentType
from blocks.learning.promised import WHOLE
from tasks.promise import prove
from tasks.promise.sample import sample_of
from tasks.promise.trust import trust_of
from tasks.promise.watch import watch
from tasks.report.artifacts import in_words
from tests.label_rows import add_label
from tests.slip_desk import Desk

PROMISED = "review: {accept: {error: 30%}}\n"
FIRST_LOOK = 14
"""Labels at which runs look first: 0.7 to the power of 11 is at most 0.025, half of 5 %; and a fifth more."""


@dataclass
class Promising(Desk):
    """A desk whose type promises an error."""

    slips: int = 0

    @property
    def type(self) -> DocumentType:
        return self.types["slip"]

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
        super().write_type(more)

    def new_slips(self, number: int) -> list[int]:
        """So many slips, each with another sum. Returns their numbers."""
        new = [self.slips + count + 1 for count in range(number)]
        self.folder.mkdir(exist_ok=True)
        for slip in new:
            (self.folder / f"{slip}.txt").write_text(
                f"Kiosk Anna Berg\nSlip {slip}\nCoffee 3.20\nTotal {slip}.50 EUR\n"
            )
        self.slips += number
        return new

    def verdict_of(self, slip: int) -> tuple[str, list[str], str | None, str]:
        """Status, reasons, what accepted it, and its run."""
        row = self.row_of(slip)
        return row["status"], row["reasons"], row["accepted_by"], row["run_id"]

    def label_all(self, slips: list[int], wrong: int = 0) -> None:
        """People say what the sums are; those of the first `wrong` slips were read wrongly."""
        for count, slip in enumerate(slips):
            amount = "0.01" if count < wrong else f"{slip}.50"
            add_label(self.database, self.id_of(slip), self.type, "sum", amount, drawn_with=1.0)

    def audit(self, slips: list[int], wrong: int, status: str = "decided") -> None:
        """Chance drew these accepted rows, and people decided on them."""
        self.label_all(slips, wrong)
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
def desk(database: Database, tmp_path: Path) -> Promising:
    desk = Promising(database, tmp_path / "in", tmp_path / "types")
    desk.write_type()
    return desk


def proven(desk: Promising) -> int:
    """A desk whose promise is proven by labels. Returns a slip that was read under the proof."""
    slips = desk.new_slips(FIRST_LOOK)
    desk.run()
    desk.label_all(slips)
    (slip,) = desk.new_slips(1)
    desk.run()
    return slip


def test_rows_wait_for_people_until_the_promise_is_proven_and_settled_rows_stay(desk: Promising) -> None:
    slips = desk.new_slips(FIRST_LOOK)
    desk.run()
    assert desk.verdict_of(slips[0]) == ("in_review", ["unproven"], None, "run-1")
    desk.label_all(slips[1:])
    desk.run()
    assert desk.looks() == []  # one label too few, so that no look is spent
    desk.label_all(slips[:1])
    (later,) = desk.new_slips(1)
    third = desk.run()
    (look,) = desk.looks()
    assert (look.state, look.labels) == (LearnedState.USED, FIRST_LOOK)
    assert desk.verdict_of(later) == ("accepted", [], "promise", third)
    assert desk.verdict_of(slips[0])[0] == "in_review"
    fourth = desk.run(relearn=True)
    assert desk.verdict_of(slips[0]) == ("accepted", [], "promise", fourth)
    assert desk.looks() == [look]


def test_a_promise_that_labels_refute_is_looked_at_again_with_a_quarter_more_labels(desk: Promising) -> None:
    slips = desk.new_slips(FIRST_LOOK)
    desk.run()
    desk.label_all(slips, wrong=8)
    desk.run()
    assert [look.state for look in desk.looks()] == [LearnedState.REFUSED]
    more = desk.new_slips(3)
    desk.run()
    desk.label_all(more)
    desk.run()
    assert len(desk.looks()) == 1
    (last,) = desk.new_slips(1)
    desk.run()
    desk.label_all([last])
    desk.run()
    assert [look.labels for look in desk.looks()] == [18, FIRST_LOOK]


def test_unproven_rows_are_accepted_by_the_threshold_where_the_type_says_so(desk: Promising) -> None:
    desk.write_type("review: {accept_at: 0.5, accept: {error: 1%, unproven: accept}}\n")
    (slip,) = desk.new_slips(1)
    run = desk.run()
    assert desk.verdict_of(slip) == ("accepted", [], "unproven", run)
    desk.write_type("review: {accept_at: 0.5}\n")
    (other,) = desk.new_slips(1)
    second = desk.run()
    assert desk.verdict_of(other) == ("accepted", [], None, second)
    assert desk.verdict_of(slip)[3] == run


def test_one_run_may_ask_for_an_error_of_its_own(desk: Promising) -> None:
    desk.write_type("review: {accept_at: 0.5}\n")
    slips = desk.new_slips(FIRST_LOOK)
    desk.run()
    assert desk.verdict_of(slips[0])[0] == "accepted"
    desk.label_all(slips)
    (strict, loose) = desk.new_slips(1)[0], desk.new_slips(1)[0]
    (desk.folder / f"{loose}.txt").rename(desk.folder.parent / "later.txt")
    desk.run(accept_error=Decimal("0.01"))
    assert desk.verdict_of(strict)[:3] == ("in_review", ["unproven"], None)
    (desk.folder.parent / "later.txt").rename(desk.folder / f"{loose}.txt")
    desk.run(accept_error=Decimal("0.3"))
    assert desk.verdict_of(loose)[:3] == ("accepted", [], "promise")


def test_audits_against_it_close_it_until_later_labels_prove_it_again(desk: Promising) -> None:
    proven(desk)
    audited = desk.new_slips(40)
    desk.run()
    assert {desk.verdict_of(slip)[2] for slip in audited} == {"promise"}
    desk.audit(audited, wrong=30)
    (after,) = desk.new_slips(1)
    desk.run()
    assert [look.state for look in desk.looks()] == [LearnedState.CLOSED]
    assert learned.closed_promises(desk.database, ["slip", "note"]) == ["slip"]
    assert desk.verdict_of(after)[:2] == ("in_review", ["unproven"])
    desk.run()
    # The 40 audits since the proof are looked at again, and the 14 labels before it are not: nothing is proven.
    assert [(look.state, look.labels) for look in desk.looks()] == [
        (LearnedState.REFUSED, 40),
        (LearnedState.CLOSED, FIRST_LOOK),
    ]
    assert learned.closed_promises(desk.database, ["slip"]) == []


def test_a_proof_that_a_person_took_back_does_not_return_with_the_next_run(desk: Promising) -> None:
    proven(desk)
    with desk.database.write() as connection:
        learned.set_state(connection, desk.looks()[0].learned_id, LearnedState.ROLLED_BACK, "ann")
    (slip,) = desk.new_slips(1)
    desk.run()
    assert desk.verdict_of(slip)[1] == ["unproven"]
    assert [look.state for look in desk.looks()] == [LearnedState.ROLLED_BACK]


def test_what_accepted_rows_is_counted_for_the_artifact_of_the_run(desk: Promising) -> None:
    proven(desk)
    desk.new_slips(2)
    assert accepted_by(desk.database, desk.run()) == {"promise": 2}
    assert in_words({"promise": 2, "unproven": 1}) == (
        "2 by a promise that labels prove, 1 by accept_at, although nothing is proven"
    )


def test_audits_within_the_promise_leave_it_open(desk: Promising) -> None:
    proven(desk)
    audited = desk.new_slips(40)
    desk.run()
    desk.audit(audited, wrong=4)
    desk.run()
    assert [look.state for look in desk.looks()] == [LearnedState.USED]


def test_a_change_of_how_documents_are_read_makes_it_unproven(desk: Promising) -> None:
    proven(desk)
    desk.write_type("languages: [en, de]\n" + PROMISED)
    (slip,) = desk.new_slips(1)
    desk.run()
    # All documents were read again by this run, after it had looked: the next one may look at them.
    assert desk.verdict_of(slip)[:2] == ("in_review", ["unproven"])
    more = desk.new_slips(2)
    desk.run()
    assert len(desk.looks()) == 1  # the second look has a sixth of the certainty's rest, and needs 17 labels
    desk.label_all([slip, *more])
    (later,) = desk.new_slips(1)
    desk.run()
    assert desk.verdict_of(later)[:3] == ("accepted", [], "promise")
    assert [look.labels for look in desk.looks()] == [17, FIRST_LOOK]


def test_earlier_draws_wait_until_all_of_them_were_read_again(desk: Promising) -> None:
    slips = desk.new_slips(3)
    desk.run()
    desk.label_all(slips)
    old = desk.basis
    desk.write_type("languages: [en, de]\n" + PROMISED)
    (desk.folder / f"{slips[0]}.txt").unlink()
    desk.run()
    assert desk.basis != old
    found = sample_of(desk.database, desk.type, basis=desk.basis)
    assert (found.labels[WHOLE], found.other_basis) == ([], 3)


def test_a_closed_proof_accepts_nothing_although_a_plan_names_it(desk: Promising) -> None:
    proven(desk)
    number = desk.looks()[0].learned_id
    with desk.database.write() as connection:
        learned.set_state(connection, number, LearnedState.CLOSED, "alarm")
    (slip,) = desk.new_slips(1)
    desk.run(learned=(number,))
    assert desk.verdict_of(slip)[:2] == ("in_review", ["unproven"])


def test_a_run_whose_promises_could_not_be_watched_accepts_nothing_by_them(
    desk: Promising, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven(desk)

    def broken(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(prove, "watch", broken)
    (slip,) = desk.new_slips(1)
    desk.run()
    assert desk.verdict_of(slip)[:2] == ("in_review", ["unproven"])


def test_forgotten_labels_prove_nothing_any_more(desk: Promising) -> None:
    proven(desk)
    forget(desk.database, LabelFilter(document_type="slip"), "ann")
    assert [(look.state, look.changed_by) for look in desk.looks()] == [(LearnedState.ROLLED_BACK, "ann")]
    (slip,) = desk.new_slips(1)
    desk.run()
    assert desk.verdict_of(slip)[1] == ["unproven"]


def test_audits_of_rows_that_were_judged_again_count_although_their_items_are_older(desk: Promising) -> None:
    slip = proven(desk)
    desk.audit([slip], wrong=1)
    with desk.database.write() as connection:
        connection.execute(update(review).values(created_at=now() - timedelta(days=1)))
    assert watch(desk.database, desk.type, desk.looks()[0]).wrong == 1


def test_a_labelled_document_that_is_drawn_again_needs_no_second_label(desk: Promising) -> None:
    slips = desk.new_slips(2)
    desk.run()
    desk.label_all(slips)
    with desk.database.write() as connection:
        connection.execute(update(review).values(drawn_with=0.5, created_at=now() + timedelta(days=1)))
    found = sample_of(desk.database, desk.type)
    assert (found.waiting, len(found.labels[WHOLE])) == (0, 2)


def test_the_alarm_counts_audits_up_to_the_first_undecided_one(desk: Promising) -> None:
    proven(desk)
    audited = desk.new_slips(6)
    desk.run()
    desk.audit(audited[:2], wrong=1)
    desk.audit(audited[2:3], wrong=0, status="open")
    desk.audit(audited[3:], wrong=3)
    found = watch(desk.database, desk.type, desk.looks()[0])
    assert (found.audits, found.wrong, found.waiting) == (2, 1, 4)


def test_readings_that_a_change_altered_count_as_wrong_although_they_are_right_now(desk: Promising) -> None:
    desk.write_type(PROMISED)
    slips = desk.new_slips(FIRST_LOOK)
    for slip in slips:
        (desk.folder / f"{slip}.txt").write_text(
            f"Kiosk\nSlip {slip}\nCoffee 3.20\nObolus {slip}.50\nPaid in notes 50.00\n"
        )
    desk.run()
    desk.label_all(slips)
    text = (desk.types_folder / "slip" / "type.yaml").read_text()
    (desk.types_folder / "slip" / "type.yaml").write_text(text.replace("[total]", "[total, obolus]"))
    desk.run()
    found = sample_of(desk.database, desk.type, basis=desk.basis)
    assert found.mended == FIRST_LOOK
    assert [label.is_wrong for label in found.labels[WHOLE]] == [True] * FIRST_LOOK


def test_what_another_version_read_last_is_left_out(desk: Promising) -> None:
    slips = desk.new_slips(2)
    desk.run()
    desk.label_all(slips)
    found = trust_of(desk.database, desk.type, desk.rules, "another basis")
    assert (found.drawn, found.other_basis) == (0, 2)
