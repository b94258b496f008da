from pathlib import Path

import pytest

from deployments.review_app.page_cache import PageCache


def not_drawn() -> bytes:
    raise AssertionError("it is in the cache")


def test_a_picture_is_drawn_once_and_survives_a_restart(tmp_path: Path) -> None:
    assert PageCache(tmp_path, 1_000).get("a", lambda: b"picture") == b"picture"
    assert PageCache(tmp_path, 1_000).get("a", not_drawn) == b"picture"


def test_the_folder_stays_within_its_bound(tmp_path: Path) -> None:
    cache = PageCache(tmp_path, 1_000)
    for number in range(50):
        cache.get(str(number), lambda: b"x" * 100)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1_000
    assert cache.get("49", not_drawn) == b"x" * 100


def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    cache = PageCache(tmp_path, 1_000)
    with pytest.raises(AssertionError):
        cache.get("a", not_drawn)
    assert not cache._drawing
    assert cache.get("a", lambda: b"picture") == b"picture"
