"""What the score stage uses of what was learnt: for each document, the decided ones that are most like it."""

import threading
from collections.abc import Callable, Mapping, Sequence

from blocks.database.learning.learned import Learned, Part
from blocks.evidence.traces import Remembered
from blocks.learning.memory_rows import MemoryRow
from blocks.learning.recall import TypeMemory
from blocks.records import Document, Page

LoadMemories = Callable[[str, int], Sequence[MemoryRow]]
"""Gives all that is remembered of a document type in the memory of an id."""


class RunMemory:
    """The memories that a run uses, loaded once in a process with the first document that needs them. Thread-safe."""

    def __init__(self, learned: Mapping[tuple[str, Part], Learned], load: LoadMemories) -> None:
        self._ids = {name: found.learned_id for (name, part), found in learned.items() if part is Part.MEMORY}
        self._load = load
        self._memories: dict[str, TypeMemory] = {}
        self._loading = threading.Lock()

    def learned_id(self, document_type: str) -> int | None:
        """The id of what was learnt for a type, None where nothing was."""
        return self._ids.get(document_type)

    def recall(self, document: Document, pages: Sequence[Page]) -> tuple[Remembered, ...]:
        """The decided documents that are most like this one."""
        name = document.document_type or ""
        learned_id = self._ids.get(name)
        if learned_id is None:
            return ()
        with self._loading:
            if name not in self._memories:
                self._memories[name] = TypeMemory(self._load(name, learned_id))
        return self._memories[name].recall(document.document_id, pages)
