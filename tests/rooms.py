"""The rooms of the project and the imports between them, read from the code.

`python -m tests.rooms` writes them into docs/architecture.md.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("deployments", "flows", "tasks", "blocks")
"""From the top down: a package imports only those after it."""
DIVIDED = ("blocks.gateway", "blocks.database")
"""Rooms so large that their folders are rooms too."""
PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- rooms: made by python -m tests.rooms -->\n", "<!-- end of rooms -->\n"


@cache
def modules() -> Mapping[str, Path]:
    """Every module by its dotted name; a package stands for its `__init__.py`."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str) -> str:
    """The room that a module belongs to: its package, folder, or folder within a divided room."""
    parts = module.split(".")
    depth = 3 if ".".join(parts[:2]) in DIVIDED else 2
    while depth > 1:
        room = ".".join(parts[:depth])
        if room in modules() and modules()[room].name == "__init__.py":
            return room
        depth -= 1
    return parts[0]


def imports_of(module: str) -> Iterator[str]:
    """The modules of this project that a module imports, at any depth of its code."""
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                target = f"{node.module}.{name.name}"
                yield from (found for found in (target, node.module) if found in modules())
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in modules())


@cache
def room_imports() -> Mapping[str, frozenset[str]]:
    """By room the other rooms that its modules import.

    The root of a divided room holds what its folders share, and what joins them: it is not another room to them.
    """
    imports: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        room = room_of(module)
        others = set(map(room_of, imports_of(module)))
        imports[room] |= {other for other in others if not (_is_within(other, room) or _is_within(room, other))}
    return {room: frozenset(others) for room, others in sorted(imports.items())}


def lines_of_rooms() -> Mapping[str, int]:
    """How many lines each room has."""
    lines: dict[str, int] = defaultdict(int)
    for module, path in modules().items():
        lines[room_of(module)] += len(path.read_text().splitlines())
    return lines


def room_table() -> str:
    """The rooms in Markdown: what each holds, by its package's docstring, and which rooms it imports."""
    rows = ["| room | holds | imports |", "|---|---|---|"]
    for room, others in sorted(room_imports().items(), key=lambda item: (PACKAGES.index(item[0].split(".")[0]), item)):
        holds = (ast.get_docstring(ast.parse(modules()[room].read_text())) or "").split("\n\n")[0].replace("\n", " ")
        names = ", ".join(f"`{_short(other, room)}`" for other in sorted(others) if other not in PACKAGES)
        rows.append(f"| `{room.replace('.', '/')}/` | {holds} | {names} |")
    return "\n".join(rows) + "\n"


def page_with_rooms(page: str) -> str:
    """The page with the table of rooms brought up to date."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{room_table()}\n{END}{after}"


def _is_within(room: str, other: str) -> bool:
    return room == other or room.startswith(f"{other}.")


def _short(room: str, importer: str) -> str:
    """A room's name as its importer's neighbours read it: without the package that both stand in."""
    package = importer.split(".", maxsplit=1)[0]
    return room.removeprefix(f"{package}.").replace(".", "/") if room.startswith(package) else room.replace(".", "/")


if __name__ == "__main__":
    PAGE.write_text(page_with_rooms(PAGE.read_text()))
