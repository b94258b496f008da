"""The command's side of a run: the parameters that Prefect's pages show, and what wrong usage costs."""

import subprocess
import sys
import threading
from decimal import Decimal

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from blocks.database.engine import close_database, open_database
from blocks.records import Rerun
from blocks.settings import Settings
from deployments.cli.run import _lean_parameters, parameters_as_json, pin_database
from tests.doubles.crashing_postgres import CrashingPostgres
from tests.winnow_command import wait_until


@pytest.mark.parametrize("budget_usd", [None, Decimal("2.50"), Decimal(0), Decimal("1e-7")])
def test_parameters_are_kept_as_prefect_itself_would_write_them(budget_usd: Decimal | None) -> None:
    from flows.process_documents import process_documents

    parameters: dict[str, object] = {
        "sources": ("file:///a/b.txt", "s3://bucket/ü"),
        "document_type": None,
        "rerun": Rerun.FAILED,
        "limit": 3,
        "models": ("a", "b"),
        "budget_usd": budget_usd,
        "use_cache": True,
    }
    kept = parameters_as_json(parameters)
    assert kept == type(process_documents).serialize_parameters(process_documents, parameters)
    assert kept["models"] == ["a", "b"]
    assert kept["rerun"] == "failed"


def test_the_flow_gets_prefect_s_method_back() -> None:
    from flows.process_documents import process_documents

    with _lean_parameters(process_documents):
        assert process_documents.serialize_parameters is parameters_as_json
    assert "serialize_parameters" not in vars(process_documents)


def test_a_run_that_starts_while_the_database_restarts_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with CrashingPostgres() as server:
        url = server.new_database()
        monkeypatch.setenv("WINNOW_DATABASE_URL", url)
        restart = threading.Thread(target=server.crash_and_start, args=(3.0,))
        restart.start()
        try:
            wait_until(lambda: not is_up(url), timeout_s=60)
            pin_database(Settings())
        finally:
            restart.join()
        close_database(open_database(url))


def is_up(url: str) -> bool:
    try:
        create_engine(url).connect().close()
    except OperationalError:
        return False
    return True


WRONG_USAGE = """
import sys
from deployments.cli.main import main
try:
    main()
except SystemExit as end:
    print(end.code, *sorted({"prefect", "sqlalchemy", "fsspec", "pydantic_settings", "litellm"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "arguments",
    [["nowhere/"], ["nowhere/*.pdf"], [".", "--budget", "abc"], [".", "--model", ","], [".", "--reopen"]],
)
def test_wrong_usage_ends_before_the_slow_imports(arguments: list[str]) -> None:
    command = [sys.executable, "-c", WRONG_USAGE, "run", *arguments]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "2\n"
