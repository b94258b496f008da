"""The page of an evaluation stands alone, and its pictures have the figures of the evaluation."""

import re
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.learning.comparison import compare
from blocks.learning.evaluation import Evaluation, evaluate
from deployments.cli.evaluate_page import evaluation_page
from tasks.evaluate.evaluate import Evaluated, Pair, ReadBeside
from tests.blocks.learning.documents import INVOICE
from tests.blocks.learning.read_documents import LABELS, read_document

BILL = INVOICE.model_copy(
    update={
        "fields": {
            **INVOICE.fields,
            "lines": DocumentField(type=FieldType.TABLE, columns={"item": DocumentField(type=FieldType.TEXT)}),
        }
    }
)
LINES: list[JsonValue] = [{"item": "tea"}, {"item": "rice"}]


@pytest.fixture
def found() -> Evaluation:
    """Three bills: one is right, one has another total, one misses a row and its number."""
    labels: dict[str, JsonValue] = {**LABELS, "lines": LINES}
    return evaluate(
        BILL,
        [
            read_document("a", labels=labels, confidence=0.9),
            read_document("b", labels=labels, values={"total": "11.00"}, confidence=0.85),
            read_document(
                "c",
                labels=labels,
                values={"number": None, "lines": LINES[:1]},
                confidence=0.3,
                status="in_review",
            ),
        ],
    )


def page_of(*types: Evaluation) -> str:
    return evaluation_page(Evaluated(types=types, unread=0))


def charts_of(page: str) -> dict[str, str]:
    """The text alternatives of a page's pictures by their titles."""
    pictures = re.findall(r"<svg viewBox[^>]*role=\"img\".*?</svg>", page, re.S)
    trees = [ElementTree.fromstring(picture) for picture in pictures]
    return {tree.findtext("title") or "": tree.findtext("desc") or "" for tree in trees}


def test_the_page_stands_alone(found: Evaluation) -> None:
    page = page_of(found)
    assert re.findall(r"<script|<link|src=|url\(|https?:", page) == []
    ids = re.findall(r' id="([^"]+)"', page_of(found, found.model_copy(update={"document_type": "order"})))
    assert len(ids) == len(set(ids)), "two types have pictures of their own"


def test_pictures_have_the_figures(found: Evaluation) -> None:
    page = page_of(found)
    charts = charts_of(page)
    assert charts["What a threshold costs"] == (
        "accept_at: from 0.850: 33.3% in review, 50.0% wrong among the others; "
        "as decided: 33.3% in review, 50.0% wrong among accepted"
    )
    assert "total: 2 of 3 right" in charts["Values by field"]
    assert charts["Rows of tables"] == "lines: 5 of 6 right"
    assert "number: 2 of 3, 66.7% [" in charts["Right values by field, with their ranges"]
    assert {"documents", "values of all fields", *BILL.fields} - charts.keys() == {"area"}, "nobody read an area"
    assert "0.2500</dd>" in page, "USD per document"
    assert "<title>confidence 90%: 1 of 1 right, 100.0%</title>" in page


def test_a_threshold_that_accepts_nothing_and_documents_that_nobody_can_judge_are_named(found: Evaluation) -> None:
    strict = page_of(found.model_copy(update={"accept_at": 0.95}))
    assert "No row has a confidence of accept_at 0.95." in strict
    unknown = evaluate(INVOICE, [read_document(labels={"total": "10.00"})])
    page = page_of(unknown)
    assert "What a threshold costs" not in charts_of(page)
    assert "once a document has a label of each deciding field" in page
    assert "1 document not judged: a deciding field has no label." in page


def test_settings_side_by_side_have_their_differences() -> None:
    stored = [read_document(name, values={"total": "1"}) for name in "abcdefgh"]
    other = [read_document(name) for name in "abcdefgh"]
    evaluations = [evaluate(INVOICE, documents) for documents in (stored, other)]
    beside = ReadBeside(
        setting="edited",
        types=(evaluations[1],),
        without_pages=0,
        unopened=0,
        unanswered=0,
        spent_usd=Decimal(0),
    )
    pair = Pair(first="stored", second="edited", types=(compare(INVOICE, stored, other),))
    page = evaluation_page(Evaluated(types=(evaluations[0],), unread=0, others=(beside,), pairs=(pair,)))
    assert "edited against stored: better." in page
    says = charts_of(page)["edited against stored: difference of right ones"]
    assert "total: +100.0%" in says
    assert "seller: +0.0%" in says
