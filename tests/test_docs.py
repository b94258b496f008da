"""The documentation says what the code does: pages are generated, and what they show is run."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli.main import app
from deployments.cli.settings_page import settings_page

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_settings_page_is_as_the_settings_are() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_every_command_in_the_documentation_exists() -> None:
    commands = set()
    for page in PAGES:
        for match in re.finditer(r"(?:^\$ |`)(?:\.venv/bin/)?winnow ((?:[a-z]+ ?)+)", page.read_text(), re.MULTILINE):
            commands.add(match[1].split()[0])
    assert {"run", "results", "review", "failures", "types", "doctor", "db", "server"} <= commands
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, command


def test_every_option_of_run_in_the_readme_exists() -> None:
    help_text = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    used = set(re.findall(r"winnow run [^\n]*?(--[a-z-]+)", (ROOT / "README.md").read_text()))
    assert used
    assert {option for option in used if option not in help_text} == set()


def test_every_backfill_command_in_the_documentation_has_its_options() -> None:
    used: dict[str, set[str]] = {}
    for page in PAGES:
        for command, options in re.findall(r"^\$ winnow backfill ([a-z]+)([^\n#]*)", page.read_text(), re.MULTILINE):
            used.setdefault(command, set()).update(re.findall(r"--[a-z-]+", options))
    prose = set(re.findall(r"`(--[a-z-]+)", (ROOT / "docs" / "backfills.md").read_text()))
    assert used.keys() == {"plan", "run", "status", "cancel", "compare", "promote", "discard"}
    known: set[str] = set()
    for command, options in used.items():
        help_text = CliRunner().invoke(app, ["backfill", command, "--help"], env={"COLUMNS": "200"}).output
        known |= set(re.findall(r"--[a-z-]+", help_text))
        assert {option for option in options if option not in help_text} == set(), command
    assert len(prose) > 10
    assert prose - known == set()


def test_every_file_that_contributing_names_exists() -> None:
    named = re.findall(
        r"`((?:\.ci|blocks|tasks|deployments|tests|docs|data)/[\w./-]+)`", (ROOT / "CONTRIBUTING.md").read_text()
    )
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []
