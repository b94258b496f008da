"""Rows of the ledger: made from records of calls, read for settling, and written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Integer, Row, literal_column, select

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.models.budgets import DAY, RUN, ZERO, BudgetKey, BudgetSheet, day_of
from blocks.database.models.ledger_writes import end_calls, insert_calls, update_calls
from blocks.database.models.tables import model_call_examples
from blocks.database.tables import documents, model_call_texts, model_calls
from blocks.ledger import CallText, ModelCall
from blocks.records import LOST, OPEN

MAX_INTEGER = 2**31 - 1

LedgerRow = Row[Any]
"""The columns that settling reads: call_key, run_id, called_at, outcome and the three amounts."""


@dataclass(frozen=True, slots=True)
class SettledCall:
    """A call that is over: `row` has a value for every column that its record decides. `examples` are ids."""

    run_id: str
    row: dict[str, Any]
    text: CallText | None = None
    examples: tuple[str, ...] = ()

    @property
    def spent_usd(self) -> Decimal:
        """What budgets count of it."""
        return spent_of(self.row)


def row_of(call: ModelCall) -> dict[str, Any]:
    """The row of a call.

    Counts that exceed a column are cut to its maximum. Raises `ValueError` for negative or infinite amounts and NaN,
    which would spoil every sum.
    """
    row = dict(zip(_FROM_CALL, _values_of(call), strict=True))
    for column in _INTEGERS:
        if not 0 <= row[column] <= MAX_INTEGER:
            row[column] = min(max(row[column], 0), MAX_INTEGER)
    spent = spent_of(row)
    if not spent.is_finite() or row["cost_usd"] < 0 or row["unconfirmed_usd"] < 0:
        raise ValueError(f"call {row['call_key']} has an impossible cost of {row['cost_usd']} USD")
    row["reserved_usd"] = ZERO
    return row


def spent_of(row: Mapping[str, Any]) -> Decimal:
    """What budgets count of a row that is settled."""
    spent: Decimal = row["cost_usd"] + row["unconfirmed_usd"]
    return spent


def locked_calls(connection: Connection, call_keys: Collection[str]) -> dict[str, LedgerRow]:
    """The existing rows of these calls, locked."""
    if not call_keys:
        return {}
    return {row.call_key: row for row in connection.execute(_LOCKED, {"b_keys": call_keys})}


def open_calls(connection: Connection, worker_ids: Collection[str]) -> dict[str, LedgerRow]:
    """The rows that these workers have open, locked."""
    return {row.call_key: row for row in connection.execute(_OPEN_OF, {"b_workers": worker_ids})}


def budget_keys(
    existing: Mapping[str, LedgerRow], settled: Sequence[SettledCall], called_at: datetime
) -> set[BudgetKey]:
    """The budgets that settling these calls changes."""
    keys: set[BudgetKey] = set()
    for call in settled:
        row = existing.get(call.row["call_key"])
        if row is not None and (row.reserved_usd or row.unconfirmed_usd or call.spent_usd):
            keys |= {(RUN, row.run_id), (DAY, day_of(row.called_at))}
        elif row is None and call.spent_usd:
            keys |= {(RUN, call.run_id), (DAY, day_of(called_at))}
    return keys


def settle_calls(
    connection: Connection,
    database: Database,
    sheet: BudgetSheet,
    existing: Mapping[str, LedgerRow],
    settled: Sequence[SettledCall],
    called_at: datetime,
) -> None:
    """Write the calls that are over, and change the budgets by their costs. A settled call stays as it is.

    A call that was marked `lost` is settled after all when its worker turns out to live.
    """
    new, changed, texts, examples = [], [], [], []
    for call in settled:
        key = call.row["call_key"]
        row = existing.get(key)
        if row is None:
            sheet.add(call.run_id, called_at, call.spent_usd, ZERO)
            new.append(call.row | {"run_id": call.run_id, "called_at": called_at, "worker_id": None})
        elif row.outcome in {OPEN, LOST}:
            sheet.add(row.run_id, row.called_at, call.spent_usd - row.cost_usd - row.unconfirmed_usd, -row.reserved_usd)
            changed.append(call.row)
        else:
            continue
        if call.text is not None:
            texts.append(asdict(call.text) | {"kept_at": called_at})
        examples += [{"call_key": key, "document_id": id_, "position": at} for at, id_ in enumerate(call.examples, 1)]
    if new:
        insert_calls(connection, new)
    if changed:
        update_calls(connection, changed)
    if examples:
        connection.execute(database.insert(model_call_examples).on_conflict_do_nothing(), examples)
        erased = connection.execute(_SHOWN_AND_ERASED, {"b_keys": {row["call_key"] for row in examples}}).scalars()
        quoting = set(erased)  # the document was erased while the call was under way
        texts = [row for row in texts if row["call_key"] not in quoting]
    if texts:
        connection.execute(database.insert(model_call_texts).on_conflict_do_nothing(), texts)


def release_calls(connection: Connection, sheet: BudgetSheet, existing: Mapping[str, LedgerRow], outcome: str) -> int:
    """End open calls that no worker will settle, and release their reservations; returns how many.

    `cancelled`: never sent. `lost`: nobody knows, so the reserved money counts as possibly spent.
    """
    rows = []
    for key, row in existing.items():
        if row.outcome == OPEN:
            unconfirmed_usd = row.reserved_usd if outcome == LOST else ZERO
            sheet.add(row.run_id, row.called_at, unconfirmed_usd, -row.reserved_usd)
            ended = {"outcome": outcome, "unconfirmed_usd": unconfirmed_usd, "reserved_usd": ZERO}
            rows.append({"call_key": key} | ended)
    if rows:
        end_calls(connection, rows)
    return len(rows)


IS_OPEN = model_calls.c.outcome == literal_column(f"'{OPEN}'")
"""A literal: with a parameter SQLite would not use the index of open rows."""

_SET_BY_LEDGER = {"call_id", "run_id", "called_at", "worker_id", "reserved_usd"}
_FROM_CALL = tuple(column.name for column in model_calls.columns if column.name not in _SET_BY_LEDGER)
_values_of = attrgetter(*_FROM_CALL)
_INTEGERS = tuple(
    column.name for column in model_calls.columns if column.name in _FROM_CALL and isinstance(column.type, Integer)
)

_READ = select(
    model_calls.c.call_key,
    model_calls.c.run_id,
    model_calls.c.called_at,
    model_calls.c.outcome,
    model_calls.c.cost_usd,
    model_calls.c.unconfirmed_usd,
    model_calls.c.reserved_usd,
)
_SHOWN_AND_ERASED = (
    select(model_call_examples.c.call_key)
    .join_from(model_call_examples, documents, documents.c.document_id == model_call_examples.c.document_id)
    .where(in_list(model_call_examples.c.call_key, "b_keys"), documents.c.erased_at.is_not(None))
)
_LOCKED = _READ.where(in_list(model_calls.c.call_key, "b_keys")).order_by(model_calls.c.call_key).with_for_update()
_OPEN_OF = (
    _READ.where(IS_OPEN, in_list(model_calls.c.worker_id, "b_workers"))
    .order_by(model_calls.c.call_key)
    .with_for_update()
)
