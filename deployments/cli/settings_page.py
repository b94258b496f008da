"""Writes docs/settings.md from the settings: ``python -m deployments.cli.settings_page > docs/settings.md``."""

import sys
from pathlib import Path

from blocks.settings import PROJECT_DIR, Settings, variable_of

INTRODUCTION = """\
# Settings

A process reads its environment once, at its start. Lists are separated by commas. A setting without a default is empty.
Secrets are never shown, and are never parameters of a flow.

This page is generated from `blocks/settings.py` by `python -m deployments.cli.settings_page > docs/settings.md`.

| variable | default | meaning |
|---|---|---|
"""
COMPUTED = {"processes": "number of cores"}


def settings_page() -> str:
    """The page, in Markdown: a row per setting."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = COMPUTED.get(name) or _shown(field.default)
        rows.append(f"| `{variable_of(name)}` | {default} | {field.description} |")
    return INTRODUCTION + "\n".join(rows) + "\n"


def _shown(default: object) -> str:
    if isinstance(default, Path):
        default = default.relative_to(PROJECT_DIR)
    if isinstance(default, tuple):
        default = ",".join(str(item) for item in default)
    return f"`{default}`" if default not in (None, "") else ""


if __name__ == "__main__":
    sys.stdout.write(settings_page())
