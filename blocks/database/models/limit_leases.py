"""Leases by which workers divide each model's limits: every live worker gets an equal part.

A worker counts until its lease expires by the database's clock, or until it releases it. Workers are ordered by the
time of their leases: where a limit has fewer parts than workers, the earliest workers have them, and none loses its
part to a newcomer.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import bindparam, case, delete, func, select, tuple_

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.in_list import in_list
from blocks.database.tables import limit_leases

KEPT_EXPIRED = timedelta(minutes=10)
"""How long an expired lease stays, so that a worker that renews a little late finds its row."""


class DatabaseLimitLeases:
    """Divides limits. `worker_id` names this process among all workers."""

    def __init__(self, database: Database, worker_id: str) -> None:
        self._database = database
        self._worker_id = worker_id

    def renew(self, models: Collection[str], for_s: float) -> Mapping[str, tuple[int, int]]:
        """Renew this worker's leases. Returns by model its place among the live workers, from 0, and their number."""
        asked = sorted(set(models))
        if not asked:
            return {}
        upsert = self._database.insert(limit_leases)
        is_alive = limit_leases.c.expires_at > upsert.excluded.leased_at
        leased_at = case((is_alive, limit_leases.c.leased_at), else_=upsert.excluded.leased_at)
        anew = upsert.on_conflict_do_update(
            index_elements=[limit_leases.c.model, limit_leases.c.worker_id],
            set_={"leased_at": leased_at, "expires_at": upsert.excluded.expires_at},
        )
        with self._database.write() as connection:
            time = database_time(connection)
            lease = {"worker_id": self._worker_id, "leased_at": time, "expires_at": time + timedelta(seconds=for_s)}
            connection.execute(anew, [{"model": model} | lease for model in asked])
            mine = {"b_models": asked, "b_time": time, "b_worker": self._worker_id}
            places = {model: (place - 1, workers) for model, place, workers in connection.execute(_PLACES, mine)}
            connection.execute(_FORGET, {"b_long_ago": time - KEPT_EXPIRED})
        return {model: places.get(model, (0, 1)) for model in asked}

    def release(self) -> None:
        """Release this worker's leases."""
        with self._database.write() as connection:
            connection.execute(delete(limit_leases).where(limit_leases.c.worker_id == self._worker_id))


_live = (
    select(
        limit_leases.c.model,
        limit_leases.c.worker_id,
        func.row_number()
        .over(partition_by=limit_leases.c.model, order_by=(limit_leases.c.leased_at, limit_leases.c.worker_id))
        .label("place"),
        func.count().over(partition_by=limit_leases.c.model).label("workers"),
    )
    .where(in_list(limit_leases.c.model, "b_models"), limit_leases.c.expires_at > bindparam("b_time"))
    .subquery()
)
_PLACES = select(_live.c.model, _live.c.place, _live.c.workers).where(_live.c.worker_id == bindparam("b_worker"))

_lapsed = (
    select(limit_leases.c.model, limit_leases.c.worker_id)
    .where(limit_leases.c.expires_at < bindparam("b_long_ago"))
    .with_for_update(skip_locked=True)  # must not wait for a worker that renews or deletes such a lease
)
_FORGET = delete(limit_leases).where(tuple_(limit_leases.c.model, limit_leases.c.worker_id).in_(_lapsed))
