"""Circuits that workers share through the database. A model without a row has a closed circuit.

The table is named `breakers`, since renaming it needs a migration. Times are the database's: a circuit turns half-open
for every worker at once.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Generic, TypeVar

from sqlalchemy import delete, or_, select, update

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.tables import breakers

EARLY_S = 0.25
"""How long before the end of the open time a probe may be claimed. The worker that opened the circuit counts from the
failure, the database from the moment at which it wrote the row."""

Report = TypeVar("Report")


class DatabaseCircuitStates(Generic[Report]):
    """Shares circuits. `make_report` takes key, is_open, why and open_for_s (the seconds that are left).

    A half-open circuit is open for 0 seconds.
    """

    def __init__(self, database: Database, make_report: Callable[[str, bool, str, float], Report]) -> None:
        self._database = database
        self._make_report = make_report

    def load(self) -> Mapping[str, Report]:
        """Every circuit that is not closed, by key."""
        with self._database.read() as connection:
            rows = connection.execute(_LOAD).all()
            time = database_time(connection) if rows else None
        reports = {}
        for key, why, opened_at, open_until in rows:
            assert time is not None
            # A clock that was set back must not keep a circuit open for longer than was meant.
            left = min(open_until - time, open_until - opened_at)
            reports[key] = self._make_report(key, True, why, max(0.0, left.total_seconds()))
        return reports

    def open(self, key: str, why: str, for_s: float) -> None:
        """Open a circuit for every worker."""
        upsert = self._database.insert(breakers)
        anew = {column: upsert.excluded[column] for column in ("why", "opened_at", "open_until", "probe_until")}
        with self._database.write() as connection:
            time = database_time(connection)
            row = {
                "key": key,
                "why": why,
                "opened_at": time,
                "open_until": time + timedelta(seconds=for_s),
                "probe_until": None,
            }
            connection.execute(upsert.on_conflict_do_update(index_elements=[breakers.c.key], set_=anew), [row])

    def close(self, key: str) -> None:
        """Close a circuit for every worker."""
        with self._database.write() as connection:
            connection.execute(delete(breakers).where(breakers.c.key == key))

    def claim_probe(self, key: str, for_s: float) -> bool:
        """Whether this worker may send the only probe of a half-open circuit; the claim lapses after `for_s`.

        False while the circuit is open or another worker's claim holds; True where another worker has closed it.
        """
        with self._database.write() as connection:
            time = database_time(connection)
            claim = (
                update(breakers)
                .where(
                    breakers.c.key == key,
                    breakers.c.open_until <= time + timedelta(seconds=EARLY_S),
                    or_(breakers.c.probe_until.is_(None), breakers.c.probe_until <= time),
                )
                .values(probe_until=time + timedelta(seconds=for_s))
            )
            if connection.execute(claim).rowcount:
                return True
            known = select(breakers.c.key).where(breakers.c.key == key)
            return connection.execute(known).first() is None


_LOAD = select(breakers.c.key, breakers.c.why, breakers.c.opened_at, breakers.c.open_until)
