"""Confidences become the share of right values: by labels that count, and by none of a document's own fold."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from blocks.database.engine import Database, now
from blocks.database.learning import learned
from blocks.database.learning.learned import LearnedState, Part
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.learning.calibration import Calibration, TypeCalibration
from blocks.learning.labels import Label, Origin
from blocks.records import Evidence, Status, Validation
from tasks.learn.calibration import CalibrationLearned, LabelledConfidence, counting, fit, learn_calibration
from tasks.learn.learn import PROMISED, learn, sentence
from tasks.learn.split import proving
from tests.slip_desk import Desk

SLIP = DocumentType(
    name="slip",
    title="Slip",
    fields={
        "sum": DocumentField(type=FieldType.MONEY, required=True),
        "day": DocumentField(type=FieldType.DATE),
        "remark": DocumentField(type=FieldType.TEXT, written=True),
    },
)
QUOTE = (Evidence(page=1, quote="5"),)


def verdict(*reasons: str, raw: dict[str, float] | None = None, evidence: tuple[Evidence, ...] = QUOTE) -> Validation:
    return Validation(
        document_type="slip",
        status=Status.IN_REVIEW,
        confidence=0.6,
        reasons=reasons,
        fields={"sum": "5.00", "day": "2026-01-02", "remark": "thanks"},
        confidences={"sum": 0.6, "day": 0.9, "remark": 0.7},
        raw_confidences=raw or {},
        evidence={"sum": evidence, "day": evidence, "remark": evidence},
    )


def label(field: str, value: str | None, drawn_with: float | None = None, origin: Origin = Origin.QUEUE) -> Label:
    return Label(
        label_id="i1",
        document_id="d",
        document_type="slip",
        type_version="",
        field=field,
        value=value,
        labelled_by="ann",
        labelled_at=now(),
        origin=origin,
        drawn_with=drawn_with,
    )


def counted(labels: Sequence[Label], validation: Validation) -> list[tuple[str, float, bool]]:
    return [(each.field, each.confidence, each.is_right) for each in counting(SLIP, "d", labels, validation)]


def test_of_an_item_of_review_only_what_sent_it_there_counts_and_of_a_drawn_document_everything() -> None:
    seen = verdict("low_confidence:sum")
    assert counted([label("sum", "5.00"), label("day", "2026-02-01")], seen) == [("sum", 0.6, True)]
    drawn = [label("sum", None, 0.1), label("day", "2026-02-01", 0.1)]
    assert counted(drawn, seen) == [("sum", 0.6, False), ("day", 0.9, False)]
    assert counted([label("sum", "5.00", origin=Origin.IMPORT)], seen) == []


@pytest.mark.parametrize(
    "seen",
    [verdict("ungrounded:sum"), verdict("invalid:sum: five"), verdict(evidence=())],
    ids=lambda seen: seen.reasons,
)
def test_values_that_no_calibration_changes_teach_none(seen: Validation) -> None:
    assert counted([label("sum", "5.00", 1.0), label("remark", "thanks", 1.0)], seen) == []


def test_a_fit_is_made_of_raw_confidences() -> None:
    assert counted([label("sum", "5.00", 1.0)], verdict(raw={"sum": 0.42})) == [("sum", 0.42, True)]


def labelled(count: int, share_right: float, seed: int = 1) -> list[LabelledConfidence]:
    chance = random.Random(seed)
    return [
        LabelledConfidence(f"d{number}", "sum", chance.uniform(0.5, 1), chance.random() < share_right)
        for number in range(count)
    ]


FOLDS = {f"d{number}": number % 5 for number in range(400)}


def test_a_label_teaches_only_the_other_folds() -> None:
    before = labelled(100, 0.5)
    own = before[7]
    after = [*before[:7], LabelledConfidence(own.document_id, "sum", own.confidence, not own.is_right), *before[8:]]
    one, other = (fit(rows, FOLDS, TypeCalibration())[0].fields["sum"] for rows in (before, after))
    assert [fold for fold in range(5) if one[fold] == other[fold]] == [7 % 5]


def test_what_loses_less_is_used_and_else_what_was_in_use_stays() -> None:
    rows = labelled(300, 0.5)
    first, gate = fit(rows, FOLDS, TypeCalibration())
    assert gate.changes.keys() == {"sum"}
    assert gate.fields["sum"].loss_after < gate.fields["sum"].loss_before
    again, second = fit(rows, FOLDS, first)
    assert (again, second.changes) == (first, {})
    exact = TypeCalibration(fields={"sum": (Calibration(method="isotonic", labels=10**6, points=((0.7, 0.5),)),) * 5})
    kept, third = fit(labelled(40, 0.5, seed=2), FOLDS, exact)
    assert (kept, third.changes) == (exact, {})


def test_confidences_that_are_right_stay_as_they_come() -> None:
    chance = random.Random(3)
    rows = [
        LabelledConfidence(f"d{number}", "sum", confidence, chance.random() < confidence)
        for number in range(25)
        for confidence in [chance.uniform(0.3, 1)]
    ]
    calibration, gate = fit(rows[:15], FOLDS, TypeCalibration())
    assert (calibration.fields, gate.changes) == ({}, {})
    assert set(gate.fields["sum"].methods) == {"identity"}


CALIBRATED = "review: {calibrate: true}\n"


@pytest.fixture
def desk(sqlite_database: Database, tmp_path: Path) -> Desk:
    """Sixty slips that are read alike, each drawn and labelled: the sum of each second is another one."""
    desk = Desk(sqlite_database, tmp_path / "in", tmp_path / "types")
    desk.write_type(CALIBRATED)
    for number in range(60):
        desk.hand_out(number, f"{number}.30", "Total")
    desk.run()
    return desk


def with_labels(desk: Desk) -> CalibrationLearned:
    for number in range(60):
        desk.label(number, f"{number}.30" if number % 2 else "1000.00", drawn_with=1.0)
    came = learn(desk.database, desk.types)[-1]
    assert isinstance(came, CalibrationLearned)
    return came


def test_later_documents_are_calibrated_and_settled_ones_keep_their_row(desk: Desk) -> None:
    row, before = desk.row_of(1), desk.validation_of(1)
    assert before.confidence > 0.8
    came = with_labels(desk)
    assert came.is_used
    desk.hand_out(61, "61.30", "Total")
    second = desk.run()
    assert (desk.row_of(1), desk.validation_of(1)) == (row, before)
    later = desk.validation_of(61)
    assert 0.5 < later.confidence < 0.7
    assert (later.status, later.reasons) == (Status.IN_REVIEW, ("low_confidence:sum",))
    assert later.raw_confidences == before.confidences
    stored = desk.row_of(61)
    assert (stored["status"], stored["confidences"]) == ("in_review", later.confidences)
    assert desk.validated_under(61).endswith(f".{came.learned_id}")
    desk.run(relearn=True)
    assert desk.row_of(1)["confidence"] == desk.validation_of(1).confidence < 0.7
    assert desk.validated_under(1).endswith(f".{came.learned_id}")
    assert (desk.scored_in(1), desk.scored_in(61)) == (["run-1"], [second])


def test_a_labelled_document_is_calibrated_by_other_folds_alone(desk: Desk) -> None:
    with_labels(desk)
    desk.run(relearn=True)
    before = {number: desk.validation_of(number).confidence for number in range(60)}
    desk.label(1, "1000.00", drawn_with=1.0)
    desk.run(relearn=True)
    after = {number: desk.validation_of(number).confidence for number in range(60)}
    assert after[1] == before[1]
    assert sum(after[number] < before[number] for number in range(60)) > 30


def test_nothing_new_is_learnt_from_the_same_labels_and_an_older_calibration_comes_back(desk: Desk) -> None:
    first = with_labels(desk)
    assert first.learned_id is not None
    assert sentence(first).startswith(
        f"slip: calibrated by 60 decided documents (no. {first.learned_id}): sum isotonic"
    )
    again = learn_calibration(desk.database, desk.types["slip"])
    assert (again.learned_id, again.why) == (None, "nothing new was decided since")
    desk.label(1, "1000.00", drawn_with=1.0)
    second = learn_calibration(desk.database, desk.types["slip"])
    assert second.learned_id is not None
    with desk.database.write() as connection:
        learned.set_state(connection, second.learned_id, LearnedState.ROLLED_BACK, "ann")
    assert learned.in_use(desk.database)["slip", Part.CALIBRATION].learned_id == first.learned_id


def test_with_a_strict_split_only_the_teaching_half_teaches(desk: Desk) -> None:
    desk.write_type(f"memory: {{split: strict}}\n{CALIBRATED}")
    came = with_labels(desk)
    ids = [desk.id_of(number) for number in range(60)]
    proving_ones = proving(desk.database, desk.types["slip"], ids)
    assert 20 < len(proving_ones) < 40
    assert came.documents == 60 - len(proving_ones)
    assert len(learn(desk.database, desk.types)) == 2


def test_the_first_calibration_of_a_type_that_promises_an_error_stays(desk: Desk) -> None:
    with_labels(desk)
    desk.write_type(CALIBRATED.replace("calibrate: true", "calibrate: true, accept: {error: 5%}"))
    desk.label(1, "1000.00", drawn_with=1.0)
    (came,) = learn(desk.database, desk.types)
    assert sentence(came) == f"slip: no calibration was learnt: {PROMISED}"


def test_without_the_setting_nothing_is_calibrated(desk: Desk) -> None:
    with_labels(desk)
    desk.write_type("")
    desk.hand_out(61, "61.30", "Total")
    desk.run()
    assert desk.validation_of(61).confidence == desk.validation_of(1).confidence
    assert b"raw_confidences" not in desk.payload_of(61)
    assert len(learn(desk.database, desk.types)) == 1
