"""docs/architecture.md shows the rooms as they are, and the imports between them keep their direction."""

from graphlib import TopologicalSorter

from tests.rooms import PACKAGES, PAGE, lines_of_rooms, modules, page_with_rooms, room_imports


def test_the_page_shows_the_rooms() -> None:
    page = PAGE.read_text()
    assert page == page_with_rooms(page), "python -m tests.rooms"


def test_no_import_goes_up() -> None:
    upward = [
        f"{room} imports {other}"
        for room, others in room_imports().items()
        for other in others
        if PACKAGES.index(other.split(".")[0]) < PACKAGES.index(room.split(".")[0])
    ]
    assert upward == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    order = list(TopologicalSorter(room_imports()).static_order())
    assert order.index("blocks.yaml") < order.index("deployments.cli")


def test_no_room_holds_more_than_a_third_of_the_lines() -> None:
    lines = lines_of_rooms()
    by_room: dict[str, int] = {}
    for room, number in lines.items():
        name = ".".join(room.split(".")[:2])  # a divided room counts with its folders
        by_room[name] = by_room.get(name, 0) + number
    total = sum(lines.values())
    assert {room: number for room, number in by_room.items() if number > total / 3} == {}


def test_every_module_stands_in_a_room() -> None:
    assert {".".join(module.split(".")[:1]) for module in modules()} == set(PACKAGES)
    loose = [m for m, path in modules().items() if m.count(".") == 1 and path.name != "__init__.py"]
    assert {m for m in loose if m.startswith("blocks.")} <= {
        "blocks.records",
        "blocks.errors",
        "blocks.ledger",
        "blocks.settings",
        "blocks.logs",
        "blocks.progress",
        "blocks.secret_url",
    }
