"""The files for containers and for `winnow up --print`. Nothing here runs a container."""

import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from blocks.settings import Settings, variable_of
from deployments.prefect_api.local_server import SERVER_PROFILE
from deployments.up.files import text_of
from tests.winnow_command import winnow

ROOT = Path(__file__).parent.parent.parent.parent
CONTAINERS = ROOT / "deployments" / "containers"
VARIABLES = {variable_of(name) for name in Settings.model_fields}
NOT_WINNOWS = {
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_UI_API_URL",
    "PREFECT_UI_URL",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY",
}


def manifests() -> list[dict[str, Any]]:
    return [dict(one) for one in YAML(typ="safe").load_all((CONTAINERS / "kubernetes" / "winnow.yaml").read_text())]


def compose() -> dict[str, Any]:
    return cast("dict[str, Any]", YAML(typ="safe").load((CONTAINERS / "compose.yaml").read_text()))


def test_every_variable_in_them_is_known() -> None:
    known = VARIABLES | set(SERVER_PROFILE) | NOT_WINNOWS
    used = {name for one in compose()["services"].values() for name in one.get("environment", {})}
    for one in manifests():
        if one["kind"] == "Deployment":
            used |= {v["name"] for c in one["spec"]["template"]["spec"]["containers"] for v in c.get("env", ())}
    assert {name for name in used if name.startswith(("WINNOW_", "PREFECT_"))} - known == set()
    for profile in ("embedded", "postgres"):
        written = re.findall(r"^#?([A-Z_]+)=", text_of("env", profile), re.MULTILINE)
        assert len(written) >= 5
        assert set(written) - known == set()


def test_their_prefect_servers_are_set_as_that_of_winnow_up() -> None:
    image = dict(re.findall(r"(\w+)=(\S+)", (CONTAINERS / "Dockerfile").read_text()))
    of_process = {"PREFECT_SERVER_LOGGING_LEVEL", "PREFECT_CLI_COLORS"}  # they decide what stands in the one log
    wanted = {name: value for name, value in SERVER_PROFILE.items() if name not in of_process}
    [server] = [one for one in manifests() if one["kind"] == "Deployment" and one["metadata"]["name"] == "prefect"]
    [container] = server["spec"]["template"]["spec"]["containers"]
    of_kubernetes = {one["name"]: one.get("value") for one in container["env"]}
    for given in (compose()["services"]["prefect"]["environment"], of_kubernetes):
        assert wanted.items() <= (image | given).items()
    assert container["volumeMounts"][0]["mountPath"] == "/home/winnow/.prefect", "leases of limits outlive a restart"
    assert compose()["services"]["prefect"]["volumes"] == ["prefect:/home/winnow/.prefect"]


def test_no_container_runs_as_root_or_without_limits() -> None:
    deployments = [one for one in manifests() if one["kind"] == "Deployment"]
    assert {one["metadata"]["name"] for one in deployments} == {"prefect", "winnow", "worker"}
    for one in deployments:
        spec = one["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in spec["containers"]:
            assert container["image"] == f"winnow:{version('winnow')}"
            assert container["resources"]["limits"]["memory"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert re.findall(r"^USER (.+)$", (CONTAINERS / "Dockerfile").read_text(), re.MULTILINE) == ["10001"]


def test_every_password_of_the_compose_file_comes_from_outside() -> None:
    text = text_of("compose", "postgres")
    assert re.findall(r"://\w+:(\S+ ?\S*)@", text) == ["${WINNOW_PASSWORD:?set it}"] * 2
    assert set(compose()["services"]) == {"postgres", "prefect", "winnow", "worker"}


def test_a_file_that_has_no_place_for_an_option_is_not_written(tmp_path: Path) -> None:
    done = winnow("up", "--print", "compose", "--limit", "8", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "error: --print compose has no place for --limit: change them in the file, or --print systemd\n"
    )


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    options = ("--port", "4711", "--limit", "8", "--review-port", "8400")
    printed = winnow("up", "--print", "systemd", "--profile", "postgres", *options, cwd=tmp_path).stdout
    assert f"WorkingDirectory={tmp_path}\n" in printed
    assert "ExecStart=" in printed
    assert "up --profile postgres --port=4711 --limit=8\n" in printed
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed here")
    unit = tmp_path / "winnow.service"
    unit.write_text(printed)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert "winnow.service" not in done.stderr, done.stderr
