"""Decisions that are written as rows of text: by SQL, and in a spreadsheet."""

from collections.abc import Mapping, Sequence

from blocks.document_types.schema import DocumentType
from blocks.records import Record
from blocks.review.errors import InvalidDecision
from blocks.review.records import Action, Correction, Decision, Door
from blocks.review.typed_text import correction_of


class WrittenDecision(Record):
    """A row. A `correct` has a row per field; `value` is a correction's value, a rejection's reason, or a type.

    `number` is the value as a number, where the file has one: its text may mean another number in another language.
    """

    review_id: int
    decision: str
    decided_by: str
    version: int
    field: str | None = None
    value: str | None = None
    number: float | None = None
    note: str | None = None

    @property
    def action(self) -> str:
        """The decision's word, in lower case and without spaces around it: as SQL's TRIM and LOWER have it."""
        return self.decision.strip(" ").lower()


def decision_of(rows: Sequence[WrittenDecision], document_type: DocumentType | None, door: Door) -> Decision:
    """The decision that rows of one item and person make together. Raises `InvalidDecision`.

    Rows on different versions are a decision on the oldest of them, which the database refuses if it was replaced.
    """
    first = rows[0]
    if first.action not in set(Action):
        raise InvalidDecision(f"{first.decision!r} is no decision; there are: {', '.join(Action)}")
    action = Action(first.action)
    if not first.decided_by.strip():
        raise InvalidDecision("decided_by is empty; it names who decides")
    content: dict[str, object] = {}
    match action:
        case Action.CORRECT:
            content["corrections"] = _corrections(rows, document_type)
        case Action.REJECT:
            content["reason"] = _text(first.value) or _text(first.note)
        case Action.RECLASSIFY:
            content["document_type"] = _text(first.value)
        case _:
            _check_no_value(rows, action)
    return Decision.model_validate(
        {
            "review_id": first.review_id,
            "version": min(row.version for row in rows),
            "action": action,
            "by": first.decided_by,
            "door": door,
            "note": "; ".join(dict.fromkeys(note for row in rows if (note := _text(row.note)))),
        }
        | content
    )


def _check_no_value(rows: Sequence[WrittenDecision], action: Action) -> None:
    value = next((text for row in rows if (text := _text(row.value))), None)
    if value is not None:
        raise InvalidDecision(
            f"{action} takes no value, and {value!r} is given; to correct a field, decide correct instead"
        )


def _corrections(rows: Sequence[WrittenDecision], document_type: DocumentType | None) -> Mapping[str, Correction]:
    corrections: dict[str, Correction] = {}
    for row in rows:
        name = _text(row.field)
        if not name:
            raise InvalidDecision("a correction names its field in the column field")
        if name in corrections:
            raise InvalidDecision(f"{name} is corrected twice; leave a single row for it")
        corrections[name] = correction_of(document_type, name, row.value, row.number)
    return corrections


def _text(value: str | None) -> str:
    return (value or "").strip()
