"""The borders that docs/architecture.md promises, where import-linter cannot see them."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("flows", "tasks", "blocks", "deployments")


def modules() -> Iterator[Path]:
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def imports(module: Path, name: str) -> bool:
    return bool(re.search(rf"^\s*(from|import) {name}\b", module.read_text(), re.MULTILINE))


def test_prefect_is_imported_only_at_its_borders() -> None:
    strangers = [
        module.relative_to(ROOT).as_posix()
        for module in modules()
        if imports(module, "prefect")
        and module.name not in {"task.py", "block.py"}
        and module.relative_to(ROOT).parts[0] not in {"flows", "deployments"}
    ]
    assert strangers == []


def test_the_environment_is_read_in_settings_only() -> None:
    strangers = [
        module.relative_to(ROOT).as_posix()
        for module in modules()
        if re.search(r"os\.environ|os\.getenv|\bgetenv\(", module.read_text()) and module.name != "settings.py"
    ]
    assert strangers == []


def test_no_flow_file_bears_the_name_of_a_package() -> None:
    flows = {module.stem for module in (ROOT / "flows").glob("*.py")} - {"__init__"}
    installed = {Path(path).stem for path in sys.stdlib_module_names} | set(ROOMS)
    assert not flows & installed
    for name in flows:
        shadowed = subprocess.run(
            [sys.executable, "-c", f"import {name}"], cwd=ROOT.parent, capture_output=True, check=False
        )
        assert shadowed.returncode != 0, f"flows/{name}.py hides a package"


def test_records_errors_and_settings_import_nothing_else_of_ours() -> None:
    for name in ("records", "ledger", "errors", "settings", "secret_url"):
        text = (ROOT / "blocks" / f"{name}.py").read_text()
        ours = set(re.findall(r"^\s*(?:from|import) ((?:flows|tasks|blocks|deployments)\S*)", text, re.MULTILINE))
        assert ours <= {"blocks.records", "blocks.errors", "blocks.secret_url"}


def test_modules_stay_small() -> None:
    long = {m.relative_to(ROOT).as_posix(): n for m in modules() if (n := len(m.read_text().splitlines())) > 400}
    assert long == {}


def test_the_lock_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index-url" not in lock
    pins = re.findall(r"^[a-z0-9][^\n=]*==", lock, re.MULTILINE)
    assert len(pins) > 100
    assert lock.count("--hash=sha256:") >= len(pins)


def test_the_lock_holds_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted = {re.split(r"[\[<>=~! ]", line)[0].replace(".", "-").lower() for line in asked}
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {"prefect", "sqlalchemy", "pytest"} <= wanted
    assert wanted - locked == set()
