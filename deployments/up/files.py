"""The files that `winnow up --print` writes, for machines on which something else keeps processes running."""

import getpass
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from blocks.settings import PROJECT_DIR, SECRETS, Settings, variable_of

UNIT = """\
# /etc/systemd/system/winnow.service; then: systemctl enable --now winnow
[Unit]
Description=Winnow: Prefect server, worker and review page
After=network-online.target
Wants=network-online.target

[Service]
User={user}
WorkingDirectory={folder}
EnvironmentFile=-/etc/winnow.env
ExecStart={command} up {options}
Restart=on-failure
RestartSec=10
KillMode=mixed
TimeoutStopSec=90
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""
ENV = """\
# /etc/winnow.env: what winnow up --profile {profile} reads. Only its owner may read it: chmod 600.
# Every setting, with its default: docs/settings.md
"""
POSTGRES = (
    "WINNOW_DATABASE_URL=postgresql+psycopg://winnow:PASSWORD@127.0.0.1/winnow",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://winnow:PASSWORD@127.0.0.1/prefect",
)
USUAL = ("notify_blocks", "review_url", "budget_per_run_usd", "budget_per_day_usd", "ocr_languages")
"""The settings that most people change, as comments with their defaults."""


def text_of(kind: str, profile: str, options: Sequence[str] = ()) -> str:
    """The text of a systemd unit, a compose file or an environment file. None has a secret of this machine.

    `options` of `winnow up` are in the unit only.
    """
    if kind == "compose":
        return (PROJECT_DIR / "deployments" / "containers" / "compose.yaml").read_text()
    if kind == "env":
        lines = POSTGRES if profile == "postgres" else ()
        return "\n".join([ENV.format(profile=profile).rstrip(), *lines, *map(_usual, USUAL), ""])
    command = shlex.quote(str(Path(sys.executable).parent / "winnow"))
    words = shlex.join(["--profile", profile, *options])
    return UNIT.format(user=getpass.getuser(), folder=Path.cwd(), command=command, options=words)


def _usual(setting: str) -> str:
    assert setting not in SECRETS
    default = Settings.model_fields[setting].default
    shown = ",".join(default) if isinstance(default, tuple) else "" if default is None else default
    return f"#{variable_of(setting)}={shown}"
