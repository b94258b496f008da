"""The reply store: validated replies of models, by the digest of the request that they answer.

It grows until it is pruned (`prune`), by age since the last use and by count.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import TextClause, bindparam, delete, select, text, update

from blocks.database.engine import Database, now
from blocks.database.in_list import in_list
from blocks.database.payloads import pack, unpack
from blocks.database.tables import reply_cache


class DatabaseReplyCache:
    """Keeps replies. Their JSON is packed as payloads are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """The replies that are kept, by key."""
        if not keys:
            return {}
        with self._database.read() as connection:
            return {key: unpack(reply) for key, reply in connection.execute(_LOAD, {"b_keys": set(keys)})}

    def count_hits(self, keys: Collection[str]) -> None:
        """Count a use of these replies: pruning starts with those used longest ago."""
        if not keys:
            return
        with self._database.write() as connection:
            connection.execute(_USED, {"b_keys": set(keys), "b_time": now()})

    def keep(self, replies: Mapping[str, tuple[str, bytes]], *, replaces: bool = False) -> None:
        """Keep replies: by key the model that answered, and the reply's JSON.

        An existing key keeps its reply, or, with `replaces`, gets the new one.
        """
        if not replies:
            return
        time = now()
        rows = [
            {"cache_key": key, "model": model, "reply": pack(reply), "hits": 0, "kept_at": time, "used_at": time}
            for key, (model, reply) in sorted(
                replies.items()
            )  # always in the same order: workers that insert the same keys do not deadlock
        ]
        with self._database.write() as connection:
            connection.execute(_KEEP[replaces], rows)

    def prune(self, unused_days: float, max_replies: int) -> int:
        """Delete replies that were unused for so long, and beyond `max_replies` the longest unused. Returns how many.

        Replies that were last used in the same moment are deleted together.
        """
        oldest = select(reply_cache.c.used_at).order_by(reply_cache.c.used_at.desc()).offset(max_replies).limit(1)
        with self._database.write() as connection:
            before = now() - timedelta(days=unused_days)
            deleted = connection.execute(delete(reply_cache).where(reply_cache.c.used_at < before)).rowcount
            beyond = connection.execute(oldest).scalar_one_or_none()
            if beyond is not None:
                deleted += connection.execute(delete(reply_cache).where(reply_cache.c.used_at <= beyond)).rowcount
        return deleted


def _keep(on_conflict: str) -> TextClause:
    """The statement that keeps a reply, as text, which SQLAlchemy compiles once.

    It compiles an `Insert` with ON CONFLICT anew for each execution: both dialects' have `inherit_cache = False`.
    """
    columns = [reply_cache.c[name] for name in ("cache_key", "model", "reply", "hits", "kept_at", "used_at")]
    names, values = (", ".join(f"{mark}{column.name}" for column in columns) for mark in ("", ":"))
    statement = text(f"INSERT INTO reply_cache ({names}) VALUES ({values}) ON CONFLICT (cache_key) DO {on_conflict}")
    return statement.bindparams(*(bindparam(column.name, type_=column.type) for column in columns))


_REPLACED = ("model", "reply", "kept_at", "used_at")
_KEEP = {
    False: _keep("NOTHING"),
    True: _keep(f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _REPLACED)}"),
}
_LOAD = select(reply_cache.c.cache_key, reply_cache.c.reply).where(in_list(reply_cache.c.cache_key, "b_keys"))
_in_order = (
    select(reply_cache.c.cache_key)
    .where(in_list(reply_cache.c.cache_key, "b_keys"))
    .order_by(reply_cache.c.cache_key)
    .with_for_update()  # workers that use the same replies must not deadlock
)
_USED = (
    update(reply_cache)
    .where(reply_cache.c.cache_key.in_(_in_order))
    .values(hits=reply_cache.c.hits + 1, used_at=bindparam("b_time"))
)
