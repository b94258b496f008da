"""Fixtures of all tests, by subject."""

pytest_plugins = [
    "tests.database_fixtures",
    "tests.model_provider_fixtures",
    "tests.model_runs",
    "tests.prefect_fixtures",
    "tests.winnow_command",
]
