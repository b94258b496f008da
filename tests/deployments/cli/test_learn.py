"""`winnow learn`: what it prints before anything was learnt, of what was, and of what was taken back."""

import json
from pathlib import Path

import pytest

from blocks.database.engine import Database
from blocks.database.learning import learned
from blocks.database.learning.learned import NewLearned, Part
from tasks.learn.calibration import CalibrationGate, FieldLoss
from tasks.learn.gate import FieldGate, Gate
from tests.winnow_command import Done, winnow

GATE = Gate(
    documents=40,
    fields={
        "total": FieldGate(documents=40, right_before=30, right_after=36, better=7, worse=1, p_worse=0.9961),
        "date": FieldGate(documents=40, right_before=40, right_after=40, better=0, worse=0, p_worse=1.0),
    },
)


def command(database: Database, folder: Path, *arguments: str) -> Done:
    return winnow("learn", *arguments, cwd=folder, WINNOW_DATABASE_URL=database.url.get_secret_value())


def learn_receipts(database: Database, labels: int) -> int:
    new = NewLearned(
        document_type="receipt",
        part=Part.MEMORY,
        digest=str(labels),
        labels=labels,
        gate=GATE.model_dump(mode="json"),
        is_used=True,
    )
    with database.write() as connection:
        return learned.add(connection, new)


def test_before_anything_was_learnt_it_says_how_to_begin(sqlite_database: Database, tmp_path: Path) -> None:
    status = command(sqlite_database, tmp_path, "status")
    assert (status.returncode, status.stdout) == (0, "")
    assert "nothing was learnt yet" in status.stderr
    run = command(sqlite_database, tmp_path, "run", "--type", "receipt")
    assert "receipt: nothing was learnt: its type.yaml does not ask for it" in run.stdout


def test_status_shows_what_changed_and_whether_runs_use_it(sqlite_database: Database, tmp_path: Path) -> None:
    number = learn_receipts(sqlite_database, 120)
    shown = command(sqlite_database, tmp_path, "status").stdout
    assert "total 30 to 36" in shown
    assert "date" not in shown.split("total 30 to 36")[1]
    (row,) = json.loads(command(sqlite_database, tmp_path, "status", "--json").stdout)
    assert (row["learned_id"], row["state"], row["labels"]) == (number, "used", 120)
    assert row["gate"]["fields"]["total"]["worse"] == 1


def test_status_shows_how_each_field_is_calibrated(sqlite_database: Database, tmp_path: Path) -> None:
    loss = FieldLoss(labels=90, right=70, methods=("isotonic",) * 5, loss_before=0.52, loss_after=0.41, is_used=True)
    kept = loss.model_copy(update={"loss_after": 0.6, "is_used": False})
    gate = CalibrationGate(documents=95, fields={"total": loss, "date": kept})
    new = NewLearned(
        document_type="receipt",
        part=Part.CALIBRATION,
        digest="1",
        labels=180,
        gate=gate.model_dump(mode="json"),
        is_used=True,
    )
    with sqlite_database.write() as connection:
        number = learned.add(connection, new)
    shown = command(sqlite_database, tmp_path, "status").stdout
    assert "calibration" in shown
    assert "total isotonic by 90, 0.520 to 0.410" in shown
    assert "date" not in shown.split("total isotonic")[1]
    refused = gate.model_copy(update={"fields": {"date": kept}}).model_dump(mode="json")
    with sqlite_database.write() as connection:
        learned.add(connection, new.model_copy(update={"gate": refused, "is_used": False}))
    assert "none is better than what is in use" in command(sqlite_database, tmp_path, "status").stdout
    done = command(sqlite_database, tmp_path, "rollback", str(number), "--by", "ann")
    assert done.stdout.endswith("for receipt, confidences stay as they come\n")


def test_rollback_goes_back_to_what_was_learnt_before(sqlite_database: Database, tmp_path: Path) -> None:
    first, second = learn_receipts(sqlite_database, 60), learn_receipts(sqlite_database, 120)
    done = command(sqlite_database, tmp_path, "rollback", str(second), "--by", "ann")
    assert done.stdout == f"{second} is used no longer; for receipt, runs use {first}\n"
    assert "rolled_back by ann" in command(sqlite_database, tmp_path, "status").stdout
    done = command(sqlite_database, tmp_path, "rollback", str(first), "--by", "ann")
    assert done.stdout.endswith("runs read by the document type alone\n")


@pytest.mark.parametrize(("number", "why"), [("1", "is rolled_back already"), ("7", "nothing was learnt under 7")])
def test_what_cannot_be_rolled_back_is_said_and_changes_nothing(
    sqlite_database: Database, tmp_path: Path, number: str, why: str
) -> None:
    command(sqlite_database, tmp_path, "rollback", str(learn_receipts(sqlite_database, 60)), "--by", "ann")
    done = command(sqlite_database, tmp_path, "rollback", number, "--by", "ann")
    assert done.returncode == 2
    assert why in done.stderr
