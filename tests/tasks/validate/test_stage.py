"""The validate stage: one outcome per document, whatever its neighbours are, and the same bytes for the same input."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from blocks.database.learning.learned import Learned, LearnedState, Part
from blocks.document_types.review_rules import ReviewRules
from blocks.document_types.schema import Criterion, DocumentField, DocumentType, Expectation, FieldType, Rubric
from blocks.learning.calibration import Calibration, TypeCalibration
from blocks.learning.labels import FOLDS, fold_of
from blocks.learning.recall import text_digest
from blocks.records import (
    PAGES_UNREAD,
    Classification,
    CriterionReading,
    Document,
    Evidence,
    Extraction,
    FieldReading,
    Outcome,
    Page,
    Record,
    Scoring,
    Stage,
    Status,
    Validation,
    Words,
)
from tasks.validate.calibration import RunCalibrations
from tasks.validate.stage import ValidateStage

TEXT = "ACME Ltd\nDate 31/01/2024\nTotal 12.50 EUR"
BILL = DocumentType(
    name="bill",
    title="Bill",
    fields={
        "company": DocumentField(type=FieldType.TEXT, required=True),
        "total": DocumentField(type=FieldType.MONEY, required=True),
        "date": DocumentField(type=FieldType.DATE),
        "currency": DocumentField(type=FieldType.CURRENCY, default="USD"),
    },
)
MEMO = DocumentType(name="memo", title="Memo", fields={"from": DocumentField(type=FieldType.TEXT, required=True)})
READINGS = {
    "company": FieldReading(value="ACME Ltd", confidence=0.95, evidence=(Evidence(page=1, quote="ACME Ltd"),)),
    "total": FieldReading(value="12.50 EUR", confidence=0.9, evidence=(Evidence(page=1, quote="12.50"),)),
    "date": FieldReading(value="31/01/2024", confidence=0.9, evidence=(Evidence(page=1, quote="31/01/2024"),)),
}


def payload(record: Record) -> bytes:
    return record.model_dump_json().encode()


def document(
    name: str = "a",
    pages: tuple[Page, ...] = (Page(number=1, method="parsed", text=TEXT),),
    readings: dict[str, FieldReading] | None = None,
    document_type: str = "bill",
    confidence: float = 0.98,
) -> Document:
    extraction = Extraction(media_type="text/plain", pages=pages, engine="test", language="en")
    classification = Classification(document_type=document_type, confidence=confidence, method="signals")
    scoring = Scoring(
        document_type=document_type, model="local", fields=READINGS if readings is None else readings, score=55.5
    )
    return Document(
        document_id=name,
        uri=f"/{name}",
        media_type="text/plain",
        size_bytes=1,
        document_type=document_type,
        digests={Stage.EXTRACT: "1", Stage.CLASSIFY: "2", Stage.SCORE: "3"},
        inputs={
            Stage.EXTRACT: payload(extraction),
            Stage.CLASSIFY: payload(classification),
            Stage.SCORE: payload(scoring),
        },
    )


def stage(**changed: object) -> ValidateStage:
    return ValidateStage({"bill": BILL.model_copy(update=changed), "memo": MEMO})


def validated(outcome: Outcome) -> Validation:
    assert outcome.payload is not None, outcome.failure
    return Validation.model_validate_json(outcome.payload)


def judge(one: Document, **changed: object) -> Validation:
    (outcome,) = stage(**changed).work([one])
    return validated(outcome)


def test_values_are_typed_and_a_clean_document_is_accepted() -> None:
    verdict = judge(document())
    assert (verdict.status, verdict.reasons, verdict.confidence) == (Status.ACCEPTED, (), 0.9)
    assert verdict.fields == {"company": "ACME Ltd", "total": "12.50", "date": "2024-01-31", "currency": None}
    assert verdict.evidence["company"][0].quote == "ACME Ltd"
    assert verdict.score == 55.5


def test_a_quote_that_is_not_on_the_page_or_does_not_say_the_value_is_ungrounded() -> None:
    elsewhere = FieldReading(value="12.50", confidence=0.99, evidence=(Evidence(page=1, quote="Total 99.99"),))
    other = FieldReading(value="2024-02-01", confidence=0.99, evidence=(Evidence(page=1, quote="31/01/2024"),))
    verdict = judge(document(readings={**READINGS, "total": elsewhere, "date": other}))
    assert verdict.status is Status.IN_REVIEW
    assert {"ungrounded:total", "ungrounded:date"} <= set(verdict.reasons)


def test_a_value_that_stands_only_in_hidden_text_is_ungrounded() -> None:
    page = Page(number=1, method="text_layer", text=TEXT.replace("ACME Ltd", ""), hidden_text="ACME Ltd")
    verdict = judge(document(pages=(page,)))
    assert {"hidden_text", "ungrounded:company"} <= set(verdict.reasons)


def test_a_text_that_is_no_value_of_the_type_is_invalid_and_stored_as_nothing() -> None:
    wrong = FieldReading(value="Ltd", confidence=0.99, evidence=(Evidence(page=1, quote="Ltd"),))
    verdict = judge(document(readings={**READINGS, "total": wrong}))
    assert verdict.reasons == ("invalid:total: Ltd",)
    assert verdict.fields["total"] is None
    assert verdict.confidences["total"] == 0.0


def test_a_default_is_no_claim_about_the_document() -> None:
    verdict = judge(document(readings={**READINGS, "currency": FieldReading(value="USD", confidence=0.99)}))
    assert (verdict.status, verdict.fields["currency"]) == (Status.ACCEPTED, "USD")
    assert verdict.confidences["currency"] <= 0.2


def test_a_confidence_that_is_no_number_is_none() -> None:
    endless = document().inputs[Stage.SCORE].replace(b'"confidence":0.95', b'"confidence":NaN')
    one = document()
    verdict = judge(dataclasses.replace(one, inputs={**one.inputs, Stage.SCORE: endless}))
    assert verdict.status is Status.IN_REVIEW
    assert verdict.confidence == 0.0


def test_bad_ocr_under_a_value_weakens_it() -> None:
    words = Words(
        spans=((0, 4), (5, 8), (9, 13), (14, 24), (25, 30), (31, 36), (37, 40)),
        confidences=(0.9, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9),
    )
    page = Page(number=1, method="ocr", text=TEXT, words=words, ocr_confidence=0.55)
    verdict = judge(document(pages=(page,)))
    assert {"low_ocr_confidence", "low_confidence:company"} <= set(verdict.reasons)
    assert verdict.confidences["company"] == 0.95 * 0.5


def test_a_provisional_output_upstream_is_a_reason_and_another_fingerprint() -> None:
    one = document()
    provisional = dataclasses.replace(one, provisional={Stage.EXTRACT: "ocr_unavailable"})
    assert judge(provisional).reasons == ("ocr_unavailable",)
    assert stage().fingerprint(provisional) != stage().fingerprint(one)


def test_an_unknown_type_and_one_that_is_gone_go_to_review() -> None:
    for name in ("unknown", "gone"):
        verdict = judge(document(document_type=name, readings={}))
        assert (verdict.document_type, verdict.status) == ("unknown", Status.IN_REVIEW)
        assert verdict.reasons == ("unknown_type",)


def test_rows_are_told_what_they_break_and_their_neighbours_are_not() -> None:
    bounds = Expectation(
        name="small_total", type="ExpectColumnValuesToBeBetween", kwargs={"column": "total", "max_value": 10}
    )
    cheap = FieldReading(value="9", confidence=0.9, evidence=(Evidence(page=1, quote="9"),))
    cheap_page = (Page(number=1, method="parsed", text=TEXT.replace("12.50", "9")),)
    documents = [
        document("dear"),
        document("cheap", pages=cheap_page, readings={**READINGS, "total": cheap}),
        document("memo", document_type="memo", readings={"from": READINGS["company"]}),
    ]
    worker = stage(expectations=(bounds,))
    outcomes = {outcome.document_id: outcome for outcome in worker.work(documents)}
    assert validated(outcomes["dear"]).reasons == ("expectation:small_total",)
    assert validated(outcomes["cheap"]).status is Status.ACCEPTED
    assert validated(outcomes["memo"]).status is Status.ACCEPTED
    for one in documents:
        (alone,) = worker.work([one])
        assert alone.payload == outcomes[one.document_id].payload


def test_a_broken_payload_costs_its_document_and_no_other() -> None:
    good, bad = document("good"), document("bad")
    bad = dataclasses.replace(bad, inputs={**bad.inputs, Stage.EXTRACT: b'{"pages": 7}'})
    absent = dataclasses.replace(document("absent"), inputs={})
    outcomes = {outcome.document_id: outcome for outcome in stage().work([bad, good, absent])}
    assert validated(outcomes["good"]).status is Status.ACCEPTED
    for name in ("bad", "absent"):
        failure = outcomes[name].failure
        assert failure is not None
        assert (failure.kind, failure.stage) == ("internal", Stage.VALIDATE)


def test_the_fingerprint_follows_what_decides_the_verdict_and_nothing_else() -> None:
    one = document()
    base = stage().fingerprint(one)
    assert stage().fingerprint(dataclasses.replace(one, uri="/elsewhere")) == base
    assert stage(prompts={"default": "read"}).fingerprint(one) == base
    assert stage(sensitive=True).fingerprint(one) != base
    for upstream in (Stage.EXTRACT, Stage.CLASSIFY, Stage.SCORE):
        changed = dataclasses.replace(one, digests={**one.digests, upstream: "new"})
        assert stage().fingerprint(changed) != base
    other_type = ValidateStage(
        {"bill": BILL, "memo": DocumentType.model_validate({**MEMO.model_dump(), "sensitive": True})}
    )
    assert other_type.fingerprint(one) == base
    assert other_type.configuration != stage().configuration


def test_the_payload_has_the_same_bytes_every_time() -> None:
    first, second = (next(iter(stage().work([document()]))) for _ in range(2))
    assert first.payload == second.payload
    assert first.payload is not None
    assert list(json.loads(first.payload)["fields"]) == list(BILL.fields)


def test_a_document_of_which_pages_could_not_be_read_goes_to_review() -> None:
    one = document()
    extraction = Extraction.model_validate_json(one.inputs[Stage.EXTRACT])
    damaged = extraction.model_copy(update={"attributes": {PAGES_UNREAD: "2"}})
    verdict = judge(dataclasses.replace(one, inputs={**one.inputs, Stage.EXTRACT: payload(damaged)}))
    assert (verdict.status, verdict.reasons) == (Status.IN_REVIEW, ("pages_unread:2",))


def test_what_models_gave_up_and_what_their_grades_quote_in_vain_is_seen_in_review() -> None:
    rubric = Rubric(criteria=tuple(Criterion(name=name, description="") for name in ("clear", "whole")))
    clear = CriterionReading(name="clear", grade=1.0, confidence=0.9)
    whole = CriterionReading(name="whole", grade=0.0, confidence=0.2, is_grounded=False)
    graded = BILL.model_copy(update={"rubric": rubric})
    for more, reasons in (
        ({"criteria": (clear, whole)}, ("ungrounded:whole",)),
        ({"criteria": (clear,)}, ()),
        ({"refused": ("model_refusal",)}, ("model_refusal",)),
        ({"notes": ("page 2 of 3 left out: the document does not fit the context window of a",)}, ("read_in_part",)),
    ):
        scoring = Scoring.model_validate({"document_type": "bill", "model": "a@1", "fields": READINGS, **more})
        one = document()
        told = dataclasses.replace(one, inputs={**one.inputs, Stage.SCORE: payload(scoring)})
        outcome = next(ValidateStage({"bill": graded}).work([told]))
        assert outcome.payload is not None
        verdict = Validation.model_validate_json(outcome.payload)
        assert verdict.reasons == reasons
        assert verdict.status is (Status.IN_REVIEW if reasons else Status.ACCEPTED)


def learnt(learned_id: int, *shares_right: float) -> RunCalibrations:
    """What was learnt of bills: whatever their confidence, such a share of totals and dates is right, by fold."""
    by_fold = tuple(Calibration(method="isotonic", labels=10**9, points=((0.5, share),)) for share in shares_right)
    row = Learned(
        learned_id=learned_id,
        document_type="bill",
        part=Part.CALIBRATION,
        content=TypeCalibration(fields={"total": by_fold, "date": by_fold}).model_dump_json().encode(),
        digest="",
        labels=1,
        gate={},
        state=LearnedState.USED,
        made_at=datetime.now(UTC),
    )
    return RunCalibrations({"bill": CALIBRATED, "memo": MEMO}, {"bill": row})


CALIBRATED = BILL.model_copy(update={"review": ReviewRules(calibrate=True)})


def calibrating(learned_id: int, *, relearn: bool = False) -> ValidateStage:
    calibrations = learnt(learned_id, *[0.7] * FOLDS)
    return ValidateStage({"bill": CALIBRATED, "memo": MEMO}, calibrations, relearn=relearn)


def test_the_verdict_is_by_calibrated_confidences_and_the_raw_ones_remain_known() -> None:
    (outcome,) = calibrating(1).work([document()])
    verdict = validated(outcome)
    assert verdict.confidences == {"company": 0.95, "total": 0.7, "date": 0.7, "currency": 0.0}
    assert verdict.raw_confidences == {"total": 0.9, "date": 0.9}
    assert (verdict.confidence, verdict.reasons) == (0.7, ("low_confidence:total",))
    (plain,) = ValidateStage({"bill": CALIBRATED}).work([document()])
    assert b"raw_confidences" not in (plain.payload or b"")


def test_values_with_a_problem_keep_their_confidence() -> None:
    unseen = {
        **READINGS,
        "total": FieldReading(value="99.00", confidence=0.9, evidence=(Evidence(page=1, quote="99"),)),
    }
    (outcome,) = calibrating(1).work([document(readings=unseen)])
    assert validated(outcome).confidences["total"] == 0.2
    assert "total" not in validated(outcome).raw_confidences


def test_a_document_is_calibrated_by_the_fold_of_its_text() -> None:
    stage = ValidateStage({"bill": CALIBRATED}, learnt(1, 0.1, 0.2, 0.3, 0.4, 0.5))
    seen = set()
    for number in range(12):
        pages = (Page(number=1, method="parsed", text=f"{TEXT}\nNo {number}"),)
        twin = (Page(number=1, method="parsed", text=f"{TEXT.upper()}\n\nNo  {number}"),)
        one, other = (validated(outcome) for outcome in stage.work([document("a", pages), document("b", twin)]))
        assert one.confidences["total"] == pytest.approx(0.1 * (fold_of(text_digest(pages)) + 1), abs=1e-6)
        assert other.confidences["total"] == one.confidences["total"]
        seen.add(one.confidences["total"])
    assert len(seen) > 2


def test_a_settled_document_keeps_its_fingerprint_unless_it_is_to_be_judged_again() -> None:
    unlearnt = ValidateStage({"bill": CALIBRATED, "memo": MEMO}).fingerprint(document())
    assert calibrating(5).fingerprint(document()) == f"{unlearnt}.5"
    memo = document(document_type="memo")
    assert calibrating(5).fingerprint(memo) == ValidateStage({"memo": MEMO}).fingerprint(memo)
    for earlier in (unlearnt, f"{unlearnt}.5"):
        settled = dataclasses.replace(document(), current=earlier)
        assert calibrating(6).fingerprint(settled) == earlier
        assert calibrating(6, relearn=True).fingerprint(settled) == f"{unlearnt}.6"
    assert calibrating(5).configuration == calibrating(6).configuration
    assert calibrating(5, relearn=True).configuration != calibrating(6, relearn=True).configuration
