"""Support tickets as shipped: the reference that a message gives, and numbers that are none."""

from pathlib import Path

import pytest

from blocks.document_types.loader import load_document_types
from blocks.reader.reading import read
from blocks.records import FieldReading, Page

TICKET = load_document_types(Path(__file__).parents[3] / "data" / "document_types")["support_ticket"]


def reference(text: str) -> FieldReading | None:
    pages = (Page(number=1, method="parsed", text=text),)
    return read(TICKET, pages).fields.get("reference")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I am still waiting. My order number is KX-204418 and I need it on Friday.", "KX-204418"),
        ("Order number: 88213\nPlease exchange the kettle.", "88213"),
        ("Date: Mon, 03 Mar 2025 09:30:00\n\nThe transfer TX-77120 has not arrived.", "TX-77120"),
    ],
)
def test_the_reference_of_a_message_is_read(text: str, value: str) -> None:
    reading = reference(text)
    assert reading is not None
    assert reading.value == value


@pytest.mark.parametrize(
    "text",
    [
        "I opened the account in 2019 and have had no trouble since.",
        "You took EUR5000 from me, call me on 02079460111.",
        "The top-up of 15000 has failed.",
    ],
)
def test_years_amounts_and_telephone_numbers_are_no_references(text: str) -> None:
    assert reference(text) is None
