"""A parser process may not be able to read our files: what a reader imports or opens, it has done before the fork."""

import json
import subprocess
import sys

import pytest

from blocks.settings import PROJECT_DIR
from tasks.extract.formats import READERS
from tests.tasks.extract.samples_of_formats import SAMPLES

SCRIPT = """
import importlib, json, sys
order = json.loads(sys.argv[1])
module = importlib.import_module(order["module"])
getattr(module, "warm_up", lambda: None)()
contents = [open(path, "rb").read() for path in order["paths"]]
touched = []
sys.addaudithook(lambda event, args: touched.append(f"{event} {args[0]}") if event in ("open", "import") else None)
for content, media_type in zip(contents, order["media_types"]):
    arguments = {"media_type": media_type, "passwords": ["first"], "max_pages": 100, "max_megapixels": 50, "start": 1,
                 "max_parts": 10, "max_bytes": 10**6, "max_total_bytes": 10**6, "cause": "", "page": 1,
                 "max_pixels": 9000}
    for function in order["functions"]:
        try:
            getattr(module, function)(content, arguments)
        except Exception as error:
            if type(error).__module__ != "blocks.errors":
                raise
print(json.dumps(touched))
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> dict[str, "subprocess.Popen[str]"]:
    """A process for each module, side by side: each takes half a second to import its libraries."""
    folder = tmp_path_factory.mktemp("samples")
    processes = {}
    for module, (functions, samples) in SAMPLES.items():
        paths = []
        for number, (_, content) in enumerate(samples):
            path = folder / f"{module}.{number}"
            path.write_bytes(content)
            paths.append(str(path))
        order = {
            "module": module,
            "functions": functions,
            "paths": paths,
            "media_types": [media_type for media_type, _ in samples],
        }
        processes[module] = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(order)],
            cwd=PROJECT_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    return processes


def test_every_reader_has_a_sample() -> None:
    assert {f"tasks.extract.{reader}" for reader in READERS} < set(SAMPLES)


@pytest.mark.parametrize("module", sorted(SAMPLES))
def test_reading_touches_no_file(module: str, started: dict[str, "subprocess.Popen[str]"]) -> None:
    output, errors = started[module].communicate(timeout=120)
    assert started[module].returncode == 0, errors
    assert json.loads(output) == []
