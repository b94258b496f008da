"""Crash windows of a run: it is killed before its commits, one after the other, and the same run again ends well."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from digest_rows import read

from tests.doubles.model_provider.handle import ModelProviderDouble
from tests.model_runs import KEY, KEY_VARIABLE, PRICES, TRUTHFUL, Notes, asked_notes
from tests.winnow_command import Workplace

ROOT = Path(__file__).parents[3]
DOCUMENTS, KILLED = 2, -9
EACH = int(os.environ.get("WINNOW_TEST_EACH_COMMIT", "5"))
"""The run is killed before each fifth of its commits; 1 takes minutes, and kills before all of them."""

pytestmark = pytest.mark.timeout(900)


def test_a_run_that_is_killed_at_any_commit_loses_nothing_and_pays_for_nothing_unwritten(
    tmp_path: Path, model_provider: ModelProviderDouble
) -> None:
    notes = Notes(cast("Workplace", SimpleNamespace(folder=tmp_path, environment={})), model_provider)
    notes.type()
    notes.add("slow")
    source = notes.write(DOCUMENTS)
    folder = tmp_path / "killed"
    folder.mkdir()
    shutil.copy(notes.path, folder / "new.db")
    model_provider.script(hook=TRUTHFUL, prices=PRICES, keep_bodies=True)
    arguments = [str(tmp_path / source), "note", "slow", str(folder), str(EACH)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.doubles.crash_windows", *arguments],
        cwd=ROOT,
        env=os.environ | {"WINNOW_DOCUMENT_TYPES_DIR": str(notes.types), KEY_VARIABLE: KEY, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    points = [json.loads(line) for line in done.stdout.splitlines()]
    *killed, undisturbed = [tuple(point["ended"]) for point in points]
    assert (set(killed), undisturbed) == ({(KILLED, 0)}, (0, 0)), done.stderr
    assert len(killed) > 20 // EACH, "the run commits at each stage, and for each call"

    expected = read(f"sqlite:///{folder / points[-1]['database']}", tmp_path, 0).rows
    assert len(expected["results"]) == DOCUMENTS
    for point in points:
        path = folder / point["database"]
        assert read(f"sqlite:///{path}", tmp_path, 0).rows == expected, point
    paid = sum(asked_notes(model_provider.log()).values())
    written = [ledger(folder / point["database"]) for point in points]
    assert paid <= sum(calls for calls, _ in written), "no request was paid for that no ledger has"
    assert all(twice <= DOCUMENTS for _, twice in written)


def ledger(path: Path) -> tuple[int, int]:
    """How many calls the ledger of a database has, and how many of them beyond one for each document."""
    query = "select count(*), count(*) - count(distinct document_id) from model_calls where outcome <> 'cache_hit'"
    with sqlite3.connect(path) as connection:
        row: tuple[Any, ...] = connection.execute(query).fetchone()
    return int(row[0]), int(row[1])
