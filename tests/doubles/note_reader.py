"""What a model says of the order notes of the tests: told to the provider double as a hook, and so run in its process.

Each reader answers with the JSON that any model is asked for. A note without a reference gets an answer by schema.
"""

import re
from typing import Any

from tests.doubles.model_provider.wire import Asked

REFERENCE = re.compile(r"REF-\d{4}")
AMOUNT = re.compile(r"(?:Amount: )?(\d+\.\d\d) (?:EUR|or)")


def note(at: int, kind: str = "note") -> str:
    """The text of an order note. Of a riddle the built-in reader is unsure: no label stands by its amount."""
    amount = f"{10 + at}.{at % 100:02}"
    line = f"{amount} or 3.00 or 4.50, who knows" if kind == "riddle" else f"Amount: {amount} EUR"
    return f"Order {kind}\nReference: REF-{at:04}\n{line}\nDeliver to the back door.\n"


def truthful(asked: Asked) -> dict[str, Any] | None:
    """The note's own reference and amount; a friendly reply, graded as such, where one is asked for."""
    return _answer(asked, tone=0.9)


def of_routes(asked: Asked) -> dict[str, Any] | None:
    """The truth, but for another place where `up-second` is asked of a note that is called doubting.

    A reply is of bad tone unless the prompt asks to write it once more.
    """
    answer = _answer(asked, tone=0.9 if "once more" in asked.system + asked.text else 0.2)
    if answer is not None and asked.model == "up-second" and "doubting" in asked.document:
        answer["fields"]["place"] = _reading("Order", "Order doubting")
    return answer


def _answer(asked: Asked, tone: float) -> dict[str, Any] | None:
    reference, amount = REFERENCE.search(asked.document), AMOUNT.search(asked.document)
    if reference is None or amount is None:
        return None
    known = {
        "reference": _reading(reference[0], f"Reference: {reference[0]}"),
        "amount": _reading(amount[1], amount[0]),
        "place": _reading("the back door", "Deliver to the back door."),
        "reply": {"value": "We will deliver to the back door.", "evidence": [], "confidence": 0.9},
    }
    properties = (asked.schema or {}).get("properties", {})
    fields = properties.get("fields", {}).get("properties", {})
    criteria = properties.get("criteria", {}).get("properties", {})
    said: dict[str, Any] = {"fields": {name: known[name] for name in fields}}
    if criteria:
        said["criteria"] = {name: {"grade": tone, "evidence": [], "confidence": 0.9} for name in criteria}
    return said


def _reading(value: str, quote: str) -> dict[str, Any]:
    return {"value": value, "evidence": [{"page": 1, "quote": quote}], "confidence": 0.95}
