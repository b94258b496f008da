"""The main sentence, from the command to the tables and the Prefect UI, with nothing replaced."""

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from blocks.records import CHUNK_STAGES
from deployments.prefect_api.local_server import LocalServer
from tests.prefect_fixtures import in_prefect
from tests.winnow_command import Workplace, wait_until

SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"
TYPES = Path(__file__).parent.parent.parent / "data" / "document_types"
DATABASE = Path(".winnow", "winnow.db")
RECEIPTS = 40
NOTE = "Dear diary, the weather was fine and nobody came by.\n"

pytestmark = pytest.mark.prefect

RECLASSIFIED = """
import os
os.environ["WINNOW_DATABASE_URL"] = {url!r}
from flows.backfill import backfill
print(backfill(selection={{"reclassified": True}}, return_state=True).message)
"""


def receipts(folder: Path, number: int) -> Path:
    """`number` different receipts as text."""
    folder.mkdir(parents=True)
    for index in range(number):
        (folder / f"{index:03}.txt").write_text(
            f"CORNER SHOP {index} SDN BHD\n12 MAIN STREET\nTAX INVOICE\nDATE: {1 + index % 28:02}/03/2018 10:15\n"
            f"BREAD 1 x 2.50\nTOTAL RM {index + 2}.50\nCASH 100.00\nTHANK YOU\n"
        )
    return folder


@dataclass(frozen=True)
class FirstRun:
    """A run over receipts, a broken file and a note, from whose database many tests go on."""

    workplace: Workplace
    summary: dict[str, object]

    @property
    def sources(self) -> str:
        return str(self.workplace.folder / "shop receipts")


@pytest.fixture(scope="module")
def first_run(local_server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    workplace = Workplace(tmp_path_factory.mktemp("first_run"), local_server)
    folder = receipts(workplace.folder / "shop receipts", RECEIPTS)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnot a document\n")
    (folder / "note.txt").write_text(NOTE)
    return FirstRun(workplace, workplace.run("shop receipts"))


@pytest.fixture
def later(first_run: FirstRun, workplace: Workplace) -> Workplace:
    """A workplace with a copy of the first run's database."""
    (workplace.folder / DATABASE).parent.mkdir()
    with (
        closing(sqlite3.connect(first_run.workplace.folder / DATABASE)) as of_first_run,
        closing(sqlite3.connect(workplace.folder / DATABASE)) as copy,
    ):
        of_first_run.backup(copy)
    return workplace


def outputs(workplace: Workplace) -> list[tuple[str, str, str]]:
    with sqlite3.connect(workplace.folder / DATABASE) as database:
        return database.execute("select document_id, stage, updated_at from stage_outputs order by 1, 2").fetchall()


def readings(workplace: Workplace, summary: dict[str, object]) -> int:
    """How many documents the built-in reader read in a run, with nothing in the ledger for them."""
    assert workplace.rows("models", "calls", "--run", str(summary["run_id"])) == []
    query = "select count(*) from stage_outputs where stage = 'score' and run_id = ?"
    with sqlite3.connect(workplace.folder / DATABASE) as database:
        return int(database.execute(query, (summary["run_id"],)).fetchone()[0])


def flow_run(workplace: Workplace, summary: dict[str, object]) -> dict[str, object]:
    found = workplace.ask(f"flow_runs/{summary['run_id']}")
    assert isinstance(found, dict)
    return found


def test_a_folder_with_a_bad_file(first_run: FirstRun) -> None:
    workplace, summary = first_run.workplace, first_run.summary
    assert summary["documents"] == RECEIPTS + 2
    assert summary["failed"] == 1
    ended = ("accepted", "in_review", "rejected", "failed", "skipped")
    assert sum(int(str(summary[key])) for key in ended) == RECEIPTS + 2
    assert (summary["model_calls"], readings(workplace, summary)) == (0, RECEIPTS + 1)

    rows = {Path(str(row["uri"])).name: row for row in workplace.rows("results")}
    assert {name: row["document_type"] for name, row in rows.items() if name != "note.txt"} == {
        f"{index:03}.txt": "receipt" for index in range(RECEIPTS)
    }
    totals = {name: row["fields"]["total"] for name, row in rows.items() if name != "note.txt"}  # type: ignore[index]
    assert totals == {f"{index:03}.txt": f"{index + 2}.50" for index in range(RECEIPTS)}
    [failure] = workplace.rows("failures", "--run", str(summary["run_id"]))
    assert (failure["kind"], failure["stage"], failure["retry"]) == ("corrupt", "extract", "never")


def test_a_run_is_shown_in_the_prefect_ui(first_run: FirstRun) -> None:
    workplace = first_run.workplace
    shown = flow_run(workplace, first_run.summary)
    assert re.fullmatch(r"shop receipts \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", str(shown["name"]))
    assert {"source:shop receipts", "type:receipt"} <= set(shown["tags"])  # type: ignore[call-overload]
    assert shown["state"]["name"] == "CompletedWithErrors"  # type: ignore[index]
    assert shown["state"]["message"].startswith(f"{RECEIPTS + 2} documents: ")  # type: ignore[index]
    of_run = {"flow_runs": {"id": {"any_": [first_run.summary["run_id"]]}}}

    def tasks() -> dict[str, tuple[str, str]]:
        found = workplace.ask("task_runs/filter", **of_run)
        assert isinstance(found, list)
        done = [task for task in found if task["state"]["type"] == "COMPLETED"]
        return {task["name"]: (task["state"]["name"], task["state"]["message"]) for task in done}

    wait_until(lambda: len(tasks()) >= 7, timeout_s=300)
    assert tasks().keys() == {"discover", *(f"{stage} 1/1" for stage in CHUNK_STAGES), "report"}
    assert tasks()["extract 1/1"] == ("CompletedWithErrors", f"{RECEIPTS + 1} done, 1 failed")
    artifacts = workplace.ask("artifacts/filter", **of_run)
    assert isinstance(artifacts, list)
    data = {artifact["key"]: artifact["data"] for artifact in artifacts}
    for part in ("| receipt |", "| corrupt | 1 |", "winnow review list"):
        assert part in data["winnow-run"]
    [failure] = json.loads(data["winnow-failures"])
    assert failure["document"].endswith("/shop receipts/broken.pdf")
    assert (failure["stage"], failure["failure"]) == ("extract", "corrupt")
    assert failure["what to do"] == "ask the sender for a fresh copy"


def test_a_second_run_has_nothing_to_do(first_run: FirstRun, later: Workplace) -> None:
    before = outputs(later)
    second = later.run(first_run.sources)
    assert (first_run.summary["skipped"], second["skipped"], readings(later, second)) == (0, RECEIPTS + 1, 0)
    assert outputs(later) == before
    again = later.run(first_run.sources, "--rerun", "all")
    assert (again["skipped"], readings(later, again)) == (0, RECEIPTS + 1)


def test_a_run_in_which_everything_fails_is_failed(workplace: Workplace) -> None:
    (workplace.folder / "bad").mkdir()
    (workplace.folder / "bad" / "a.pdf").write_bytes(b"%PDF-1.7\n")
    (workplace.folder / "bad" / "b.pdf").write_bytes(b"%PDF-1.4\n%%EOF")
    summary = workplace.run("bad", expect=1)
    assert (summary["documents"], summary["failed"]) == (2, 2)
    assert flow_run(workplace, summary)["state"]["type"] == "FAILED"  # type: ignore[index]


def test_an_empty_folder_is_wrong_usage(workplace: Workplace) -> None:
    (workplace.folder / "empty").mkdir()
    done = workplace.command("run", "empty", expect=2)
    assert "no file in" in done.stderr


def test_a_killed_run_ends_as_an_undisturbed_one(first_run: FirstRun, workplace: Workplace) -> None:
    database = workplace.folder / DATABASE

    def scored() -> int:
        try:
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
                query = "select count(*) from stage_outputs where stage = 'score' and state = 'done'"
                return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    with workplace.started("run", first_run.sources, "--chunk-size", "5") as process:
        wait_until(lambda: scored() >= 5 or process.poll() is not None)
        os.killpg(process.pid, signal.SIGKILL)
    assert 5 <= scored() < RECEIPTS
    workplace.run(first_run.sources, "--chunk-size", "5")
    expected = without_run(first_run.workplace.rows("results"))
    assert len(expected) == RECEIPTS + 1
    assert without_run(workplace.rows("results")) == expected


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(first_run: FirstRun, workplace: Workplace) -> None:
    with workplace.started("run", first_run.sources, "--chunk-size", "2") as process:
        wait_until(lambda: (workplace.folder / DATABASE).exists() and outputs_started(workplace))
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "continues where it stopped" in said
    assert "Traceback" not in said
    with sqlite3.connect(workplace.folder / DATABASE) as database:
        [(state, message, ended_at)] = database.execute("select state, message, finished_at from runs").fetchall()
        begun = database.execute("select sum(attempts) from stage_outputs where state = 'started'").fetchone()
    assert (state, message) == ("Cancelled", "stopped before the end")
    assert ended_at is not None
    assert begun in {(0,), (None,)}, "attempts that were stopped are given back"
    summary = workplace.run(first_run.sources)
    assert (summary["documents"], summary["failed"]) == (RECEIPTS + 2, 1)
    assert len(workplace.rows("results")) == RECEIPTS + 1


def outputs_started(workplace: Workplace) -> bool:
    try:
        return bool(outputs(workplace))
    except sqlite3.OperationalError:
        return False


def without_run(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(rows, key=lambda row: str(row["document_id"]))


def test_a_changed_field_recomputes_score_and_nothing_before_it(first_run: FirstRun, later: Workplace) -> None:
    types = later.folder / "types"
    shutil.copytree(TYPES, types)
    later.environment["WINNOW_DOCUMENT_TYPES_DIR"] = str(types)
    before = {(id_, stage): at for id_, stage, at in outputs(later)}
    definition = types / "receipt" / "type.yaml"
    definition.write_text(
        definition.read_text().replace("fields:\n", "fields:\n  till: {type: text, aliases: [till]}\n", 1)
    )
    summary = later.run(first_run.sources)
    assert readings(later, summary) == RECEIPTS
    after: dict[tuple[str, str], set[str]] = {}
    for id_, stage, at in outputs(later):
        after.setdefault((id_, stage), set()).add(at)
    of_type = {str(row["document_id"]) for row in later.rows("results", "--type", "receipt")}
    assert len(of_type) == RECEIPTS
    for (id_, stage), at in before.items():
        recomputed = after[id_, stage] - {at}
        assert bool(recomputed) == (id_ in of_type and stage in {"score", "validate"}), stage


def test_a_plan_of_a_backfill_after_an_edit_of_a_type(later: Workplace) -> None:
    shutil.copytree(TYPES, later.folder / "types")
    later.environment["WINNOW_DOCUMENT_TYPES_DIR"] = str(later.folder / "types")
    file = later.folder / "types" / "receipt" / "type.yaml"
    text = file.read_text()
    assert "  min_ocr_confidence: 0.6\n" in text
    file.write_text(text.replace("  min_ocr_confidence: 0.6\n", "  min_ocr_confidence: 0.5\n"))
    lines = later.command("backfill", "plan", "--stale", "--save", "plan.json").stdout.splitlines()
    assert lines[0] == f"Backfill of stale: {RECEIPTS + 2} documents selected, {RECEIPTS} to compute"
    assert {"  -  min_ocr_confidence: 0.6", "  +  min_ocr_confidence: 0.5", "  read by: validate"} <= set(lines)
    table = {line.split()[0]: line.split()[1:] for line in lines if line.split()[:1] in (["score"], ["validate"])}
    assert table == {"score": ["0", "0"], "validate": [str(RECEIPTS), str(RECEIPTS)]}
    assert "0 calls, 0 USD: only validators changed" in lines
    saved = json.loads((later.folder / "plan.json").read_text())
    assert saved["documents"] == RECEIPTS
    assert saved["changes"][0]["has_texts"] is True

    sampled = json.loads(later.command("backfill", "plan", "--stale", "--sample", "3", "--json").stdout)
    assert (sampled["sample"]["documents"], sampled["sample"]["same"]) == (3, 3)
    lines = later.winnow("backfill", "run", "plan.json", "--dry-run", "--shard-size", "30").stdout.splitlines()
    assert f"{RECEIPTS} documents computed beside the current rows: {RECEIPTS} without a change" in lines
    assert later.command("backfill", "plan", "--stale").stdout.splitlines()[0].endswith(f" {RECEIPTS} to compute")
    dry_run = json.loads(later.command("backfill", "status", "--json").stdout)
    assert (dry_run["state"], dry_run["done"], dry_run["shards_done"]) == ("computed", RECEIPTS, 2)
    later.winnow("backfill", "promote", dry_run["backfill_id"][:12])
    status = json.loads(later.command("backfill", "status", "--json").stdout)
    assert (status["state"], status["done"], status["is_dry_run"]) == ("done", RECEIPTS, False)
    assert later.command("backfill", "plan", "--stale").stdout.splitlines()[0].endswith(" 0 to compute")
    assert list((later.folder / ".winnow").glob("*beside*")) == []


def test_known_documents_are_taken_from_the_database(later: Workplace) -> None:
    summary = later.run("--from-database", "--type", "receipt", "--rerun", "all")
    assert (summary["documents"], readings(later, summary)) == (RECEIPTS, RECEIPTS)
    assert str(flow_run(later, summary)["name"]).startswith("backfill receipt ")


def test_a_backfill_reads_what_people_reclassified_once_as_the_new_type(later: Workplace) -> None:
    [note] = later.rows("review", "list", "--text", "note.txt")
    later.command("review", "reclassify", str(note["review_id"]), "--type", "receipt", "--by", "ann")
    script = RECLASSIFIED.format(url=f"sqlite:///{later.folder / DATABASE}")
    assert in_prefect(script, later.server).startswith("1 document: ")
    [again] = later.rows("review", "list", "--text", "note.txt")
    assert (again["document_type"], again["review_id"] == note["review_id"]) == ("receipt", False)
    assert in_prefect(script, later.server) == "0 documents: nothing to do"


def test_a_declared_type_is_taken_at_its_word(workplace: Workplace) -> None:
    (workplace.folder / "note.txt").write_text(NOTE)
    workplace.run("note.txt", "--type", "receipt")
    [row] = workplace.rows("results")
    assert row["document_type"] == "receipt"
    assert row["status"] == "in_review"


def test_rows_of_a_table_and_attachments_of_a_mail_are_documents(workplace: Workplace) -> None:
    texts = [path.read_text() for path in sorted(receipts(workplace.folder / "in", 2).iterdir())]
    with (workplace.folder / "receipts.csv").open("w", newline="") as table:
        csv.writer(table).writerows([("id", "text"), *enumerate(texts)])
    assert workplace.run("receipts.csv", "--rows", "text")["documents"] == 2
    mail = next(SAMPLES.rglob("*.eml"))
    assert workplace.run("receipts.csv", str(mail))["documents"] == 1 + 3, "the mail has two attachments"
