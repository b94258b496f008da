"""What was read is counted by what became of it; figures of chosen documents are no estimate."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.learning.evaluation import Match, draw_of, evaluate, is_right, match_of
from blocks.learning.measures import clopper_pearson
from blocks.learning.table_rows import RowCounts
from tests.blocks.learning.documents import INVOICE
from tests.blocks.learning.read_documents import LABELS, read_document

WITH_LINES = INVOICE.model_copy(
    update={
        "fields": {
            **INVOICE.fields,
            "lines": DocumentField(type=FieldType.TABLE, columns={"item": DocumentField(type=FieldType.TEXT)}),
            "answer": DocumentField(type=FieldType.TEXT, written=True),
        }
    }
)


@pytest.mark.parametrize(
    ("field", "read", "became"),
    [
        ("total", "10.0", Match.RIGHT),
        ("seller", "ACME  TRADING.", Match.RIGHT),
        ("total", "11.00", Match.WRONG),
        ("issued", None, Match.MISSED),
        ("area", "office", Match.INVENTED),
        ("area", None, Match.RIGHT),
    ],
)
def test_what_becomes_of_a_field(field: str, read: str | None, became: Match) -> None:
    assert match_of(INVOICE, field, read_document(values={field: read})) is became


def test_each_share_is_of_those_that_it_could_happen_to() -> None:
    documents = [
        read_document("a"),
        read_document("b", values={"total": "11.00", "area": "office"}),
        read_document("c", values={"total": None}),
        read_document("d", labels={**LABELS, "area": "travel"}),
    ]
    found = evaluate(INVOICE, documents).fields
    total, area = found["total"], found["area"]
    assert [(each.hits, each.counted) for each in (total.right, total.wrong, total.missed, total.invented)] == [
        (2, 4),
        (1, 4),
        (1, 4),
        (0, 0),
    ]
    assert [(each.hits, each.counted) for each in (area.right, area.missed, area.invented)] == [(3, 4), (0, 1), (1, 3)]
    assert (total.right.low, total.right.high) == clopper_pearson(2, 4)
    assert total.invented.share is None


def test_tables_are_counted_by_row_and_drafted_answers_not_at_all() -> None:
    lines: list[JsonValue] = [{"item": "Tea"}, {"item": "Rice"}]
    labels: dict[str, JsonValue] = {**LABELS, "lines": lines, "answer": "Dear Ann"}
    documents = [
        read_document("a", labels=labels, values={"lines": [{"item": "tea"}]}),
        read_document("b", labels=labels, values={"lines": []}),
    ]
    found = evaluate(WITH_LINES, documents).fields
    assert found["lines"].rows == RowCounts(right=1, missing=3)
    assert (found["lines"].wrong.hits, found["lines"].missed.hits) == (1, 1)
    assert found["total"].rows is None
    assert "answer" not in found


def test_a_row_is_judged_by_its_required_fields_and_only_where_all_have_labels() -> None:
    assert is_right(INVOICE, read_document(values={"area": "office"})) is True, "area is not required"
    assert is_right(INVOICE, read_document(values={"total": "11.00"})) is False
    partly = {name: value for name, value in LABELS.items() if name != "total"}
    assert is_right(INVOICE, read_document(labels=partly, values={"number": "B-1"})) is None
    nothing_required = INVOICE.model_copy(update={"fields": {"area": INVOICE.fields["area"]}})
    assert is_right(nothing_required, read_document(values={"area": "office"})) is False


def test_a_document_that_was_read_as_another_type_is_wrong() -> None:
    found = evaluate(INVOICE, [read_document(read_as="receipt")])
    assert (found.read_as_type.hits, found.wrong_among_accepted.hits, found.fields["total"].missed.hits) == (0, 1, 1)
    assert found.fields["total"].confidences.counted == 0


def test_wrong_among_accepted_is_of_judged_documents_and_review_of_all() -> None:
    documents = [
        *(read_document(f"right {number}") for number in range(8)),
        read_document("wrong", values={"total": "1"}),
        read_document("not judged", labels={"total": "10.00"}, values={"total": "1"}),
        read_document("in review", values={"total": "1"}, status="in_review", confidence=0.2),
        read_document("failed", read_as="", status="failed", confidence=0.0),
    ]
    found = evaluate(INVOICE, documents)
    assert (found.documents, found.judged) == (12, 11)
    assert found.statuses == {"accepted": 10, "failed": 1, "in_review": 1}
    assert (found.wrong_among_accepted.hits, found.wrong_among_accepted.counted) == (1, 9)
    assert (found.wrong_among_accepted.low, found.wrong_among_accepted.high) == clopper_pearson(1, 9)
    assert (found.review.hits, found.review.counted) == (1, 12)
    assert [(point.threshold, point.review_rate) for point in found.curve] == [(0.9, pytest.approx(0.1)), (0.2, 0)]
    assert [point.error for point in found.curve] == [pytest.approx(1 / 9), pytest.approx(0.2)]
    assert found.confidences.counted == 10


def test_calibration_and_ranking_stand_apart() -> None:
    """Confidences of 0.5 for all are calibrated and rank nothing; 0.01 and 0.02 rank all and are far from fact."""
    fair = [read_document("a", confidence=0.5), read_document("b", values={"total": "1"}, confidence=0.5)]
    low = [read_document("a", confidence=0.02), read_document("b", values={"total": "1"}, confidence=0.01)]
    for documents, error, ranking in ((fair, 0.0, 0.5), (low, 0.485, 1.0)):
        found = evaluate(INVOICE, documents).confidences
        assert found.calibration is not None
        assert found.calibration.error == pytest.approx(error)
        assert found.auroc == ranking


def test_cost_and_seconds_are_per_document() -> None:
    found = evaluate(INVOICE, [read_document("a"), read_document("b", status="in_review")])
    assert (found.cost_usd_per_document, found.seconds_per_document) == (Decimal("0.25"), 2.0)


def test_only_documents_with_the_same_chance_stand_for_the_others() -> None:
    assert draw_of([0.1, 0.1]).is_even
    assert not draw_of([0.1, 1.0]).is_even
    assert not draw_of([0.1, None]).is_even
    assert not draw_of([]).is_even
    draw = evaluate(INVOICE, [read_document("a", drawn_with=0.1), read_document("b", drawn_with=None)]).draw
    assert (draw.drawn, draw.chosen, draw.least, draw.greatest) == (1, 1, 0.1, 0.1)


def test_no_documents_have_no_figures() -> None:
    found = evaluate(INVOICE, [])
    assert (found.right.share, found.curve, found.fields, found.confidences.calibration) == (None, (), {}, None)


VALUES = st.sampled_from(["10.00", "11.00", None])


@given(st.lists(st.tuples(VALUES, VALUES, st.floats(0, 1), st.booleans()), max_size=30))
def test_every_labelled_field_becomes_one_thing(rows: list[tuple[str | None, str | None, float, bool]]) -> None:
    documents = [
        read_document(
            str(number),
            labels={**LABELS, "total": label},
            values={"total": read},
            confidence=confidence,
            status="accepted" if is_accepted else "in_review",
        )
        for number, (label, read, confidence, is_accepted) in enumerate(rows)
    ]
    found = evaluate(INVOICE, documents)
    if rows:
        total = found.fields["total"]
        assert sum(each.hits for each in (total.right, total.wrong, total.missed, total.invented)) == len(rows)
        assert total.wrong.counted + total.invented.counted == len(rows)
        assert all(each.low <= (each.share or 0) <= each.high for each in (total.right, found.right, found.review))
        assert found.curve[-1].error == pytest.approx(1 - found.right.hits / len(rows))
    assert found.right.hits == found.fields["total"].right.hits if rows else found.judged == 0
