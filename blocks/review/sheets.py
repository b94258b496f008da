"""Review items as a sheet that people fill in: a row per field, and the decisions that its rows make.

A spreadsheet takes a cell that begins with = for a formula. Files have an apostrophe before such text
(`blocks.values.spreadsheet_text`), which is taken away when the file comes back.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time

from pydantic import JsonValue

from blocks.review.errors import InvalidDecision
from blocks.review.records import Action, Item
from blocks.review.written import WrittenDecision
from blocks.values.given_values import text_of
from blocks.values.spreadsheet_text import restored

SHOWN = (
    *("review_id", "version", "uri", "document_type", "priority", "reasons"),
    *("field", "value", "confidence", "page", "quote"),
)
FILLED_IN = ("decision", "new_value", "note")
"""What a person fills in. A row with a `new_value` alone is a correction."""
COLUMNS = (*SHOWN, *FILLED_IN)
_NEEDED = ("review_id", "version", "field", "decision", "new_value")

Cells = Mapping[str, object]
ByItem = dict[str, list[tuple[int, WrittenDecision | InvalidDecision]]]
"""What a file decides: by item, the rows with their numbers in the file."""


def rows_of(item: Item, uri: str) -> list[dict[str, str]]:
    """The item's rows, the least certain field first; a single one without field where it shows no values."""
    own = {
        "review_id": str(item.review_id),
        "version": str(item.version),
        "uri": uri,
        "document_type": item.document_type,
        "priority": str(item.priority),
        "reasons": ", ".join(item.reasons),
    }
    shown: Mapping[str, JsonValue] = {} if item.is_blind else item.fields
    names = sorted(shown, key=lambda name: item.confidences.get(name, 1.0))
    rows = [own | _field(item, name, shown[name]) for name in names] or [own]
    return [{column: row.get(column, "") for column in COLUMNS} for row in rows]


def _field(item: Item, name: str, value: JsonValue) -> dict[str, str]:
    confidence, evidence = item.confidences.get(name), item.evidence.get(name, ())
    return {
        "field": name,
        "value": text_of(value),
        "confidence": "" if confidence is None else f"{confidence:.2f}",
        "page": str(evidence[0].page) if evidence else "",
        "quote": evidence[0].quote if evidence else "",
    }


def plain(cell: object) -> str:
    """A cell of a filled-in sheet as text, as it was before the export made it inert."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return f"{cell:.12f}".rstrip("0").rstrip(".")
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    if isinstance(cell, (date, datetime)):
        return cell.isoformat()
    return restored(str(cell))


def check_columns(columns: Iterable[str]) -> None:
    """Raises `InvalidDecision` where a sheet lacks a column that decisions need."""
    missing = sorted({*_NEEDED} - {*columns})
    if missing:
        raise InvalidDecision(f"the file has no column {', '.join(missing)}; winnow review export makes such files")


def decisions_in(rows: Sequence[Cells], by: str) -> ByItem:
    """What the filled-in rows decide, with their numbers (the first one is 2), by item; rows left as they were do not.

    Cells are as the file has them. A row that cannot be read is there with the reason.
    """
    found: ByItem = {}
    for number, cells in enumerate(rows, start=2):
        row = {name: plain(cell) for name, cell in cells.items()}
        word = row.get("decision", "").strip()
        if word or row.get("new_value", "").strip():
            written = _written(row, cells.get("new_value"), word, by)
            found.setdefault(row.get("review_id", "").strip(), []).append((number, written))
    return found


def given_value(cell: object) -> dict[str, object]:
    """What a `WrittenDecision` has of a filled-in cell: its text, and its number where it is one."""
    is_number = isinstance(cell, (int, float)) and not isinstance(cell, bool)
    return {"value": plain(cell), "number": cell if is_number else None}


def _written(row: Mapping[str, str], new_value: object, word: str, by: str) -> WrittenDecision | InvalidDecision:
    try:
        review_id, version = int(row["review_id"]), int(row["version"])
    except (KeyError, ValueError):
        return InvalidDecision("review_id and version are the numbers that winnow review export wrote")
    return WrittenDecision.model_validate(
        {
            "review_id": review_id,
            "version": version,
            "decision": word or Action.CORRECT,
            "field": row.get("field", ""),
            "note": row.get("note", ""),
            "decided_by": by,
        }
        | given_value(new_value)
    )


def one_decision(rows: Sequence[WrittenDecision]) -> Sequence[WrittenDecision]:
    """The rows of an item, if they agree on one decision. Raises `InvalidDecision` otherwise."""
    words = {row.action for row in rows}
    if len(words) > 1:
        raise InvalidDecision(f"the rows of this item have different decisions: {', '.join(sorted(words))}")
    if words != {Action.CORRECT} and len({(row.value or "").strip() for row in rows}) > 1:
        raise InvalidDecision("the rows of this item have different new values; give a single one")
    return rows
