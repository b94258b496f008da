"""The borders that docs/architecture.md promises, where import-linter cannot see them."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Schedule(_Strict):
    cron: str
    timezone: str
    active: bool


class _Concurrency(_Strict):
    limit: int
    collision_strategy: str


class _WorkPool(_Strict):
    name: str


class _Deployment(_Strict):
    name: str
    description: str
    entrypoint: str
    parameters: dict[str, object]
    schedules: list[_Schedule] = []
    concurrency_limit: _Concurrency | None = None
    work_pool: _WorkPool


class _PrefectYaml(_Strict):
    name: str
    deployments: list[_Deployment]


def prefect_yaml() -> dict[str, object]:
    content = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())
    content.pop("prefect-version")
    return dict(content)


def test_prefect_yaml_has_no_key_that_prefect_would_ignore() -> None:
    parsed = _PrefectYaml.model_validate(prefect_yaml())
    assert {d.entrypoint for d in parsed.deployments} == {
        "flows/process_documents.py:process_documents",
        "flows/backfill.py:backfill",
        "flows/close_dead_runs.py:close_dead_runs",
        "flows/escalate_reviews.py:escalate_reviews",
        "flows/apply_decisions.py:apply_decisions",
    }
    active = {d.entrypoint: [s.active for s in d.schedules] for d in parsed.deployments if d.schedules}
    assert active == {
        "flows/process_documents.py:process_documents": [False],
        "flows/close_dead_runs.py:close_dead_runs": [True],
        "flows/escalate_reviews.py:escalate_reviews": [True],
        "flows/apply_decisions.py:apply_decisions": [True],
    }


def test_that_check_finds_a_misspelt_key() -> None:
    content = prefect_yaml()
    content["concurency_limit"] = 1
    with pytest.raises(ValueError, match="concurency_limit"):
        _PrefectYaml.model_validate(content)
