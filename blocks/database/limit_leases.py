"""Leases by which workers divide each model's limits: every live worker has an equal share.

A worker counts until its lease expires by the database's clock, or until it gives it up.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, select, tuple_

from blocks.database.clock import database_time
from blocks.database.engine import Database
from blocks.database.one_of import one_of
from blocks.database.tables import limit_leases

KEPT_EXPIRED = timedelta(minutes=10)
"""How long an expired lease stays, so that a worker that renews a little late finds its row."""


class DatabaseLimitLeases:
    """Divides limits. `worker_id` names this process among all workers."""

    def __init__(self, database: Database, worker_id: str) -> None:
        self._database = database
        self._worker_id = worker_id

    def renew(self, models: Collection[str], for_s: float) -> Mapping[str, int]:
        """Renew this worker's leases; by model, how many live workers there are, this one included."""
        asked = sorted(set(models))
        if not asked:
            return {}
        upsert = self._database.insert(limit_leases)
        anew = upsert.on_conflict_do_update(
            index_elements=[limit_leases.c.model, limit_leases.c.worker_id],
            set_={"expires_at": upsert.excluded.expires_at},
        )
        with self._database.write() as connection:
            time = database_time(connection)
            expires_at = time + timedelta(seconds=for_s)
            rows = [{"model": model, "worker_id": self._worker_id, "expires_at": expires_at} for model in asked]
            connection.execute(anew, rows)
            workers: dict[str, int] = dict(connection.execute(_WORKERS, {"b_models": asked, "b_time": time}).all())
            connection.execute(_FORGET, {"b_long_ago": time - KEPT_EXPIRED})
        return {model: max(1, workers.get(model, 1)) for model in asked}

    def release(self) -> None:
        """Give this worker's leases up."""
        with self._database.write() as connection:
            connection.execute(delete(limit_leases).where(limit_leases.c.worker_id == self._worker_id))


_WORKERS = (
    select(limit_leases.c.model, func.count())
    .where(one_of(limit_leases.c.model, "b_models"), limit_leases.c.expires_at > bindparam("b_time"))
    .group_by(limit_leases.c.model)
)

_lapsed = (
    select(limit_leases.c.model, limit_leases.c.worker_id)
    .where(limit_leases.c.expires_at < bindparam("b_long_ago"))
    .with_for_update(skip_locked=True)  # whoever renews such a one, or forgets it too, must not be waited for
)
_FORGET = delete(limit_leases).where(tuple_(limit_leases.c.model, limit_leases.c.worker_id).in_(_lapsed))
