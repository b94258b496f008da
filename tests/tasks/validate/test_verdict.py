"""The verdict explains itself, and less certainty never makes it kinder."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.document_types.review_rules import RejectRule, ReviewBand, ReviewRules
from blocks.document_types.schema import DocumentField, DocumentType, FieldType
from blocks.evidence.findings import FieldFinding
from blocks.records import Classification, Status, Validation
from tasks.validate import verdict as verdict_module
from tasks.validate.verdict import PageFacts, Promised, decide, decide_unknown

REVIEW = ReviewRules(
    accept_at=0.8,
    min_ocr_confidence=0.6,
    bands=(ReviewBand(below=1.0, priority=4, due_minutes=1440), ReviewBand(below=0.5, priority=1, due_minutes=60)),
)
POST = DocumentType(
    name="post",
    title="Post",
    fields={
        "label": DocumentField(type=FieldType.ENUM, enum=("bad", "good"), required=True),
        "author": DocumentField(type=FieldType.TEXT, required=True),
        "note": DocumentField(type=FieldType.TEXT),
    },
    review=REVIEW,
    reject_when=(RejectRule(field="label", values=("BAD",), min_confidence=0.9),),
)
SURE = Classification(document_type="post", confidence=0.99, method="classifier")
CLEAN = PageFacts()
GOOD = {"label": FieldFinding("good", 0.95), "author": FieldFinding("Ann", 0.9), "note": FieldFinding("hi", 0.6)}
BAD = {**GOOD, "label": FieldFinding("bad", 0.95)}

confidences = st.floats(0, 1)
findings = st.builds(
    FieldFinding,
    value=st.sampled_from([None, "good", "bad", "x"]),
    confidence=confidences,
    problem=st.sampled_from([None, None, None, "ungrounded", "invalid"]),
    is_default=st.booleans(),
)
fields = st.fixed_dictionaries(dict.fromkeys(POST.fields, findings))
facts = st.builds(
    PageFacts,
    has_hidden_text=st.booleans(),
    ocr_confidence=st.none() | confidences,
    provisional=st.sampled_from([(), ("ocr_unavailable",)]),
)
types = st.builds(
    lambda sensitive, required: POST.model_copy(
        update={
            "sensitive": sensitive,
            "fields": {n: f.model_copy(update={"required": n in required}) for n, f in POST.fields.items()},
        }
    ),
    st.booleans(),
    st.sets(st.sampled_from(sorted(POST.fields))),
)
classifications = st.builds(
    lambda confidence: Classification(document_type="post", confidence=confidence, method="classifier"), confidences
)


def verdict(found: dict[str, FieldFinding], **changed: object) -> Validation:
    document_type = POST.model_copy(update=changed)
    return decide(document_type, found, SURE, CLEAN)


def test_a_document_without_a_doubt_is_accepted_at_its_weakest_required_field() -> None:
    decided = verdict(GOOD)
    assert (decided.status, decided.reasons, decided.confidence) == (Status.ACCEPTED, (), 0.9)
    assert decided.fields == {"label": "good", "author": "Ann", "note": "hi"}
    assert decided.due_minutes is None


def test_what_a_language_model_read_may_need_more() -> None:
    stricter = ReviewRules(accept_at=0.8, accept_models_at=0.95)
    of_model = {**GOOD, "author": FieldFinding("Ann", 0.9, is_of_model=True)}
    assert verdict(GOOD, review=stricter).status is Status.ACCEPTED
    assert verdict(of_model).status is Status.ACCEPTED
    assert verdict(of_model, review=stricter).reasons == ("low_confidence:author",)
    looser = ReviewRules(accept_at=0.95, accept_models_at=0.5)
    assert verdict(of_model, review=looser).reasons == ("low_confidence:author",)


def test_each_doubt_has_its_reason() -> None:
    found = {"label": FieldFinding("good", 0.5), "note": FieldFinding("x", 0.1, problem="ungrounded")}
    unsure = Classification(document_type="post", confidence=0.7, method="signals")
    decided = decide(POST, found, unsure, PageFacts(True, 0.3, ("ocr_unavailable",)), ["author_known"])
    assert decided.status is Status.IN_REVIEW
    assert set(decided.reasons) == {
        "hidden_text",
        "ocr_unavailable",
        "low_ocr_confidence",
        "low_type_confidence",
        "ungrounded:note",
        "low_confidence:label",
        "missing:author",
        "expectation:author_known",
    }


def test_an_invalid_value_is_not_called_missing_too() -> None:
    decided = verdict({**GOOD, "author": FieldFinding(problem="invalid", raw="4711")})
    assert decided.reasons == ("invalid:author: 4711",)


def test_a_contradiction_is_one_reason_with_its_figures() -> None:
    doubted = {name: dataclasses.replace(finding, doubt="1 + 2 is 3, not 4") for name, finding in GOOD.items()}
    assert verdict(doubted).reasons.count("contradiction:1 + 2 is 3, not 4") == 1


def test_an_optional_value_counts_when_it_is_more_likely_wrong_than_right_unless_it_is_a_default() -> None:
    assert verdict({**GOOD, "note": FieldFinding("hi", 0.4)}).reasons == ("low_confidence:note",)
    assert verdict({**GOOD, "note": FieldFinding("hi", 0.2, is_default=True)}).status is Status.ACCEPTED
    assert verdict({**GOOD, "author": FieldFinding("Ann", 0.2, is_default=True)}).reasons == ("low_confidence:author",)


def test_the_narrowest_band_sets_urgency() -> None:
    assert verdict({**GOOD, "author": FieldFinding("Ann", 0.4)}).priority == 1
    assert verdict({**GOOD, "author": FieldFinding("Ann", 0.4)}).due_minutes == 60
    assert verdict({**GOOD, "author": FieldFinding("Ann", 0.7)}).due_minutes == 1440


def test_a_sensitive_type_asks_for_more() -> None:
    assert verdict(GOOD, sensitive=True).reasons == ("sensitive",)
    certain = {name: dataclasses.replace(finding, confidence=0.97) for name, finding in GOOD.items()}
    assert verdict(certain, sensitive=True).status is Status.ACCEPTED
    at = {name: dataclasses.replace(finding, confidence=0.95) for name, finding in GOOD.items()}
    assert verdict(at, sensitive=True).status is Status.ACCEPTED


def test_a_sure_value_of_the_rule_rejects_whatever_its_case() -> None:
    decided = verdict(BAD)
    assert (decided.status, decided.reasons) == (Status.REJECTED, ("rejected:label",))


def test_a_gap_elsewhere_does_not_keep_a_document_from_being_rejected() -> None:
    assert verdict({"label": BAD["label"]}).status is Status.REJECTED


def test_nothing_is_rejected_by_rule_on_hidden_text_or_an_ungrounded_value() -> None:
    assert decide(POST, BAD, SURE, PageFacts(has_hidden_text=True)).status is Status.IN_REVIEW
    ungrounded = {**BAD, "label": FieldFinding("bad", 0.95, problem="ungrounded")}
    assert verdict(ungrounded).status is Status.IN_REVIEW


def test_a_value_to_reject_that_is_not_sure_enough_is_neither_rejected_nor_accepted() -> None:
    decided = verdict({**BAD, "label": FieldFinding("bad", 0.85)})
    assert (decided.status, decided.reasons) == (Status.IN_REVIEW, ("low_confidence:label",))


def test_a_rule_over_a_list_matches_any_item() -> None:
    tags = DocumentType(
        name="post",
        title="Post",
        fields={"tags": DocumentField(type=FieldType.LIST)},
        reject_when=(RejectRule(field="tags", values=("spam",)),),
    )
    found = {"tags": FieldFinding(["ham", "spam"], 0.99)}
    assert decide(tags, found, SURE, CLEAN).status is Status.REJECTED
    assert decide(tags, {"tags": FieldFinding(["ham", "eggs"], 0.99)}, SURE, CLEAN).status is Status.ACCEPTED


def test_a_rule_writes_its_value_as_the_languages_of_the_type_do() -> None:
    bill = DocumentType(
        name="post",
        title="Post",
        languages=("de",),
        fields={"total": DocumentField(type=FieldType.MONEY)},
        reject_when=(RejectRule(field="total", values=("1.000",)),),
    )
    assert decide(bill, {"total": FieldFinding("1000.00", 0.99)}, SURE, CLEAN).status is Status.REJECTED
    assert decide(bill, {"total": FieldFinding("1.00", 0.99)}, SURE, CLEAN).status is Status.ACCEPTED


def test_a_rule_whose_value_is_none_of_the_field_rejects_nothing_else() -> None:
    odd = (RejectRule(field="label", values=("no such label",)),)
    assert verdict(BAD, reject_when=odd).status is Status.ACCEPTED


def test_a_type_without_fields_is_as_sure_as_its_classification() -> None:
    bare = DocumentType(name="post", title="Post", fields={})
    decided = decide(bare, {}, SURE, CLEAN)
    assert (decided.status, decided.confidence) == (Status.ACCEPTED, 0.99)


def test_an_empty_row_of_a_type_that_requires_nothing_is_not_accepted() -> None:
    lax = POST.model_copy(update={"fields": {"note": POST.fields["note"]}, "reject_when": ()})
    assert decide(lax, {}, SURE, CLEAN).reasons == ("missing:note",)


def test_an_unknown_document_goes_to_review_with_what_its_pages_show() -> None:
    decided = decide_unknown(PageFacts(has_hidden_text=True, ocr_confidence=0.2))
    assert decided.status is Status.IN_REVIEW
    assert decided.reasons == ("unknown_type", "hidden_text", "low_ocr_confidence")
    assert (decided.document_type, decided.confidence) == ("unknown", 0.0)
    assert (decided.priority, decided.due_minutes) == (3, 1440)
    assert decide_unknown(CLEAN).reasons == ("unknown_type",)


@pytest.mark.parametrize(
    ("scores", "remark", "reason"),
    [
        ({"unknown": 0.6, "post": 0.3, "letter": 0.1}, None, "unknown_type:post 0.30"),
        ({"unknown": 0.9, "post": 0.05, "letter": 0.05}, None, "unknown_type:letter 0.05"),
        ({"unknown": 0.99, "post": 0.01}, None, "unknown_type:post 0.01"),
        ({"unknown": 0.995, "post": 0.005}, None, "unknown_type"),
        ({"unknown": 0.995, "post": 0.005}, "titled reminder", "unknown_type:post 0.01, titled reminder"),
        ({"unknown": 1.0}, None, "unknown_type"),
        ({}, None, "unknown_type"),
    ],
)
def test_an_unknown_document_names_the_nearest_type(scores: dict[str, float], remark: str | None, reason: str) -> None:
    found = Classification(document_type="unknown", confidence=0.6, method="signals", scores=scores, remark=remark)
    assert decide_unknown(CLEAN, found).reasons == (reason,)


def test_a_type_that_is_gone_names_no_nearest_one() -> None:
    gone = Classification(document_type="gone", confidence=0.9, method="signals", scores={"gone": 0.9, "post": 0.1})
    assert decide_unknown(CLEAN, gone).reasons == ("unknown_type",)


def test_a_doubtful_type_says_what_stands_against_it() -> None:
    void = Classification(document_type="post", confidence=0.5, method="signals", remark="marked void")
    assert decide(POST, GOOD, void, CLEAN).reasons == ("low_type_confidence:marked void",)
    sure = void.model_copy(update={"confidence": 0.9})
    assert decide(POST, GOOD, sure, CLEAN).reasons == ()


def test_an_unknown_document_is_as_urgent_as_one_without_any_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = (ReviewBand(below=1.0, priority=4, due_minutes=1440), ReviewBand(below=0.5, priority=1, due_minutes=60))
    monkeypatch.setattr(verdict_module, "ReviewRules", lambda: ReviewRules(bands=bands))
    decided = decide_unknown(CLEAN)
    assert (decided.priority, decided.due_minutes) == (1, 60)


@given(types, fields, classifications, facts, st.sampled_from([(), ("e",)]))
def test_accepted_means_no_reason_and_enough_confidence(
    document_type: DocumentType,
    found: dict[str, FieldFinding],
    classification: Classification,
    page_facts: PageFacts,
    broken: tuple[str, ...],
) -> None:
    decided = decide(document_type, found, classification, page_facts, broken)
    assert (decided.status is Status.ACCEPTED) == (decided.reasons == ())
    if decided.status is Status.ACCEPTED:
        assert decided.confidence >= (0.95 if document_type.sensitive else 0.8)
        assert not page_facts.has_hidden_text
        assert all(found[name].value is not None for name, field in document_type.fields.items() if field.required)
    if decided.status is Status.REJECTED:
        assert not page_facts.has_hidden_text
        assert all(finding.problem is None for finding in found.values())
    if decided.status is Status.IN_REVIEW:
        assert decided.due_minutes is not None


@given(types, fields, classifications, facts, st.sampled_from(sorted(POST.fields)), confidences)
def test_less_confidence_never_turns_review_into_accepted(
    document_type: DocumentType,
    found: dict[str, FieldFinding],
    classification: Classification,
    page_facts: PageFacts,
    name: str,
    factor: float,
) -> None:
    before = decide(document_type, found, classification, page_facts)
    weaker = {**found, name: dataclasses.replace(found[name], confidence=found[name].confidence * factor)}
    after = decide(document_type, weaker, classification, page_facts)
    assert after.confidence <= before.confidence
    if before.status is not Status.ACCEPTED:
        assert after.status is not Status.ACCEPTED
    if before.status is Status.IN_REVIEW:
        assert after.status is Status.IN_REVIEW


@given(types, fields, classifications, facts, confidences)
def test_a_less_certain_type_never_turns_review_into_accepted(
    document_type: DocumentType,
    found: dict[str, FieldFinding],
    classification: Classification,
    page_facts: PageFacts,
    factor: float,
) -> None:
    before = decide(document_type, found, classification, page_facts)
    weaker = classification.model_copy(update={"confidence": classification.confidence * factor})
    after = decide(document_type, found, weaker, page_facts)
    if before.status is not Status.ACCEPTED:
        assert after.status is not Status.ACCEPTED


def test_a_sensitive_type_rejects_by_rule_only_what_is_as_sure_as_it_asks() -> None:
    below = {**BAD, "label": FieldFinding("bad", 0.94)}
    at = {**BAD, "label": FieldFinding("bad", 0.95)}
    assert verdict(below).status is Status.REJECTED, "the rule's own 0.9 is enough for a type that is not sensitive"
    assert verdict(below, sensitive=True).reasons == ("low_confidence:label", "sensitive")
    assert verdict(at, sensitive=True).status is Status.REJECTED
    stricter = (RejectRule(field="label", values=("bad",), min_confidence=0.99),)
    assert verdict(at, sensitive=True, reject_when=stricter).status is Status.IN_REVIEW


def test_a_document_above_all_bands_gets_the_widest() -> None:
    bands = (
        ReviewBand(below=0.2, priority=2, due_minutes=30),
        ReviewBand(below=0.4, priority=1, due_minutes=60),
        ReviewBand(below=0.6, priority=4, due_minutes=1440),
    )
    for order in (bands, bands[::-1]):
        decided = verdict(GOOD, review=ReviewRules(accept_at=0.95, bands=order))
        assert (decided.status, decided.confidence) == (Status.IN_REVIEW, 0.9)
        assert (decided.priority, decided.due_minutes) == (4, 1440)


def test_a_band_ends_below_its_bound() -> None:
    assert verdict({**GOOD, "author": FieldFinding("Ann", 0.5)}).priority == 4
    assert verdict({**GOOD, "author": FieldFinding("Ann", 0.49)}).priority == 1


def test_a_type_without_bands_is_of_ordinary_urgency_and_has_no_due_time() -> None:
    decided = verdict({**GOOD, "author": FieldFinding("Ann", 0.1)}, review=ReviewRules(bands=()))
    assert (decided.priority, decided.due_minutes) == (3, None)


def test_bounds_of_ocr_and_type_confidence_are_met_by_what_equals_them() -> None:
    at = Classification(document_type="post", confidence=0.8, method="signals")
    below = Classification(document_type="post", confidence=0.79, method="signals")
    assert decide(POST, GOOD, at, PageFacts(ocr_confidence=0.6)).reasons == ()
    assert decide(POST, GOOD, SURE, PageFacts(ocr_confidence=0.59)).reasons == ("low_ocr_confidence",)
    assert decide(POST, GOOD, below, CLEAN).reasons == ("low_type_confidence",)
    assert decide(POST, GOOD, below, CLEAN).confidence == 0.79


def test_a_broken_expectation_or_a_sure_rule_in_doubt_sends_to_review_and_keeps_its_reason() -> None:
    assert decide(POST, GOOD, SURE, CLEAN, ["author_known"]).status is Status.IN_REVIEW
    rejected = decide(POST, BAD, SURE, CLEAN, ["author_known"])
    assert (rejected.status, rejected.reasons) == (Status.REJECTED, ("rejected:label", "expectation:author_known"))
    hidden = decide(POST, BAD, SURE, PageFacts(has_hidden_text=True))
    assert hidden.reasons == ("hidden_text", "rejected:label")


def test_a_rule_over_a_field_that_the_type_lacks_or_that_was_not_read_rejects_nothing() -> None:
    elsewhere = (RejectRule(field="colour", values=("red",)), RejectRule(field="note", values=("x",)))
    without_note = {name: finding for name, finding in GOOD.items() if name != "note"}
    assert verdict(without_note, reject_when=elsewhere).status is Status.ACCEPTED


def test_an_exact_score_and_the_evidence_stand_in_the_verdict() -> None:
    decided = decide(POST, GOOD, SURE, CLEAN, score=42.5)
    assert decided.score == 42.5
    assert decided.confidences == {"label": 0.95, "author": 0.9, "note": 0.6}


@pytest.mark.parametrize(
    ("promised", "status", "reasons", "accepted_by"),
    [
        (Promised({"label": 0.9, "author": 0.9}, 0.9), Status.ACCEPTED, (), "promise"),
        (Promised({"label": 0.9, "author": 0.91}), Status.IN_REVIEW, ("low_confidence:author",), None),
        (Promised({"label": 0.9, "author": 0.9}, 0.995), Status.IN_REVIEW, ("low_type_confidence",), None),
        (Promised(), Status.IN_REVIEW, ("unproven",), None),
        (Promised(accepts_unproven=True), Status.ACCEPTED, (), "unproven"),
    ],
)
def test_what_is_proven_takes_the_place_of_the_types_threshold(
    promised: Promised, status: Status, reasons: tuple[str, ...], accepted_by: str | None
) -> None:
    found = decide(POST, GOOD, SURE, CLEAN, promised=promised)
    assert (found.status, found.reasons, found.accepted_by) == (status, reasons, accepted_by)


def test_a_proven_threshold_may_be_below_the_types_own_and_lowers_no_other_check() -> None:
    low = {**GOOD, "author": FieldFinding("Ann", 0.6)}
    proven = Promised({"label": 0.55, "author": 0.55}, 0.55)
    assert decide(POST, low, SURE, CLEAN).status is Status.IN_REVIEW
    assert decide(POST, low, SURE, CLEAN, promised=proven).status is Status.ACCEPTED
    unsure_note = {**low, "note": FieldFinding("hi", 0.4)}
    assert decide(POST, unsure_note, SURE, CLEAN, promised=proven).reasons == ("low_confidence:note",)


def test_a_row_with_another_reason_is_not_called_unproven() -> None:
    assert decide(POST, GOOD, SURE, PageFacts(has_hidden_text=True), promised=Promised()).reasons == ("hidden_text",)
