"""Great Expectations as a guest: imported only where it is needed, silent, and leaving nothing behind."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys

import tasks.validate.stage, tasks.validate.type_expectations
from blocks.document_types.schema import DocumentField, DocumentType, Expectation, FieldType
from blocks.document_types.expectations import warm_up

heavy = {"great_expectations", "pandas", "sqlalchemy", "prefect"} & set(sys.modules)
assert not heavy, heavy
warm_up().join()
assert "great_expectations" in sys.modules

expectations = (
    Expectation(name="row", type="ExpectColumnValuesToNotBeNull", kwargs={"column": "total"}),
    Expectation(name="whole", type="ExpectTableRowCountToBeBetween", kwargs={"min_value": 1}),
)
fields = {"total": DocumentField(type=FieldType.MONEY)}
bill = DocumentType(name="bill", title="Bill", fields=fields, expectations=expectations)
from tasks.validate.rows import Row, RowExpectations
assert RowExpectations(bill).broken_by([Row("a", {})]) == [("row",)]
(finding,) = tasks.validate.type_expectations.check_results(f"sqlite:///{sys.argv[1]}", "results_bill", bill)
assert (finding.success, finding.observed) == (True, "observed 1"), finding
"""


def test_a_process_sees_and_hears_nothing_of_the_library(tmp_path: Path) -> None:
    home, folder, database = tmp_path / "home", tmp_path / "folder", tmp_path / "results.db"
    home.mkdir()
    folder.mkdir()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE results_bill AS SELECT 1.5 AS total")
    connection.close()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(database)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [*home.rglob("*"), *folder.rglob("*")] == []
