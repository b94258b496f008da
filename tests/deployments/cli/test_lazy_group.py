"""The list of commands names every command as it is, and shows them without importing any."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from deployments.cli.lazy_group import COMMANDS, load
from deployments.cli.main import app

HEAVY = (
    "pydantic",
    "sqlalchemy",
    "rich",
    "prefect",
    "great_expectations",
    "sklearn",
    "pandas",
    "alembic",
    "numpy",
    "httpx",
)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_own_help_says_first(name: str) -> None:
    command = load(name)
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name].help.rstrip(".") + "."
    assert COMMANDS[name].help in " ".join(CliRunner().invoke(app, [name, "--help"]).output.split())


def test_the_list_of_commands_fits_a_line_each() -> None:
    listed = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output
    lines = listed.partition("Commands:\n")[2].rstrip().splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)


def test_help_imports_no_library_but_typer() -> None:
    assert imported_by(["--help"]) & set(HEAVY) == set()


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["run"], ["results", "--format", "xml"], ["models", "enable"], ["doctor", "--help"]]
)
def test_wrong_usage_imports_no_database_and_no_prefect(arguments: list[str]) -> None:
    assert imported_by(arguments) & set(HEAVY) <= {"pydantic"}


def imported_by(arguments: list[str]) -> set[str]:
    code = f"import sys; sys.argv = ['winnow', *{arguments!r}]\nfrom deployments.cli.main import main\n"
    code += "try:\n    main()\nfinally:\n    print('|', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    return set(done.stdout.rpartition("|")[2].split())
