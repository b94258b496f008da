"""Traces say where right values stood, stay small, and hold no text of the document but names and classes."""

import json

import pytest
from pydantic import JsonValue

from blocks.document_types.schema import DocumentField, FieldType
from blocks.evidence.traces import Trace
from blocks.learning.traces import habits, is_equal, size_bytes, traces_of
from tests.blocks.learning.documents import INVOICE, acme

VALUES = {
    "seller": "Acme Trading Company",
    "number": "A-17",
    "issued": "2025-04-03",
    "total": "10.00",
    "area": "office",
}


def test_traces_name_places_and_no_text() -> None:
    traces = traces_of(INVOICE, acme("A-17", "03.04.2025", "10.00", "9.00"), VALUES)
    assert set(traces) == set(VALUES)
    assert traces["seller"].value == "Acme Trading Company"
    assert traces["seller"].printed == "ACME TRADING"
    assert traces["area"].value == "office"
    written = json.dumps({name: trace.model_dump() for name, trace in traces.items()})
    assert not any(text in written for text in ("A-17", "2025", "10.00", "Pens", "Sum due", "1234567"))


def test_a_sensitive_type_keeps_no_names() -> None:
    sensitive = INVOICE.model_copy(update={"sensitive": True})
    seller = traces_of(sensitive, acme("A-17", "03.04.2025", "10.00", "9.00"), VALUES)["seller"]
    assert (seller.value, seller.printed) == (None, "")


def test_traces_of_a_long_document_stay_small() -> None:
    pages = acme("A-17", "03.04.2025", "10.00", "9.00")
    long = "\n".join(f"Item {chr(97 + n % 26)}{chr(97 + n // 26)} {n}.50" for n in range(300))
    grown = (pages[0].model_copy(update={"text": f"{pages[0].text}\n{long}"}),)
    assert size_bytes(traces_of(INVOICE, grown, VALUES)) < 2_000


def test_a_value_that_is_not_on_the_document_counts_against_all_places() -> None:
    trace = traces_of(INVOICE, acme("A-17", "03.04.2025", "10.00", "9.00"), {"total": None})["total"]
    assert trace.is_absent
    assert not trace.right
    assert trace.wrong


def test_a_value_that_does_not_stand_in_the_text_leaves_no_trace() -> None:
    assert traces_of(INVOICE, acme("A-17", "03.04.2025", "10.00", "9.00"), {"total": "77.00"}) == {}


def test_habits_add_up_signs_and_leave_names_out() -> None:
    traces = {
        "seller": Trace(right={"a": 1}, value="Acme", printed="ACME"),
        "total": Trace(right={"b": 1}, wrong={"c": 1}),
    }
    found = habits([traces, traces], 0.1)
    assert found.documents == 2
    assert found.fields["seller"] == Trace(right={"a": 2})
    assert found.fields["total"] == Trace(right={"b": 2}, wrong={"c": 2})


TEXT, LIST = DocumentField(type=FieldType.TEXT), DocumentField(type=FieldType.LIST)


@pytest.mark.parametrize(
    ("field", "one", "other", "expected"),
    [
        (TEXT, "none", None, False),  # a word, and not on the document
        (TEXT, None, None, True),
        (TEXT, "€", "$", False),  # marks only
        (TEXT, "A-17", "a 17", True),
        (LIST, ["Python", "C++"], ["c++", "python"], True),
        (LIST, ["Python"], ["Python", "Go"], False),
        (LIST, ["C"], ["C++"], False),
        (INVOICE.fields["total"], "10", "10.00", True),
        (INVOICE.fields["total"], None, "10.00", False),
    ],
)
def test_values_are_equal(field: DocumentField, one: JsonValue, other: JsonValue, expected: bool) -> None:
    assert is_equal(field, one, other) is expected
    assert is_equal(field, other, one) is expected
