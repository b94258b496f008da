"""Compiles the libraries that Winnow depends on to bytecode: ``python -m deployments.setup.bytecode``.

Where Python writes no bytecode, as in many container images, every process compiles its libraries anew, which takes
longer than most commands do. Tests and what only developers use are left out: they are half of .venv.
"""

import compileall
import re
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NEVER_IMPORTED = re.compile(r"/(tests?|geodata|carrierdata|apprise/plugins)/|/pygments/lexers/(?!__init__|_mapping)")
"""Tests, and large tables and plugins of dependencies that no command of Winnow reaches."""
FILES_PER_JOB = 50


def main() -> None:
    """Compile, in one process per core, what has no bytecode yet."""
    files = sorted(str(file) for library in dependencies("winnow") for file in modules_of(library))
    with ProcessPoolExecutor() as processes:
        list(processes.map(compile_file, files, chunksize=FILES_PER_JOB))


def compile_file(file: str) -> bool:
    """Whether the file compiles: some libraries ship templates with the ending .py that do not."""
    return bool(compileall.compile_file(file, quiet=2))


def dependencies(name: str) -> list[Distribution]:
    """The installed distributions that `name` needs, directly or through others; without `name` itself."""
    found: dict[tuple[str, str], Distribution] = {}
    required = needed_by(distribution(name), "")
    while required:
        current, extra = required.pop()
        if (current, extra) in found:
            continue
        try:
            installed = found[current, extra] = distribution(current)
        except PackageNotFoundError:  # on this platform it is not needed
            continue
        required |= needed_by(installed, extra)
    return list({current: installed for (current, _), installed in found.items()}.values())


def needed_by(installed: Distribution, extra: str) -> set[tuple[str, str]]:
    """What a distribution requires on this platform, or its extra does: names, each without and with an extra."""
    requirements = map(Requirement, installed.requires or [])
    return {
        (canonicalize_name(requirement.name), wanted)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        for wanted in ("", *requirement.extras)
    }


def modules_of(installed: Distribution) -> list[Path]:
    """The distribution's modules that a process may import."""
    files = (Path(str(file.locate())) for file in installed.files or [] if file.suffix == ".py")
    return [file for file in files if not NEVER_IMPORTED.search(file.as_posix())]


if __name__ == "__main__":
    main()
