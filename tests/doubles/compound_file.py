"""Writes compound files ([MS-CFB], version 3) for tests: no library does."""

import struct
from collections.abc import Mapping

SECTOR, ENTRY = 512, 128
FREE, END, FAT, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
STORAGE, STREAM, ROOT = 1, 2, 5

Tree = Mapping[str, "bytes | Tree"]


def compound_file(tree: Tree) -> bytes:
    """A file with these streams and, where a value is a mapping, folders. A stream is padded to whole sectors."""
    entries: list[list[int | str]] = [["Root Entry", ROOT, NONE, NONE, NONE, END, 0]]
    sectors: list[bytes] = []
    chains: list[int] = []
    _add(tree, 0, entries, sectors, chains)
    directory = b"".join(_entry(*entry) for entry in entries)  # type: ignore[arg-type]  # as _add makes them
    first_of_directory = _store(directory, sectors, chains)
    fat_count = 1
    while fat_count * SECTOR // 4 < len(chains) + fat_count:
        fat_count += 1
    first_fat = len(sectors)
    fat = chains + [FAT] * fat_count
    fat += [FREE] * (fat_count * SECTOR // 4 - len(fat))
    sectors += [struct.pack("<128I", *fat[at : at + 128]) for at in range(0, len(fat), 128)]
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        *(0x3E, 3, 0xFFFE, 9, 6, 0, fat_count, first_of_directory, 0, 0, END, 0, END, 0),
    )
    places = list(range(first_fat, first_fat + fat_count))
    header += struct.pack("<109I", *places, *[FREE] * (109 - fat_count))
    return header + b"".join(sectors)


def _add(tree: Tree, parent: int, entries: list[list[int | str]], sectors: list[bytes], chains: list[int]) -> None:
    """Add the entries of a folder: siblings in a list to the right, which readers take for a tree."""
    previous: int | None = None
    for name in sorted(tree, key=lambda name: (len(name), name.upper())):
        value = tree[name]
        place = len(entries)
        if isinstance(value, bytes):
            size = max(4_096, len(value))  # shorter ones would belong into the mini stream
            entries.append([name, STREAM, NONE, NONE, NONE, _store(value.ljust(size, b"\0"), sectors, chains), size])
        else:
            entries.append([name, STORAGE, NONE, NONE, NONE, END, 0])
        if previous is None:
            entries[parent][4] = place
        else:
            entries[previous][3] = place
        previous = place
        if not isinstance(value, bytes):
            _add(value, place, entries, sectors, chains)


def _store(content: bytes, sectors: list[bytes], chains: list[int]) -> int:
    first = len(sectors)
    for at in range(0, len(content), SECTOR):
        sectors.append(content[at : at + SECTOR].ljust(SECTOR, b"\0"))
        chains.append(len(sectors))
    chains[-1] = END
    return first


def _entry(name: str, kind: int, left: int, right: int, child: int, first: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII36xIQ", encoded, len(encoded), kind, 1, left, right, child, first, size)
