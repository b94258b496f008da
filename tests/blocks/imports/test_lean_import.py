"""Great Expectations without what Winnow does not use, which is still there for who asks for it."""

import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys
from blocks.document_types.expectations import warm_up
from blocks.document_types.schema import DocumentField, DocumentType, Expectation, FieldType

warm_up().join()
assert not [finder for finder in sys.meta_path if type(finder).__module__.endswith("lean_import")]
assert not {"scipy.stats.distributions", "altair.vegalite", "scipy.optimize"} & set(sys.modules)
import inspect
inspect.getmodule(inspect.currentframe().f_code)
assert "scipy.stats.distributions" not in sys.modules
from great_expectations.datasource.fluent.pandas_datasource import _PANDAS_ASSET_MODELS
assert _PANDAS_ASSET_MODELS == {}

from tasks.validate.type_expectations import check_results
likeness = Expectation(
    name="likeness",
    type="ExpectColumnKLDivergenceToBeLessThan",
    kwargs={"column": "kind", "partition_object": {"values": ["a", "b"], "weights": [0.5, 0.5]}, "threshold": 0.1},
)
bill = DocumentType(
    name="bill", title="Bill", fields={"kind": DocumentField(type=FieldType.TEXT)}, expectations=(likeness,)
)
(finding,) = check_results(f"sqlite:///{sys.argv[1]}", "results_bill", bill)
assert (finding.success, finding.observed) == (True, "observed 0.0"), finding
assert "scipy.stats.distributions" in sys.modules
"""


def test_scipy_is_loaded_by_the_expectation_that_needs_it_and_by_no_other(tmp_path: Path) -> None:
    database = tmp_path / "results.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE results_bill AS SELECT 'a' AS kind UNION SELECT 'b'")
    connection.close()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(database)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


LATE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

from blocks.imports.lean_import import lean_imports

with lean_imports():
    import scipy.stats
    import altair
assert not {"scipy.stats.distributions", "altair.vegalite"} & set(sys.modules)
with ThreadPoolExecutor(4) as pool:
    looks = [pool.submit(getattr, scipy.stats, name) for name in ("norm", "rankdata", "entropy", "beta")]
    assert all(callable(look.result()) for look in looks)
submodule = import_module("altair.vegalite")
assert altair.Chart and submodule is altair.vegalite
try:
    scipy.stats.nothing_of_that_name
except AttributeError as error:
    assert "nothing_of_that_name" in str(error)
else:
    raise AssertionError
"""


def test_threads_that_look_into_a_late_module_at_once_find_it_complete() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
