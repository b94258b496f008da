"""Fixtures of all tests, by subject; markers of those that start a server; which come first."""

import functools
import os
import sys
from collections.abc import Iterator

import pytest

pytest_plugins = [
    "tests.database_fixtures",
    "tests.model_provider_fixtures",
    "tests.prefect_fixtures",
    "tests.winnow_command",
    "tests.model_runs",
    "tests.otlp_fixtures",
    "tests.review_page",
]

PREFECT_TIMEOUT_S = 900
"""For a test that needs the Prefect server: each of its waits has minutes, for machines that are slow or busy."""

MARKERS = {
    "postgres_url": "postgres",
    "prefect_home": "prefect",
    "tesserocr_engine": "tesseract",
    "chromium": "browser",
}
"""By fixture the marker of every test that uses it, directly or through another fixture."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures before pytest selects by markers, and put those that need the Prefect server first.

    They take longest, so that no process is left with them at the end.
    """
    for item in items:
        for fixture in MARKERS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKERS[fixture])
        if _needs_prefect(item) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PREFECT_TIMEOUT_S))
    items.sort(key=_needs_prefect, reverse=True)


def _needs_prefect(item: pytest.Item) -> bool:
    return item.get_closest_marker("prefect") is not None


@pytest.fixture(scope="session", autouse=True)
def _mutants_compute_anew() -> None:
    """Empty the caches of Winnow's functions where mutmut tests a mutant.

    The mutant's process is a copy of one that ran the tests before: results kept there are not the mutant's.
    """
    if "MUTANT_UNDER_TEST" not in os.environ:
        return
    for name, module in tuple(sys.modules.items()):
        if name.startswith(("blocks.", "tasks.")):
            for value in vars(module).values():
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _classifiers_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Classifiers are trained once per session, for all its processes, and not kept among the user's."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_proxies() -> Iterator[None]:
    """Servers of tests are on this machine, which a proxy of the environment does not reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        yield
