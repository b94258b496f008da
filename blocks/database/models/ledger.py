"""The ledger of model calls: one row per attempt, written before it is sent and settled after.

Reservations and settlements of many calls are exchanged in one transaction. It locks the rows of calls first, in order
of their keys, and then the budgets, in order of theirs; so on PostgreSQL no two transactions wait for one another
crosswise. On SQLite one transaction writes at a time anyway.

A settlement may come twice (the database went away before it could say that it had written it): the second changes
nothing. A reservation of which nobody was told, for the same reason, is given back by the next exchange; asked again
after that, it is made anew.
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
    give_back,
    kept_calls,
    open_calls,
    row_of,
    settle_calls,
)
from blocks.database.models.ledger_writes import delete_calls, insert_calls
from blocks.database.pipeline.run_locks import hold_run_lock, live_runs
from blocks.database.tables import model_calls, model_versions
from blocks.errors import DatabaseUnreachable
from blocks.ledger import ADMITTED, Admission, Reservation, Settlement
from blocks.records import CANCELLED, LOST, OPEN


class DatabaseLedger:
    """Keeps model calls and their costs.

    `worker_id` names this process among all workers. As long as the process lives, nobody else settles its open calls.
    """

    def __init__(self, database: Database, worker_id: str | None = None) -> None:
        self._database = database
        self.worker_id = worker_id or f"worker-{uuid.uuid4().hex}"
        self._held = ExitStack()
        self._is_held = False
        self._holding = threading.Lock()
        self._known_versions: set[tuple[str, str]] = set()
        self._known_budgets: set[BudgetKey] = set()
        self._doubtful: set[str] = set()
        self._returned: set[str] = set()

    def exchange(self, settlements: Sequence[Settlement], reservations: Sequence[Reservation]) -> tuple[Admission, ...]:
        """Settle, then admit or refuse each reservation in order, in one transaction; one admission per reservation.

        Raises `DatabaseUnreachable`; then nobody may rely on any of it, and all of it can be asked again.
        """
        if not settlements and not reservations:
            return ()
        settled = [SettledCall(one.run_id, row_of(one.call), one.text) for one in settlements]
        asked = [_Asked(one, row_of(one.call)) for one in reservations]
        try:
            if asked:
                self._show_sign_of_life()
            return self._exchange(settled, asked)
        except DatabaseUnreachable:
            self._doubtful |= {one.key for one in asked}
            raise

    def recover(self) -> int:
        """Settle as `lost` what workers that died left open; returns how many. Cheap where nothing is open."""
        with self._database.read() as connection:
            workers = set(connection.execute(OPEN_WORKERS).scalars()) - {self.worker_id}
        dead = workers - live_runs(self._database, workers) if workers else workers
        return self._lose(dead) if dead else 0

    def close(self) -> None:
        """Settle as `lost` what this worker still has open, and count as alive no longer."""
        with self._holding:
            if not self._is_held:
                return
            try:
                self._lose({self.worker_id})
            finally:
                self._is_held = False
                self._held.close()

    def _show_sign_of_life(self) -> None:
        with self._holding:
            if not self._is_held:
                self._held.enter_context(hold_run_lock(self._database, self.worker_id))
                self._is_held = True

    def _exchange(self, settled: Sequence[SettledCall], asked: "Sequence[_Asked]") -> tuple[Admission, ...]:
        called_at = now()
        self._prepare(called_at, settled, asked)
        doubtful = tuple(self._doubtful)
        with self._database.write() as connection:
            wanted = {one.key for one in asked}
            again = wanted & self._returned
            kept = kept_calls(connection, {*(one.row["call_key"] for one in settled), *doubtful, *again})
            given_back = {key for key in wanted if key in kept and kept[key].outcome == CANCELLED}
            known = {key for key in wanted if key in kept} - given_back
            abandoned = {key: kept[key] for key in doubtful if key in kept and key not in wanted}
            keys = budget_keys(kept, settled, called_at) | _budgets_of(abandoned.values())
            keys |= {(RUN, one.reservation.run_id) for one in asked} | ({(DAY, day_of(called_at))} if asked else set())
            sheet = BudgetSheet(connection, self._database, keys)
            settle_calls(connection, self._database, sheet, kept, settled, called_at)
            give_back(connection, sheet, abandoned, CANCELLED)
            delete_calls(connection, given_back)
            admissions = self._admit(connection, sheet, asked, known, called_at)
            sheet.write()
        self._doubtful.difference_update(doubtful)
        self._returned = (self._returned | abandoned.keys()) - again
        return admissions

    def _prepare(self, called_at: datetime, settled: Sequence[SettledCall], asked: "Sequence[_Asked]") -> None:
        """See that budgets and model versions have rows, before anything is locked. Mostly there is nothing to do."""
        keys: set[BudgetKey] = {(RUN, one.reservation.run_id) for one in asked}
        keys |= {(RUN, one.run_id) for one in settled if one.spent_usd}
        if keys:
            keys.add((DAY, day_of(called_at)))
        if not keys <= self._known_budgets:
            open_budgets(self._database, keys)
            self._known_budgets |= keys
        new = [*(one.row for one in settled), *(one.row for one in asked)]
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
        for one in asked:
            if one.key in known:  # admitted by an exchange whose answer was lost
                admissions.append(ADMITTED)
                continue
            admission = sheet.reserve(one.reservation, called_at)
            admissions.append(admission)
            if admission.is_admitted:
                decided = {"run_id": one.reservation.run_id, "called_at": called_at, "worker_id": self.worker_id}
                rows.append(one.row | decided | {"outcome": OPEN, "reserved_usd": one.reservation.max_usd})
        if rows:
            insert_calls(connection, rows)
        return tuple(admissions)

    def _lose(self, worker_ids: Collection[str]) -> int:
        with self._database.write() as connection:
            kept = open_calls(connection, worker_ids)
            sheet = BudgetSheet(connection, self._database, _budgets_of(kept.values()))
            lost = give_back(connection, sheet, kept, LOST)
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
    for one in asked:
        if one.reservation.caps.document_usd is not None:
            capped[one.reservation.run_id].add(one.row["document_id"])
    for run_id, document_ids in capped.items():
        sheet.read_documents(run_id, document_ids)


OPEN_WORKERS = select(model_calls.c.worker_id).where(IS_OPEN).distinct()
