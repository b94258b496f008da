"""The commands of the pages for those who operate Winnow are run as they stand there."""

import itertools
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blocks.database.engine import Database, close_database, open_database
from blocks.database.results.results import NewResult, write_results
from blocks.database.review.items import ReviewNeed, sync_review
from blocks.document_types.review_rules import ReviewRules
from blocks.records import Evidence, Status, Validation
from deployments.cli.main import app
from tests.database_fixtures import add_documents
from tests.doubles.scripted_stages import id_of
from tests.review_items import AT
from tests.winnow_command import Done, winnow

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("operations", "keeping", "review", "backfills", "deployment", "monitoring")
ELSEWHERE = {
    r"winnow up( --limit 8)?$": "tests/deployments/up/test_up.py starts it; more servers are not worth the minute",
    r"sudo |docker |kubectl |\w+=… docker ": "nobody here may; hadolint and schemas check the files",
    r"(git pull && )?make setup": "it changes the checkout that is tested",
    r"(export )?[A-Z_]+=": "no command",
    r"pg_dump|createdb .* && pg_restore": "tests/flows/test_backup.py runs these tools on a server of its own",
    r"sqlite3 ~/": "the file is the running server's; the statement is SQLite's own",
    r"psql |winnow db (grant|revoke) ": "tests/blocks/database/review/test_roles.py has a PostgreSQL with such users",
    r"winnow automations ": "tests/flows/test_automations.py applies and changes them on the session's server",
    r"winnow run |winnow backfill (?!plan --type invoice --stale( --save plan.json)?$)": (
        "tests/flows/test_process_documents.py, test_deployments.py and tests/tasks/backfill run documents"
    ),
    r"(\.venv/bin/)?prefect ": "tests/flows/test_deployments.py deploys, schedules and works runs",
}
"""Beginnings of commands that are not run here, and why; those of Winnow are checked against its help."""


@dataclass
class Desk:
    """A working folder with a database in which items wait. Each item 17 of a page is another one of them."""

    folder: Path
    items: Iterator[int]
    decided: int = 0
    kept: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, command: str) -> Done:
        """A command of a page; Winnow's own in this process, others by the shell."""
        words = shlex.split(command.partition(" | sudo tee")[0], comments=True)
        if words[0] != "winnow":
            return subprocess.run(
                ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
            )
        return winnow(*(self._meant(words, word) for word in words[1:]), cwd=self.folder, **self.environment)

    def _meant(self, words: list[str], word: str) -> str:
        if word == "17":
            item = self.decided if "undo" in words else next(self.items)
            self.decided = self.decided if "escalate" in words else item
            return str(item)
        if re.fullmatch(r"[0-9a-f]{4}…", word):
            return self.kept
        return id_of("erased")[:12] if word == "1f3a9c" else word


def commands(page: str) -> list[str]:
    """What stands behind the prompts of a page's consoles, and each line of its shell scripts."""
    found: list[str] = []
    for kind, block in re.findall(r"^```(console|sh)\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.M | re.S):
        lines = block.splitlines()
        found += lines if kind == "sh" else [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line.removeprefix(".venv/bin/") if line.startswith(".venv/bin/winnow") else line for line in found]


def reason_not_to_run(command: str) -> str | None:
    return next((why for start, why in ELSEWHERE.items() if re.match(start, command)), None)


@pytest.fixture
def desk(sqlite_template: Path, tmp_path: Path) -> Desk:
    path = tmp_path / ".winnow" / "winnow.db"
    path.parent.mkdir()
    (tmp_path / "backups").mkdir()
    shutil.copy(sqlite_template, path)
    database = open_database(f"sqlite:///{path}")
    ids = wait_for_people(database, *(f"invoice {number}" for number in range(12)), "erased")
    close_database(database)
    made = Desk(tmp_path, iter(ids[1:]))
    made.kept = json.loads(made.run("winnow review verify --json").stdout)["hash"]
    return made


def wait_for_people(database: Database, *names: str) -> list[int]:
    """Invoices that wait; their items' ids."""
    add_documents(database, *names)
    verdict = Validation(
        document_type="invoice",
        status=Status.IN_REVIEW,
        confidence=0.5,
        reasons=("low_confidence:grand_total",),
        fields={"grand_total": "9.00", "seller_name": "Maria Muster"},
        confidences={"grand_total": 0.5, "seller_name": 0.9},
        evidence={"grand_total": (Evidence(page=1, quote="Total 9.00"),)},
    )
    with database.write() as connection:
        new = [NewResult(id_of(name), "f", verdict, provisional=False) for name in names]
        write_results(database, connection, "run-1", new, AT)
        needs = [ReviewNeed(id_of(name), "f", verdict, ReviewRules()) for name in names]
        sync_review(database, connection, "run-1", needs, [], AT)
        return list(connection.exec_driver_sql("select review_id from review order by 1").scalars())


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_they_stand_there(page: str, desk: Desk) -> None:
    ran = [command for command in commands(page) if reason_not_to_run(command) is None]
    for command in ran:
        done = desk.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if command.startswith("winnow review export"):
            answer(desk.folder)
    assert len(ran) >= {"deployment": 1, "monitoring": 0, "backfills": 2}.get(page, 7)


def answer(folder: Path) -> None:
    """Write what Label Studio exports where a person leaves the predicted values as they are."""
    if (folder / "tasks.json").exists():
        tasks = json.loads((folder / "tasks.json").read_text())
        annotated = [task | {"annotations": [{"result": task["predictions"][0]["result"]}]} for task in tasks]
        (folder / "annotated.json").write_text(json.dumps(annotated))


def test_commands_that_run_elsewhere_have_the_options_that_the_pages_name() -> None:
    skipped = [command for page in PAGES for command in commands(page) if reason_not_to_run(command)]
    for command in (each for each in skipped if each.startswith("winnow ")):
        words = shlex.split(command.partition("|")[0], comments=True)[1:]
        path = list(itertools.takewhile(lambda word: re.fullmatch("[a-z]+", word), words))[
            : 2 if words[0] in GROUPS else 1
        ]
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, command
        assert [word for word in words if word.startswith("--") and word not in shown.output] == [], command
    for start in ELSEWHERE:
        assert any(re.match(start, command) for command in skipped), f"no page has {start} any more"


GROUPS = {"automations", "backfill", "db", "review", "models", "types", "server", "labels"}
