"""Has LibreOffice make a PDF of a document. Runs in an isolated process that may start it and nothing else."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from blocks.errors import Corrupt

LAST_WORDS = 200
PATH = "/usr/bin:/bin"
"""The command is a shell script that looks for its parts with ordinary tools."""


def convert(content: bytes, arguments: dict[str, Any]) -> bytes:
    """The document as PDF. Arguments: command, suffix, media_type. Raises `Corrupt`."""
    folder = Path(tempfile.gettempdir())
    source = folder / f"document.{arguments['suffix']}"
    source.write_bytes(content)
    # Its own profile and home: the process may write nowhere else. No macro of a document is run in headless mode.
    profile = f"-env:UserInstallation=file://{folder}/profile"
    options = ["--headless", "--norestore", "--convert-to", "pdf", "--outdir", str(folder), str(source)]
    ended = subprocess.run(
        [arguments["command"], profile, *options],
        env={"HOME": str(folder), "TMPDIR": str(folder), "PATH": PATH, "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    made = source.with_suffix(".pdf")
    if not made.exists():
        words = " ".join(ended.stdout.decode(errors="replace").replace(str(folder), "").split())[-LAST_WORDS:]
        raise Corrupt(arguments["media_type"], f"LibreOffice says {words or f'exit code {ended.returncode}'}")
    return made.read_bytes()
