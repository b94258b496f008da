"""The order notes of the day (day.py), and what a model says of them: a hook of the provider double, in its process."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.doubles.model_provider.wire import Asked

REFERENCE = re.compile(r"REF-\d{4}")
AMOUNT = re.compile(r"Amount: (\d+\.\d\d) EUR")
BUYER = re.compile(r"Ordered by: (.+)")

TYPE = """\
name: note
title: Order note
description: A note with which a customer orders something.
fields:
  reference: {type: text, required: true, aliases: [reference], hints: {kind: identifier, pattern: 'REF-\\d{4}'}}
  amount: {type: money, required: true, aliases: [amount], description: What the order costs.}
  buyer: {type: text, aliases: [ordered by], description: Who orders.}
route: [{model: fast}]
review:
  bands: [{below: 1.0, priority: 3, due_minutes: 1}]
"""
FIELD = "  buyer:"
WITH_VAT_ID = TYPE.replace(
    FIELD, "  vat_id: {type: text, required: true, description: The seller's VAT number.}\n" + FIELD
)
"""Valid, and wrong: no note has a VAT number."""
MISSPELT = TYPE.replace("required: true", "requierd: true", 1)
RENEWED = TYPE.replace("What the order costs.", "What the order costs with tax.")
"""Another question to the model, and so a reason for a backfill."""


def note(number: int, buyer: str = "Example Ltd", *, is_smudged: bool = False) -> str:
    """The text of a note. Of a smudged one nobody can say the amount."""
    amount = "Amount: 1?.?0 EUR" if is_smudged else f"Amount: {10 + number}.{number % 100:02} EUR"
    return f"Order note\nReference: REF-{number:04}\nOrdered by: {buyer}\n{amount}\nDeliver to the back door.\n"


def write_notes(folder: Path, first: int, count: int, *, smudged: int = 0, buyer: str = "Example Ltd") -> None:
    """Put notes into a folder, whole: each appears under its name when its text is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        hidden = folder / f".{number:04}"
        hidden.write_text(note(number, buyer, is_smudged=number < first + smudged))
        hidden.rename(folder / f"note_{number:04}.txt")


def answer(asked: "Asked") -> dict[str, Any] | None:
    """What the model says: what the note says. Fields that it does not have are null."""
    found = {
        "reference": REFERENCE.search(asked.document),
        "amount": AMOUNT.search(asked.document),
        "buyer": BUYER.search(asked.document),
    }
    if found["reference"] is None:
        return None
    wanted = (asked.schema or {}).get("properties", {}).get("fields", {}).get("properties", {})
    return {"fields": {name: _reading(found.get(name)) for name in wanted}}


def _reading(found: re.Match[str] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    value = found[1] if found.re.groups else found[0]
    return {"value": value, "evidence": [{"page": 1, "quote": found[0]}], "confidence": 0.95}
