"""Passwords are looked at a few at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployments.review_app import passwords


class CountingHasher:
    """Finds every password right, and counts how many it is asked for at once."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._lock, self.full = threading.Lock(), threading.Barrier(passwords.AT_ONCE)

    def verify(self, _hash: str, _password: str) -> bool:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.full.wait(30)  # so many are at work together
        with self._lock:
            self._now -= 1
        return True


def test_attempts_at_once_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = CountingHasher()
    monkeypatch.setattr(passwords, "_hasher", hasher)
    attempts = 5 * passwords.AT_ONCE
    with ThreadPoolExecutor(attempts) as pool:
        assert all(pool.map(lambda _: passwords.is_right("a password", "a hash"), range(attempts)))
    assert hasher.most == passwords.AT_ONCE
