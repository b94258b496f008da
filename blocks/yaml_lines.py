"""YAML with line numbers: a fast parse for the daily load, and a slow look at the lines for what is wrong.

YAML 1.2 as ruamel.yaml reads it: ``yes`` and ``no`` are text, 2026-01-31 is a date.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Path = tuple[str | int, ...]
"""The way to a value: keys of mappings and indices of lists, from the top of the file."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with the value at `path`, and what to do."""

    path: Path
    message: str


@dataclass(frozen=True)
class YamlFile:
    """The text of a YAML file; `value` is what it says, `line` where it says so."""

    text: str

    def value(self) -> object:
        """What the file says, as plain Python values; None where it is empty. Raises ValueError where not YAML."""
        try:
            return YAML(typ="safe").load(self.text)
        except (YAMLError, RecursionError) as error:
            raise ValueError(str(error)) from error

    def line(self, path: Path) -> int:
        """The line, from 1, of the value at `path`, or of the nearest one above it that the file has."""
        node, line = self._root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line

    def mistakes(self) -> Iterator[tuple[int, str]]:
        """Line and message of every tab in an indent and every duplicate key, or else of the first error of syntax."""
        tabs = [n for n, line in enumerate(self.text.split("\n"), 1) if "\t" in line[: len(line) - len(line.lstrip())]]
        for line in tabs:
            yield line, "a tab stands in the indent; use spaces"
        if tabs:
            return
        try:
            duplicates = list(_duplicates(_compose(self.text)))
            yield from duplicates
            if not duplicates:
                YAML(typ="safe").load(self.text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f" ({error.context})" if error.context else ""
            yield (mark.line + 1 if mark else 1), f"this is not YAML: {error.problem}{where}; mind colons and quotes"
        except YAMLError as error:
            yield 1, f"this is not YAML: {str(error).splitlines()[0]}"
        except (ValueError, RecursionError) as error:
            yield 1, f"a value cannot be read: {error}; put it in quotes"

    @cached_property
    def _root(self) -> Node | None:
        try:
            return _compose(self.text)
        except (YAMLError, RecursionError):
            return None  # no tree, no lines: `mistakes` says what is wrong


def _compose(text: str) -> Node | None:
    root: Node | None = YAML(typ="safe", pure=True).compose(text)
    return root


def _child(node: Node | None, step: str | int) -> tuple[Node, int] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line + 1
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item.start_mark.line + 1
    return None


def _duplicates(node: Node | None) -> Iterator[tuple[int, str]]:
    pending, seen = [node], set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, MappingNode):
            lines: dict[object, int] = {}
            for key, value in current.value:
                name, line = str(key.value), key.start_mark.line + 1
                if name in lines and name != "<<":
                    yield line, f"the key {name!r} stands twice, first on line {lines[name]}; keep one"
                lines.setdefault(name, line)
                pending.append(value)
        elif isinstance(current, SequenceNode):
            pending.extend(current.value)
