"""The ledger of model calls: one row per attempt, written before it is sent and settled after.

Reservations and settlements of many calls are exchanged in one transaction. It locks the rows of calls first and
then the budgets, each in order of their keys; so on PostgreSQL no two transactions deadlock. SQLite has a single writer
at any time.

The database may go away after it has written an exchange and before it has answered. A settlement then comes twice: the
second changes nothing. A reservation whose answer was lost is released by the next exchange; a later request for it
makes a new one.
"""

import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from blocks.database.engine import Database, now
from blocks.database.models.budgets import DAY, RUN, BudgetKey, BudgetSheet, day_of, open_budgets
from blocks.database.models.ledger_rows import (
    IS_OPEN,
    SettledCall,
    budget_keys,
    locked_calls,
    open_calls,
    release_calls,
    row_of,
    settle_calls,
)
from blocks.database.models.ledger_writes import delete_calls, insert_calls
from blocks.database.pipeline.leases import hold_lease, live_workers
from blocks.database.tables import model_calls, model_versions
from blocks.errors import DatabaseUnreachable
from blocks.ledger import ADMITTED, Admission, Reservation, Settlement
from blocks.records import CANCELLED, LOST, OPEN


class DatabaseLedger:
    """Keeps model calls and their costs.

    `worker_id` names this process among all workers. While the process lives, no other worker settles its open calls.
    """

    def __init__(self, database: Database, worker_id: str | None = None) -> None:
        self._database = database
        self.worker_id = worker_id or f"worker-{uuid.uuid4().hex}"
        self._leases = ExitStack()
        self._has_lease = False
        self._leasing = threading.Lock()
        self._known_versions: set[tuple[str, str]] = set()
        self._known_budgets: set[BudgetKey] = set()
        self._unanswered: set[str] = set()
        self._returned: set[str] = set()

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        """Settle, then admit or refuse each reservation in order, in one transaction; one admission per reservation.

        Raises `DatabaseUnreachable`: the outcome is then unknown, and the same exchange can be asked again.
        """
        if not settlements and not reservations:
            return ()
        settled = [
            SettledCall(settlement.run_id, row_of(settlement.call), settlement.text, settlement.call.examples)
            for settlement in settlements
        ]
        asked = [_Asked(reservation, row_of(reservation.call)) for reservation in reservations]
        try:
            if asked:
                self._hold_lease()
            return self._exchange(settled, asked)
        except DatabaseUnreachable:
            self._unanswered |= {call.key for call in asked}
            raise

    def recover(self) -> int:
        """Settle as `lost` the open calls of dead workers; returns how many. Cheap where no call is open."""
        with self._database.read() as connection:
            workers = set(connection.execute(OPEN_WORKERS).scalars()) - {self.worker_id}
            dead = workers - live_workers(connection, workers)
        return self._lose(dead) if dead else 0

    def close(self) -> None:
        """Settle as `lost` the calls that this worker has open, and release its lease."""
        with self._leasing:
            if not self._has_lease:
                return
            try:
                self._lose({self.worker_id})
            finally:
                self._has_lease = False
                self._leases.close()

    def _hold_lease(self) -> None:
        with self._leasing:
            if not self._has_lease:
                self._leases.enter_context(hold_lease(self._database, "", worker_id=self.worker_id))
                self._has_lease = True

    def _exchange(self, settled: Sequence[SettledCall], asked: "Sequence[_Asked]") -> tuple[Admission, ...]:
        called_at = now()
        self._prepare(called_at, settled, asked)
        unanswered = tuple(self._unanswered)
        with self._database.write() as connection:
            wanted = {call.key for call in asked}
            again = wanted & self._returned
            existing = locked_calls(connection, {*(call.row["call_key"] for call in settled), *unanswered, *again})
            released = {key for key in wanted if key in existing and existing[key].outcome == CANCELLED}
            known = {key for key in wanted if key in existing} - released
            abandoned = {key: existing[key] for key in unanswered if key in existing and key not in wanted}
            keys = budget_keys(existing, settled, called_at) | _budgets_of(abandoned.values())
            keys |= {(RUN, call.reservation.run_id) for call in asked} | (
                {(DAY, day_of(called_at))} if asked else set()
            )
            sheet = BudgetSheet(connection, self._database, keys)
            settle_calls(connection, self._database, sheet, existing, settled, called_at)
            release_calls(connection, sheet, abandoned, CANCELLED)
            delete_calls(connection, released)
            admissions = self._admit(connection, sheet, asked, known, called_at)
            sheet.write()
        self._unanswered.difference_update(unanswered)
        self._returned = (self._returned | abandoned.keys()) - again
        return admissions

    def _prepare(self, called_at: datetime, settled: Sequence[SettledCall], asked: "Sequence[_Asked]") -> None:
        """Insert missing rows of budgets and model versions before anything is locked. Mostly none is missing."""
        keys: set[BudgetKey] = {(RUN, call.reservation.run_id) for call in asked}
        keys |= {(RUN, call.run_id) for call in settled if call.spent_usd}
        if keys:
            keys.add((DAY, day_of(called_at)))
        if not keys <= self._known_budgets:
            open_budgets(self._database, keys)
            self._known_budgets |= keys
        new = [*(call.row for call in settled), *(call.row for call in asked)]
        versions = {(row["model"], row["model_version"]) for row in new}
        if not versions <= self._known_versions:
            rows = [
                {"model": model, "model_version": version, "first_used_at": called_at}
                for model, version in sorted(versions)
            ]
            with self._database.write() as connection:
                connection.execute(self._database.insert(model_versions).on_conflict_do_nothing(), rows)
            self._known_versions |= versions

    def _admit(
        self,
        connection: Connection,
        sheet: BudgetSheet,
        asked: "Sequence[_Asked]",
        known: Collection[str],
        called_at: datetime,
    ) -> tuple[Admission, ...]:
        _read_documents(sheet, asked)
        admissions, rows = [], []
        for call in asked:
            if call.key in known:  # admitted by an exchange whose answer was lost
                admissions.append(ADMITTED)
                continue
            admission = sheet.reserve(call.reservation, called_at)
            admissions.append(admission)
            if admission.is_admitted:
                decided = {"run_id": call.reservation.run_id, "called_at": called_at, "worker_id": self.worker_id}
                rows.append(call.row | decided | {"outcome": OPEN, "reserved_usd": call.reservation.max_usd})
        if rows:
            insert_calls(connection, rows)
        return tuple(admissions)

    def _lose(self, worker_ids: Collection[str]) -> int:
        with self._database.write() as connection:
            existing = open_calls(connection, worker_ids)
            sheet = BudgetSheet(connection, self._database, _budgets_of(existing.values()))
            lost = release_calls(connection, sheet, existing, LOST)
            sheet.write()
        return lost


@dataclass(frozen=True, slots=True)
class _Asked:
    reservation: Reservation
    row: dict[str, Any]

    @property
    def key(self) -> str:
        key: str = self.row["call_key"]
        return key


def _budgets_of(rows: Collection[Any]) -> set[BudgetKey]:
    return {(RUN, row.run_id) for row in rows} | {(DAY, day_of(row.called_at)) for row in rows}


def _read_documents(sheet: BudgetSheet, asked: Sequence[_Asked]) -> None:
    capped: dict[str, set[str]] = defaultdict(set)
    for call in asked:
        if call.reservation.caps.document_usd is not None:
            capped[call.reservation.run_id].add(call.row["document_id"])
    for run_id, document_ids in capped.items():
        sheet.read_documents(run_id, document_ids)


OPEN_WORKERS = select(model_calls.c.worker_id).where(IS_OPEN).distinct()
