"""Fixtures of all tests, by subject, and the markers of those that start a server."""

import pytest

pytest_plugins = [
    "tests.database_fixtures",
    "tests.model_provider_fixtures",
    "tests.model_runs",
    "tests.prefect_fixtures",
    "tests.winnow_command",
]

MARKERS = {"postgres_url": "postgres", "prefect_home": "prefect", "tesserocr_engine": "tesseract"}
"""By fixture the marker of every test that uses it, directly or through another fixture."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures, before pytest selects by markers."""
    for item in items:
        for fixture in MARKERS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKERS[fixture])
