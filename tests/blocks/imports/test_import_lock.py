"""Heavy libraries that share circular imports are imported by one thread at a time."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor

from blocks.document_types import expectations
from blocks.document_types.schema import Expectation
from blocks.text_classifier import training
from blocks.text_classifier.classifier import Lesson

assert not {"great_expectations", "sklearn", "scipy", "pandas"} & set(sys.modules)
inside, most = set(), []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("great_expectations", "sklearn", "narwhals"):
            inside.add(threading.get_ident())
            assert expectations.IMPORT_LOCK is training.IMPORT_LOCK
            assert training.IMPORT_LOCK._is_owned(), f"{name} is imported without the lock"

sys.meta_path.insert(0, Watch())
start = threading.Barrier(2)

def resolve():
    start.wait()
    expectation = Expectation(name="total", type="ExpectColumnValuesToNotBeNull", kwargs={"column": "total"})
    return expectations.is_row_level(expectation)

def fit():
    start.wait()
    return training.fit([Lesson("rain", "a"), Lesson("bread", "b")], {}, top=False).labels

with ThreadPoolExecutor(2) as pool:
    row_level, labels = pool.submit(resolve), pool.submit(fit)
    print(row_level.result(), labels.result(), len(inside))
"""


def test_two_threads_import_great_expectations_and_scikit_learn_one_after_the_other() -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stderr, done.stdout) == ("", "True ('a', 'b') 2\n")
