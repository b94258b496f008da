"""The main sentence, from the command to the tables and the Prefect UI, with nothing replaced."""

import os
import shutil
import signal
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from tests.winnow_command import Workplace, wait_until

SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"
TYPES = Path(__file__).parent.parent.parent / "data" / "document_types"

pytestmark = pytest.mark.prefect


def receipts(folder: Path, number: int) -> Path:
    """`number` different receipts as text."""
    folder.mkdir(parents=True)
    for index in range(number):
        (folder / f"{index:03}.txt").write_text(
            f"CORNER SHOP {index} SDN BHD\n12 MAIN STREET\nTAX INVOICE\nDATE: {1 + index % 28:02}/03/2018 10:15\n"
            f"BREAD 1 x 2.50\nTOTAL RM {index + 2}.50\nCASH 100.00\nTHANK YOU\n"
        )
    return folder


def outputs(workplace: Workplace) -> list[tuple[str, str, str]]:
    with sqlite3.connect(workplace.folder / ".winnow" / "winnow.db") as database:
        return database.execute("select document_id, stage, updated_at from stage_outputs order by 1, 2").fetchall()


def readings(workplace: Workplace, summary: dict[str, object]) -> int:
    """How many documents the built-in reader read in a run, with nothing in the ledger for them."""
    assert workplace.rows("models", "calls", "--run", str(summary["run_id"])) == []
    query = "select count(*) from stage_outputs where stage = 'score' and run_id = ?"
    with sqlite3.connect(workplace.folder / ".winnow" / "winnow.db") as database:
        return int(database.execute(query, (summary["run_id"],)).fetchone()[0])


def test_a_folder_with_a_bad_file(workplace: Workplace) -> None:
    folder = receipts(workplace.folder / "shop receipts", 4)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnot a document\n")
    summary = workplace.run("shop receipts")
    assert summary["documents"] == 5
    assert summary["failed"] == 1
    ended = ("accepted", "in_review", "rejected", "failed", "skipped")
    assert sum(int(str(summary[key])) for key in ended) == 5
    assert (summary["model_calls"], readings(workplace, summary)) == (0, 4)

    results = workplace.rows("results")
    assert {row["document_type"] for row in results} == {"receipt"}
    totals = {Path(str(row["uri"])).name: row["fields"]["total"] for row in results}  # type: ignore[index]
    assert totals == {f"00{index}.txt": f"{index + 2}.50" for index in range(4)}
    [failure] = workplace.rows("failures", "--run", str(summary["run_id"]))
    assert (failure["kind"], failure["stage"], failure["retry"]) == ("corrupt", "extract", "never")

    flow_run = workplace.ask(f"flow_runs/{summary['run_id']}")
    assert isinstance(flow_run, dict)
    assert flow_run["name"] == f"shop receipts {datetime.now().astimezone().date()}"
    assert flow_run["state"]["name"] == "CompletedWithErrors"
    assert flow_run["state"]["message"].startswith("5 documents: ")
    of_run = {"flow_runs": {"id": {"any_": [summary["run_id"]]}}}

    def task_names() -> set[str]:
        found = workplace.ask("task_runs/filter", **of_run)
        assert isinstance(found, list)
        return {task["name"].rpartition(" · ")[2] for task in found if task["state"]["type"] == "COMPLETED"}

    wait_until(lambda: len(task_names()) >= 7, timeout_s=30)
    assert {"discover", "extract 1/1", "classify 1/1", "score 1/1", "validate 1/1", "store 1/1"} <= task_names()
    artifacts = workplace.ask("artifacts/filter", **of_run)
    assert isinstance(artifacts, list)
    [artifact] = artifacts
    assert "| receipt |" in artifact["data"]
    assert "| corrupt | 1 |" in artifact["data"]
    assert "winnow review list" in artifact["data"]


def test_a_second_run_has_nothing_to_do(workplace: Workplace) -> None:
    receipts(workplace.folder / "in", 3)
    first = workplace.run("in")
    before = outputs(workplace)
    second = workplace.run("in")
    assert (first["skipped"], second["skipped"], readings(workplace, second)) == (0, 3, 0)
    assert outputs(workplace) == before
    again = workplace.run("in", "--rerun", "all")
    assert (again["skipped"], readings(workplace, again)) == (0, 3)


def test_a_run_in_which_everything_fails_is_failed(workplace: Workplace) -> None:
    (workplace.folder / "bad").mkdir()
    (workplace.folder / "bad" / "a.pdf").write_bytes(b"%PDF-1.7\n")
    (workplace.folder / "bad" / "b.pdf").write_bytes(b"%PDF-1.4\n%%EOF")
    summary = workplace.run("bad", expect=1)
    assert (summary["documents"], summary["failed"]) == (2, 2)
    flow_run = workplace.ask(f"flow_runs/{summary['run_id']}")
    assert isinstance(flow_run, dict)
    assert flow_run["state"]["type"] == "FAILED"


def test_an_empty_folder_is_wrong_usage(workplace: Workplace) -> None:
    (workplace.folder / "empty").mkdir()
    done = workplace.winnow("run", "empty", expect=2)
    assert "no file in" in done.stderr


def test_a_killed_run_ends_as_an_undisturbed_one(workplace: Workplace, tmp_path: Path) -> None:
    receipts(workplace.folder / "in", 60)
    undisturbed = tmp_path / "undisturbed.db"
    workplace.run("in", "--database", f"sqlite:///{undisturbed}")
    expected = workplace.rows("results", "--database", f"sqlite:///{undisturbed}")

    database = workplace.folder / ".winnow" / "winnow.db"

    def scored() -> int:
        try:
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
                query = "select count(*) from stage_outputs where stage = 'score' and state = 'done'"
                return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    with workplace.started("run", "in", "--chunk-size", "5") as process:
        wait_until(lambda: scored() >= 5 or process.poll() is not None)
        os.killpg(process.pid, signal.SIGKILL)
    workplace.run("in", "--chunk-size", "5")
    assert len(expected) == 60
    assert without_run(workplace.rows("results")) == without_run(expected)


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(workplace: Workplace) -> None:
    receipts(workplace.folder / "in", 200)
    with workplace.started("run", "in", "--chunk-size", "5") as process:
        wait_until(lambda: (workplace.folder / ".winnow" / "winnow.db").exists() and outputs_started(workplace))
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "goes on where it stopped" in said
    assert "Traceback" not in said
    with sqlite3.connect(workplace.folder / ".winnow" / "winnow.db") as database:
        [(state, message, ended_at)] = database.execute("select state, message, finished_at from runs").fetchall()
        begun = database.execute("select sum(attempts) from stage_outputs where state = 'started'").fetchone()
    assert (state, message) == ("Cancelled", "stopped before the end")
    assert ended_at is not None
    assert begun in {(0,), (None,)}, "attempts that were stopped are given back"
    summary = workplace.run("in")
    assert summary["documents"] == 200
    assert summary["failed"] == 0
    assert len(workplace.rows("results")) == 200


def outputs_started(workplace: Workplace) -> bool:
    try:
        return bool(outputs(workplace))
    except sqlite3.OperationalError:
        return False


def without_run(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(rows, key=lambda row: str(row["document_id"]))


def test_a_changed_field_recomputes_score_and_nothing_before_it(workplace: Workplace) -> None:
    types = workplace.folder / "types"
    shutil.copytree(TYPES, types)
    workplace.environment["WINNOW_DOCUMENT_TYPES_DIR"] = str(types)
    receipts(workplace.folder / "in", 3)
    workplace.run("in")
    before = {(id_, stage): at for id_, stage, at in outputs(workplace)}
    definition = types / "receipt" / "type.yaml"
    definition.write_text(
        definition.read_text().replace("fields:\n", "fields:\n  till: {type: text, aliases: [till]}\n", 1)
    )
    summary = workplace.run("in")
    assert readings(workplace, summary) == 3
    after: dict[tuple[str, str], set[str]] = {}
    for id_, stage, at in outputs(workplace):
        after.setdefault((id_, stage), set()).add(at)
    for (id_, stage), at in before.items():
        recomputed = after[id_, stage] - {at}
        assert bool(recomputed) == (stage in {"score", "validate"}), stage


def test_known_documents_are_taken_from_the_database(workplace: Workplace) -> None:
    receipts(workplace.folder / "in", 3)
    (workplace.folder / "in" / "note.txt").write_text("Dear diary, the weather was fine and nobody came by.\n")
    workplace.run("in")
    summary = workplace.run("--from-database", "--type", "receipt", "--rerun", "all")
    assert (summary["documents"], readings(workplace, summary)) == (3, 3)
    flow_run = workplace.ask(f"flow_runs/{summary['run_id']}")
    assert isinstance(flow_run, dict)
    assert flow_run["name"].startswith("backfill receipt ")


def test_a_declared_type_is_taken_at_its_word(workplace: Workplace) -> None:
    (workplace.folder / "note.txt").write_text("Dear diary, the weather was fine and nobody came by.\n")
    workplace.run("note.txt", "--type", "receipt")
    [row] = workplace.rows("results")
    assert row["document_type"] == "receipt"
    assert row["status"] == "in_review"


def test_rows_of_a_table_and_attachments_of_a_mail_are_documents(workplace: Workplace) -> None:
    table = workplace.folder / "tickets.csv"
    table.write_text("id,message\n1,My card was stolen please block it\n2,Where is my refund?\n")
    assert workplace.run("tickets.csv", "--rows", "message")["documents"] == 2
    assert workplace.run("tickets.csv")["documents"] == 1
    mail = next(SAMPLES.rglob("*.eml"))
    assert int(str(workplace.run(str(mail))["documents"])) >= 2
