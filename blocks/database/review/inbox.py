"""The SQL door: rows that people insert into `review_decisions` are applied, each exactly once, and answered.

The answer is written in the transaction of the decision. On PostgreSQL several appliers share the rows by SKIP LOCKED;
on SQLite there is one writer at a time.
"""

import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, RowMapping, and_, bindparam, exists, func, select, update
from sqlalchemy.exc import DBAPIError

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.outages import survives_outages
from blocks.database.review.decide import decide_within
from blocks.database.review.item_content import load_item
from blocks.database.review.tables import review_decisions
from blocks.database.review.users import load_person
from blocks.document_types.schema import DocumentType
from blocks.errors import WinnowError
from blocks.records import Record
from blocks.review.records import Action, Door
from blocks.review.wording import in_words
from blocks.review.written import WrittenDecision, decision_of

NEW, APPLIED, REFUSED = "new", "applied", "refused"

log = logging.getLogger(__name__)


class Answered(Record):
    """How many decisions were applied and refused; the rows of a correction are one decision."""

    applied: int = 0
    refused: int = 0


def apply_decisions(database: Database, types: Mapping[str, DocumentType]) -> Answered:
    """Apply every new row of `review_decisions`, the oldest first, and write the answer on each."""
    counts = {APPLIED: 0, REFUSED: 0}
    while status := _apply_next(database, types):
        counts[status] += 1
    return Answered(applied=counts[APPLIED], refused=counts[REFUSED])


@survives_outages
def _apply_next(database: Database, types: Mapping[str, DocumentType]) -> str | None:
    """Apply the oldest decision that nobody else applies now. Returns its new status; None where there is none."""
    with database.write() as connection:
        first = connection.execute(_FIRST).mappings().one_or_none()
        if first is None:
            return None
        rows = [first]
        if first["is_correction"]:
            same = {"b_review_id": first["review_id"], "b_by": first["decided_by"]}
            rows = list(connection.execute(_SAME_CORRECTION, same).mappings())
        status, message = _answer(database, connection, rows, types)
        at = database_time(connection)
        answers = [{"b_id": row["decision_id"], "b_status": status, "b_message": message, "b_at": at} for row in rows]
        connection.execute(_ANSWER, answers)
        return status


def _answer(
    database: Database, connection: Connection, rows: Sequence[RowMapping], types: Mapping[str, DocumentType]
) -> tuple[str, str]:
    try:
        with connection.begin_nested():
            written = [_written(row) for row in rows]
            item = load_item(connection, written[0].review_id)
            decision = decision_of(written, types.get(item.document_type), Door.SQL)
            person = load_person(connection, decision.by)
            decided = decide_within(database, connection, decision, person, types)
    except DBAPIError:
        raise
    except WinnowError as error:
        return REFUSED, str(error)
    except Exception:  # a defect costs one decision, and not those behind it
        log.exception("a defect of Winnow: decision %s of review_decisions is refused", rows[0]["decision_id"])
        return REFUSED, "a defect of Winnow kept this decision from being applied; the log has it; nothing was decided"
    return APPLIED, in_words(decided.event, decided.corrected, is_repeated=decided.is_repeated)


def _written(row: RowMapping) -> WrittenDecision:
    # SQLite keeps any text in any column.
    numbers = {name: row[name] if isinstance(row[name], int) else 0 for name in ("review_id", "version")}
    return WrittenDecision.model_validate({name: row[name] for name in _WRITTEN} | numbers)


_WRITTEN = ("review_id", "decision", "field", "value", "note", "decided_by", "version")
_row = review_decisions.c
_earlier = review_decisions.alias("earlier")
_is_correction = func.lower(func.trim(_row.decision)) == Action.CORRECT
# No times: on SQLite, a person may write any text there.
_columns = (_row.decision_id, *(_row[name] for name in _WRITTEN), _is_correction.label("is_correction"))

_has_earlier_row = exists().where(
    _earlier.c.status == NEW,
    _earlier.c.decision_id < _row.decision_id,
    _earlier.c.review_id == _row.review_id,
    _earlier.c.decided_by == _row.decided_by,
    func.lower(func.trim(_earlier.c.decision)) == Action.CORRECT,
)
"""Only the first row of a correction may be taken: whoever locks it has the others too."""

_FIRST = (
    select(*_columns)
    .where(_row.status == NEW, ~and_(_is_correction, _has_earlier_row))
    .order_by(_row.decision_id)
    .limit(1)
    .with_for_update(skip_locked=True, of=review_decisions)
)

_SAME_CORRECTION = (
    select(*_columns)
    .where(
        _row.status == NEW,
        _row.review_id == bindparam("b_review_id"),
        _row.decided_by == bindparam("b_by"),
        _is_correction,
    )
    .order_by(_row.decision_id)
    .with_for_update()
)

_ANSWER = (
    update(review_decisions)
    .where(_row.decision_id == bindparam("b_id"))
    .values(status=bindparam("b_status"), message=bindparam("b_message"), applied_at=bindparam("b_at"))
)
