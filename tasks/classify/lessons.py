"""What the classify stage uses of what was learnt: texts of decided documents, as further examples of their types."""

from collections.abc import Callable, Mapping, Sequence

from blocks.database.learning.learned import Learned, Part
from blocks.document_types.schema import DocumentType
from blocks.learning.lessons import taught_as_type

LoadTexts = Callable[[str, int], Sequence[str]]
"""Gives the texts of the latest decided documents of a type in the memory of an id."""


class TypeLessons:
    """The decided documents of the types that remember."""

    def __init__(self, learned: Mapping[tuple[str, Part], Learned], load: LoadTexts) -> None:
        self._ids = {name: found.learned_id for (name, part), found in learned.items() if part is Part.MEMORY}
        self._load = load

    def learned_ids(self, types: Mapping[str, DocumentType]) -> tuple[int, ...]:
        """The ids of what was learnt for those of the types that remember."""
        return tuple(self._ids[name] for name in self._learning(types))

    def taught(self, types: Mapping[str, DocumentType]) -> dict[str, DocumentType]:
        """The types with the texts of their decided documents; reads the database."""
        learnt = {
            name: taught_as_type(types[name], self._load(name, self._ids[name])) for name in self._learning(types)
        }
        return {**types, **learnt}

    def _learning(self, types: Mapping[str, DocumentType]) -> list[str]:
        return [name for name in sorted(self._ids) if name in types and types[name].memory is not None]
