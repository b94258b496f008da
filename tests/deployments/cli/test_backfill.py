"""`winnow backfill plan` as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.backfill.errors import PlanInvalid
from blocks.database.engine import Database
from deployments.cli.backfill import read_plan
from tests.database_fixtures import add_documents

PLAN = """
import sys
from deployments.cli.main import main
sys.argv = ["winnow", "backfill", "plan", "--json"]
try:
    main()
finally:
    print("prefect" in sys.modules, file=sys.stderr)
"""


def test_a_plan_is_made_without_prefect_whose_import_takes_as_long_as_a_small_plan(sqlite_database: Database) -> None:
    add_documents(sqlite_database, "a", "b")
    environment = {"WINNOW_DATABASE_URL": sqlite_database.url.get_secret_value()}
    command = [sys.executable, "-c", PLAN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["documents"] == 2
    assert done.stderr.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "Invalid JSON: EOF while parsing a value at line 1 column 0"),
        ("[]", "Input should be an object"),
        ("{}", "made_at: Field required"),
    ],
)
def test_what_is_no_plan_says_why_in_a_sentence(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    with pytest.raises(PlanInvalid) as refused:
        read_plan(file)
    assert str(refused.value) == f"{file} is no plan: {why}; make one with winnow backfill plan --save FILE"
