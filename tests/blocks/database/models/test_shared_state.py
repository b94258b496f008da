"""State of models that workers share: circuits, leases, replies."""

import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.engine.interfaces import CacheStats

from blocks.database.engine import Database, now
from blocks.database.models.circuit_states import DatabaseCircuitStates
from blocks.database.models.limit_leases import DatabaseLimitLeases
from blocks.database.models.reply_cache import DatabaseReplyCache
from blocks.database.tables import breakers, limit_leases, reply_cache
from blocks.errors import DatabaseUnreachable
from blocks.gateway.policies.reply_store import ReplyStore
from blocks.gateway.policies.shared_state import CircuitReport, CircuitStates, LimitLeases, ReplyCache
from blocks.gateway.spending.group_commit import Rounds


def states_of(database: Database) -> DatabaseCircuitStates[CircuitReport]:
    return DatabaseCircuitStates(database, CircuitReport)


def test_a_circuit_that_a_worker_opens_is_open_for_all(database: Database) -> None:
    states: CircuitStates = states_of(database)
    assert states.load() == {}
    states.open("m", "no credit", 30)
    (report,) = states_of(database).load().values()
    assert (report.key, report.is_open, report.why) == ("m", True, "no credit")
    assert 25 < report.open_for_s <= 30
    states_of(database).close("m")
    assert states.load() == {}


def test_a_single_worker_sends_the_probe_when_the_circuit_is_half_open(database: Database) -> None:
    states = states_of(database)
    states.open("m", "why", 60)
    assert not states.claim_probe("m", 60), "the pause lasts"
    states.open("m", "why", 0)
    assert states.load()["m"] == CircuitReport("m", is_open=True, why="why", open_for_s=0.0)
    gate = threading.Barrier(8)

    def claim(_: int) -> bool:
        gate.wait()
        return states.claim_probe("m", 60)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_a_claim_lapses_and_opening_again_voids_it(database: Database) -> None:
    states = states_of(database)
    states.open("m", "why", 0)
    assert states.claim_probe("m", 0)
    assert states.claim_probe("m", 60), "the first claim has lapsed"
    assert not states.claim_probe("m", 60)
    states.open("m", "again", 0)
    assert states.claim_probe("m", 60)
    states.close("m")
    assert states.claim_probe("m", 60), "another has closed it"


def test_a_clock_that_is_set_back_keeps_no_circuit_open_for_longer(database: Database) -> None:
    states = states_of(database)
    states.open("m", "why", 30)
    later = now() + timedelta(hours=1)
    with database.write() as connection:
        connection.execute(update(breakers).values(opened_at=later, open_until=later + timedelta(seconds=30)))
    assert states.load()["m"].open_for_s == 30


def test_limits_are_divided_among_workers_that_live(database: Database) -> None:
    first, second = DatabaseLimitLeases(database, "a"), DatabaseLimitLeases(database, "b")
    leases: LimitLeases = first
    assert leases.renew([], 30) == {}
    assert first.renew(["m", "n"], 30) == {"m": (0, 1), "n": (0, 1)}
    assert second.renew(["m"], 30) == {"m": (1, 2)}
    assert first.renew(["m", "n"], 30) == {"m": (0, 2), "n": (0, 1)}
    second.release()
    assert first.renew(["m"], 30) == {"m": (0, 1)}


def test_a_lease_that_is_not_renewed_lapses_and_is_forgotten_in_the_end(database: Database) -> None:
    first, second = DatabaseLimitLeases(database, "a"), DatabaseLimitLeases(database, "b")
    second.renew(["m"], 0)
    assert first.renew(["m"], 30) == {"m": (0, 1)}
    with database.write() as connection:
        stale = update(limit_leases).where(limit_leases.c.worker_id == "b")
        connection.execute(stale.values(expires_at=now() - timedelta(days=1)))
    first.renew(["m"], 30)
    with database.read() as connection:
        assert connection.execute(select(limit_leases.c.worker_id)).scalars().all() == ["a"]


def test_workers_that_renew_at_once_do_not_block_each_other(database: Database) -> None:
    models = [f"m{number}" for number in range(20)]

    def renew(worker: int) -> None:
        leases = DatabaseLimitLeases(database, str(worker))
        for turn in range(10):
            leases.renew(models if turn % 2 else models[::-1], 30)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(renew, range(6)))
    places = [DatabaseLimitLeases(database, str(worker)).renew(models, 30) for worker in range(6)]
    for model in models:
        assert sorted(place[model] for place in places) == [(place, 6) for place in range(6)]


def test_who_came_first_keeps_its_place_until_it_leaves_or_lapses(database: Database) -> None:
    """Names do not decide: the first one's comes last."""
    late, later, first = (DatabaseLimitLeases(database, name) for name in ("b", "a", "z"))
    assert [worker.renew(["m"], 30)["m"] for worker in (first, late, later)] == [(0, 1), (1, 2), (2, 3)]
    assert [worker.renew(["m"], 30)["m"] for worker in (later, late, first)] == [(2, 3), (1, 3), (0, 3)]
    with database.write() as connection:
        lapsed = update(limit_leases).where(limit_leases.c.worker_id == "z")
        connection.execute(lapsed.values(expires_at=now() - timedelta(seconds=1)))
    assert late.renew(["m"], 30)["m"] == (0, 2)
    assert first.renew(["m"], 30)["m"] == (2, 3), "it comes anew"


class Locked:
    """A database that can be read and not be written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def write(self) -> Any:
        raise DatabaseUnreachable("a database", "it is locked")


def test_a_kept_reply_is_found_where_its_hit_cannot_be_counted(database: Database) -> None:
    DatabaseReplyCache(database).keep({"a": ("m", b"{}")})

    async def scene(cache: DatabaseReplyCache) -> bytes | None:
        reply_store = ReplyStore(cache, Rounds())
        found = await reply_store.find("a", math.inf)
        await reply_store.close()
        return found

    assert asyncio.run(scene(DatabaseReplyCache(cast(Database, Locked(database))))) == b"{}"
    assert asyncio.run(scene(DatabaseReplyCache(database))) == b"{}"
    with database.read() as connection:
        assert connection.execute(select(reply_cache.c.hits)).scalars().all() == [1]


LONG = b'{"fields": ' + b'"x"' * 1000 + b"}"


def test_a_reply_stays_as_it_was_first_kept_and_its_hits_are_counted(database: Database) -> None:
    cache = DatabaseReplyCache(database)
    kept: ReplyCache = cache
    assert kept.load([]) == {}
    cache.keep({})
    cache.keep({"a": ("m", b'{"a": 1}'), "b": ("m", LONG)})
    cache.keep({"a": ("other", b'{"a": 2}')})
    assert cache.load(["a", "b", "c"]) == {"a": b'{"a": 1}', "b": LONG}
    cache.count_hits([])
    cache.count_hits(["a", "b"])
    cache.count_hits({"a"})
    with database.read() as connection:
        rows = connection.execute(select(reply_cache.c.cache_key, reply_cache.c.model, reply_cache.c.hits)).all()
    assert sorted(tuple(row) for row in rows) == [("a", "m", 2), ("b", "m", 1)]
    cache.keep({"a": ("other", b'{"a": 3}'), "c": ("m", b"{}")}, replaces=True)
    assert cache.load(["a", "c"]) == {"a": b'{"a": 3}', "c": b"{}"}


@pytest.mark.parametrize("replaces", [False, True])
def test_the_statement_that_keeps_replies_is_compiled_once(database: Database, replaces: bool) -> None:
    compiled: list[bool] = []

    def note(_connection: object, _cursor: object, statement: str, _values: object, context: Any, _many: bool) -> None:
        if statement.startswith("INSERT INTO reply_cache"):
            compiled.append(context.cache_hit is not CacheStats.CACHE_HIT)

    event.listen(database.writer, "after_cursor_execute", note)
    for key in "abc":
        DatabaseReplyCache(database).keep({key: ("m", b"{}")}, replaces=replaces)
    assert compiled[1:] == [False, False]


def test_pruning_deletes_replies_unused_for_long_and_those_beyond_the_maximum(database: Database) -> None:
    cache = DatabaseReplyCache(database)
    cache.keep(dict.fromkeys("abcdef", ("m", b"{}")))
    with database.write() as connection:
        for days, key in enumerate("abcdef"):
            aged = update(reply_cache).where(reply_cache.c.cache_key == key)
            connection.execute(aged.values(used_at=now() - timedelta(days=days)))
    assert cache.prune(unused_days=4.5, max_replies=100) == 1
    assert cache.prune(unused_days=4.5, max_replies=3) == 2
    assert sorted(cache.load("abcdef")) == ["a", "b", "c"]
    assert cache.prune(unused_days=4.5, max_replies=3) == 0
