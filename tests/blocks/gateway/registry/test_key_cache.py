"""Which key a call uses while keys are looked up, replaced, removed, or out of reach."""

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pytest
from pydantic import SecretStr

from blocks.errors import WinnowError
from blocks.gateway.registry.errors import ModelKeyMissing
from blocks.gateway.registry.key_cache import KeyCache
from tests.doubles.routed_models import model

A = model("a", key="env:A")


class Keys(Mapping[str, SecretStr]):
    """Keys whose look-ups are counted, may fail, and wait while `may_go` is not set."""

    def __init__(self, **keys: str) -> None:
        self.keys_by_name = keys
        self.lookups = 0
        self.error: WinnowError | None = None
        self.may_go = threading.Event()
        self.may_go.set()

    def __getitem__(self, reference: str) -> SecretStr:
        self.lookups += 1
        self.may_go.wait(5)
        if self.error is not None:
            raise self.error
        return SecretStr(self.keys_by_name[reference.removeprefix("env:")])

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_by_name)

    def __len__(self) -> int:
        return len(self.keys_by_name)


def text(cache: KeyCache) -> str:
    key = cache.of(A)
    assert key is not None
    return key.get_secret_value()


def test_a_fresh_key_is_not_looked_up_again_and_a_stale_one_is() -> None:
    async def run(fresh_s: float) -> tuple[int, str]:
        keys = Keys(A="old")
        cache = KeyCache(keys, fresh_s)
        await cache.refresh(A)
        keys.keys_by_name["A"] = "new"
        await cache.refresh(A)
        return keys.lookups, text(cache)

    assert asyncio.run(run(60.0)) == (1, "old")
    assert asyncio.run(run(0.0)) == (2, "new")


def test_a_model_without_a_key_needs_none() -> None:
    cache = KeyCache({}, 60.0)
    asyncio.run(cache.refresh(model("b")))
    assert (cache.has(model("b")), cache.of(model("b")), cache.has(A)) == (True, None, False)


def test_calls_without_a_key_wait_for_the_same_look_up() -> None:
    async def run() -> int:
        keys = Keys(A="key")
        cache = KeyCache(keys, 60.0)
        await asyncio.gather(*(cache.refresh(A) for _ in range(20)))
        return keys.lookups

    assert asyncio.run(run()) == 1


def test_others_use_the_last_key_while_it_is_looked_up() -> None:
    async def run() -> None:
        keys = Keys(A="key")
        cache = KeyCache(keys, 0.05)
        await cache.refresh(A)
        await asyncio.sleep(0.06)
        keys.may_go.clear()
        lookup = asyncio.create_task(cache.refresh(A))
        await asyncio.sleep(0)
        assert cache.has(A), "the next call does not wait"
        keys.may_go.set()
        await lookup

    asyncio.run(run())


def test_a_key_that_was_removed_is_used_by_calls_under_way_only() -> None:
    async def run() -> None:
        keys = Keys(A="key")
        cache = KeyCache(keys, 0.0)
        await cache.refresh(A)
        del keys.keys_by_name["A"]
        for _ in range(2):
            with pytest.raises(ModelKeyMissing, match="env:A"):
                await cache.refresh(A)
            assert (text(cache), cache.has(A)) == ("key", False)
        keys.keys_by_name["A"] = "back"
        await cache.refresh(A)
        assert text(cache) == "back"

    asyncio.run(run())


def test_while_keys_are_out_of_reach_the_last_one_is_used(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        keys = Keys(A="key")
        cache = KeyCache(keys, 0.0)
        keys.error = WinnowError("Prefect is away")
        with pytest.raises(WinnowError, match="away"):
            await cache.refresh(A)
        keys.error = None
        await cache.refresh(A)
        keys.error = WinnowError("Prefect is away")
        await cache.refresh(A)
        assert text(cache) == "key"

    asyncio.run(run())
    assert "the key of a cannot be looked up (Prefect is away); the last key is used" in caplog.text
