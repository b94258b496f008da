"""Budgets: what runs and days have spent and reserved, locked and changed within one transaction.

A run's budget may be part of that of a backfill: money is then counted in both, and reserved only where it fits both.
`spent_usd` has what is spent and what may have been spent (unconfirmed); `reserved_usd` the maximum cost of calls under
way. A document's part of a run is not stored: it is the sum of its rows in the ledger.

All arithmetic is in Decimal, here: SQLite would do it in binary floats.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection, bindparam, select, update

from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.tables import budgets, model_calls
from blocks.ledger import ADMITTED, Admission, Reservation

RUN = "run"
DAY = "day"
DOCUMENT = "document"
BACKFILL = "backfill"
ZERO = Decimal(0)

BudgetKey = tuple[str, str]
"""Scope and key: a run's id, or a UTC day such as 2026-11-20."""


@dataclass(slots=True)
class Sums:
    """What a budget has spent and reserved."""

    spent_usd: Decimal = ZERO
    reserved_usd: Decimal = ZERO
    part_of: str | None = None
    cap_usd: Decimal | None = None
    is_changed: bool = False

    def add(self, spent_usd: Decimal, reserved_usd: Decimal) -> None:
        """Change both by so much."""
        if spent_usd or reserved_usd:
            self.spent_usd += spent_usd
            self.reserved_usd += reserved_usd
            self.is_changed = True


def day_of(time: datetime) -> str:
    """The UTC day whose budget a call of that time counts for."""
    return time.astimezone(UTC).date().isoformat()


class BudgetSheet:
    """The budgets that a transaction changes. PostgreSQL keeps their rows locked until it ends."""

    def __init__(self, connection: Connection, database: Database, keys: Collection[BudgetKey]) -> None:
        self._connection = connection
        self._sums: dict[BudgetKey, Sums] = {}
        self._documents: dict[BudgetKey, Sums] = {}
        if not keys:
            return
        self._sums = _locked(connection, keys)
        if missing := set(keys) - set(self._sums):  # somebody deleted them: `open_budgets` has written each before
            _insert(connection, database, missing)
            self._sums |= _locked(connection, missing)
        # Wholes are locked after their parts, whoever locks them.
        wholes = {(BACKFILL, sums.part_of) for sums in self._sums.values() if sums.part_of is not None}
        if wholes:
            self._sums |= _locked(connection, wholes)

    def add(self, run_id: str, called_at: datetime, spent_usd: Decimal, reserved_usd: Decimal) -> None:
        """Change what the run and the day have spent and reserved."""
        if spent_usd or reserved_usd:
            self._sums[RUN, run_id].add(spent_usd, reserved_usd)
            if (whole := self._whole(run_id)) is not None:
                whole.add(spent_usd, reserved_usd)
            self._sums[DAY, day_of(called_at)].add(spent_usd, reserved_usd)

    def read_documents(self, run_id: str, document_ids: Collection[str]) -> None:
        """Read what documents have spent and reserved in a run, for the caps on documents."""
        for document_id in document_ids:
            self._documents[run_id, document_id] = Sums()
        for row in self._connection.execute(_DOCUMENT_CALLS, {"b_ids": document_ids}):
            if row.run_id == run_id:
                self._documents[run_id, row.document_id].add(row.cost_usd + row.unconfirmed_usd, row.reserved_usd)

    def reserve(self, reservation: Reservation, called_at: datetime) -> Admission:
        """Reserve money where it fits every cap.

        The refusal names a budget that is used up for good before one that a wait makes room in.
        """
        run_id, max_usd, caps = reservation.run_id, reservation.max_usd, reservation.caps
        document = self._documents.get((run_id, reservation.call.document_id))
        whole = self._whole(run_id)
        budgets_with_caps = (
            (DOCUMENT, document, caps.document_usd),
            (RUN, self._sums[RUN, run_id], caps.run_usd),
            (BACKFILL, whole, None if whole is None else whole.cap_usd),
            (DAY, self._sums[DAY, day_of(called_at)], caps.day_usd),
        )
        refusals = [
            Admission(False, scope, cap_usd, sums.spent_usd, may_fit_later=sums.spent_usd + max_usd <= cap_usd)
            for scope, sums, cap_usd in budgets_with_caps
            if cap_usd is not None and sums is not None and sums.spent_usd + sums.reserved_usd + max_usd > cap_usd
        ]
        if refusals:
            return min(refusals, key=lambda refusal: refusal.may_fit_later)
        self.add(run_id, called_at, ZERO, max_usd)
        if document is not None:
            document.add(ZERO, max_usd)
        return ADMITTED

    def _whole(self, run_id: str) -> Sums | None:
        """The budget of which the run's is a part."""
        part_of = self._sums[RUN, run_id].part_of
        return None if part_of is None else self._sums.get((BACKFILL, part_of))

    def write(self) -> None:
        """Write what has changed."""
        rows = [
            {"b_scope": scope, "b_key": key, "b_spent": sums.spent_usd, "b_reserved": sums.reserved_usd}
            for (scope, key), sums in sorted(self._sums.items())
            if sums.is_changed
        ]
        if rows:
            self._connection.execute(_WRITE, rows)


def open_budgets(database: Database, keys: Collection[BudgetKey]) -> None:
    """Write a row for each budget that has none, in a transaction of its own.

    So a transaction that moves money locks existing rows, always in the same order, and no two can deadlock.
    """
    with database.write() as connection:
        _insert(connection, database, keys)


def join_budget(database: Database, run_id: str, backfill_id: str, cap_usd: Decimal | None) -> None:
    """Make a run's budget a part of a backfill's, which is capped. To repeat it changes nothing."""
    with database.write() as connection:
        _insert(connection, database, [(BACKFILL, backfill_id), (RUN, run_id)])
        connection.execute(_JOIN, {"b_scope": RUN, "b_key": run_id, "b_part_of": backfill_id, "b_cap": None})
        connection.execute(_JOIN, {"b_scope": BACKFILL, "b_key": backfill_id, "b_part_of": None, "b_cap": cap_usd})


def spent_of(database: Database, scope: str, key: str) -> Decimal:
    """What a budget has spent, in USD."""
    query = select(budgets.c.spent_usd).where(budgets.c.scope == scope, budgets.c.key == key)
    with database.read() as connection:
        return connection.execute(query).scalar_one_or_none() or ZERO


def _locked(connection: Connection, keys: Collection[BudgetKey]) -> dict[BudgetKey, Sums]:
    rows = connection.execute(_LOCK, {"b_scopes": {scope for scope, _ in keys}, "b_keys": {key for _, key in keys}})
    wanted: Mapping[BudgetKey, None] = dict.fromkeys(keys)
    return {(scope, key): Sums(*amounts) for scope, key, *amounts in rows if (scope, key) in wanted}


def _insert(connection: Connection, database: Database, keys: Collection[BudgetKey]) -> None:
    rows = [{"scope": scope, "key": key, "spent_usd": ZERO, "reserved_usd": ZERO} for scope, key in sorted(keys)]
    connection.execute(database.insert(budgets).on_conflict_do_nothing(), rows)


_LOCK = (
    select(
        budgets.c.scope,
        budgets.c.key,
        budgets.c.spent_usd,
        budgets.c.reserved_usd,
        budgets.c.part_of,
        budgets.c.cap_usd,
    )
    .where(in_list(budgets.c.scope, "b_scopes"), in_list(budgets.c.key, "b_keys"))
    .order_by(budgets.c.scope, budgets.c.key)
    .with_for_update()
)
_WRITE = (
    update(budgets)
    .where(budgets.c.scope == bindparam("b_scope"), budgets.c.key == bindparam("b_key"))
    .values(spent_usd=bindparam("b_spent"), reserved_usd=bindparam("b_reserved"))
)
_JOIN = (
    update(budgets)
    .where(budgets.c.scope == bindparam("b_scope"), budgets.c.key == bindparam("b_key"))
    .values(part_of=bindparam("b_part_of"), cap_usd=bindparam("b_cap"))
)
_DOCUMENT_CALLS = select(
    model_calls.c.run_id,
    model_calls.c.document_id,
    model_calls.c.cost_usd,
    model_calls.c.unconfirmed_usd,
    model_calls.c.reserved_usd,
).where(in_list(model_calls.c.document_id, "b_ids"))
"""Of all runs: with a condition on the run, SQLite reads all its calls instead of the few of these documents."""
