"""YAML with line numbers: a fast parse of sound files, and a slow one that finds the lines of mistakes.

YAML 1.2 as ruamel.yaml reads it: ``yes`` and ``no`` are text, 2026-01-31 is a date.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path = tuple[str | int, ...]
"""The path to a value: keys of mappings and indices of lists, from the top of the file."""

MAX_DEPTH = 30
"""Deeper than any sound file, and far below Python's recursion limit. A value that contains itself is deeper still."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with the value at `path`, and what to do."""

    path: Path
    message: str


@dataclass(frozen=True)
class YamlFile:
    """The text of a YAML file, with its value and the lines of values and mistakes."""

    text: str

    def value(self) -> object:
        """The file as plain Python values; None if it is empty. Raises ValueError if it is not YAML."""
        try:
            value = YAML(typ="safe").load(self.text)
        except (YAMLError, RecursionError) as error:
            raise ValueError(str(error)) from error
        if _is_deeper(value, MAX_DEPTH):
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        return value

    def line(self, path: Path) -> int:
        """The line, from 1, of the value at `path`, or of the nearest value above it that the file has."""
        node, line = self._root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line

    def mistakes(self) -> Iterator[tuple[int, str]]:
        """Line and message of every tab in an indent and every duplicate key, or else of the first syntax error."""
        tabs = [n for n, line in enumerate(self.text.split("\n"), 1) if "\t" in line[: len(line) - len(line.lstrip())]]
        for line in tabs:
            yield line, "there is a tab in the indent; use spaces"
        if tabs:
            return
        try:
            duplicates = list(_duplicates(_compose(self.text)))
            yield from duplicates
            if not duplicates and _is_deeper(YAML(typ="safe").load(self.text), MAX_DEPTH):
                yield 1, f"it is nested more than {MAX_DEPTH} levels deep; write it flatter"
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f" ({error.context})" if error.context else ""
            yield (mark.line + 1 if mark else 1), f"this is not YAML: {error.problem}{where}; mind colons and quotes"
        except YAMLError as error:
            yield 1, f"this is not YAML: {str(error).splitlines()[0]}"
        except RecursionError:
            yield 1, f"it is nested more than {MAX_DEPTH} levels deep; write it flatter"
        except ValueError:
            yield from _unreadable_values(_compose(self.text))

    @cached_property
    def _root(self) -> Node | None:
        try:
            return _compose(self.text)
        except (YAMLError, RecursionError):
            return None  # without a tree there are no lines; `mistakes` reports the error


def _compose(text: str) -> Node | None:
    root: Node | None = YAML(typ="safe").compose(text)
    return root


def _is_deeper(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit):
        level = list({id(item): item for held in level for item in _items(held)}.values())
        if not level:
            return False
    return True


def _items(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _child(node: Node | None, step: str | int) -> tuple[Node, int] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line + 1
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item.start_mark.line + 1
    return None


def _nodes(root: Node | None) -> Iterator[Node]:
    pending, seen = [root], set()
    while pending:
        node = pending.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, MappingNode):
            pending.extend(value for _, value in node.value)
        elif isinstance(node, SequenceNode):
            pending.extend(node.value)


def _duplicates(root: Node | None) -> Iterator[tuple[int, str]]:
    for node in _nodes(root):
        lines: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines and name != "<<":
                yield line, f"the key {name!r} is given twice, first on line {lines[name]}; keep one"
            lines.setdefault(name, line)


def _unreadable_values(root: Node | None) -> Iterator[tuple[int, str]]:
    """Scalars that look like a date or a number but are neither, such as 2026-13-45."""
    for node in _nodes(root):
        if isinstance(node, ScalarNode) and not str(node.tag).endswith(":str"):
            try:
                YAML(typ="safe").load(node.value)
            except ValueError as error:
                yield node.start_mark.line + 1, f"{node.value!r} cannot be read: {error}; put it in quotes"
