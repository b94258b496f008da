"""What the score stage uses of what was learnt: for each document, the decided ones that are most like it, and for each
type, the texts of decided documents that teach its classifiers.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from blocks.database.learning.learned import Learned, Part
from blocks.document_types.schema import DocumentType, Example
from blocks.evidence.traces import Remembered
from blocks.learning.lessons import chosen, enum_values, taught
from blocks.learning.memory_rows import MemoryRow
from blocks.learning.recall import TypeMemory, values_in
from blocks.records import Document, Page

LoadMemories = Callable[[str, int], Sequence[MemoryRow]]
"""Gives all that is remembered of a document type in the memory of an id."""


LoadTexts = Callable[[Sequence[str]], Mapping[str, str]]
"""Gives the texts of documents by their ids."""


class RunMemory:
    """The memories that a run uses, loaded once in a process with the first document that needs them. Thread-safe."""

    def __init__(self, learned: Mapping[tuple[str, Part], Learned], load: LoadMemories, load_texts: LoadTexts) -> None:
        self._ids = {name: found.learned_id for (name, part), found in learned.items() if part is Part.MEMORY}
        self._load, self._load_texts = load, load_texts
        self._known: dict[str, Sequence[MemoryRow]] = {}
        self._memories: dict[str, TypeMemory] = {}
        self._taught: dict[str, DocumentType] = {}
        self._loading = threading.Lock()

    def learned_id(self, document_type: str) -> int | None:
        """The id of what was learnt for a type, None where nothing was."""
        return self._ids.get(document_type)

    def recall(self, document: Document, pages: Sequence[Page]) -> tuple[Remembered, ...]:
        """The decided documents that are most like this one."""
        name = document.document_type or ""
        if name not in self._ids:
            return ()
        with self._loading:
            if name not in self._memories:
                self._memories[name] = TypeMemory(self._rows(name))
        return self._memories[name].recall(document.document_id, pages)

    def taught(self, document_type: DocumentType) -> DocumentType:
        """The type with the texts of decided documents as examples, where it has fields that a classifier reads."""
        name = document_type.name
        if name not in self._ids or not enum_values(document_type):
            return document_type
        with self._loading:
            if name not in self._taught:
                lessons = chosen(document_type, values_in(self._rows(name)))
                texts = self._load_texts(list(lessons))
                examples = (Example(text=text, labels=dict(lessons[id_])) for id_, text in texts.items())
                self._taught[name] = taught(document_type, examples)
        return self._taught[name]

    def _rows(self, name: str) -> Sequence[MemoryRow]:
        if name not in self._known:
            self._known[name] = self._load(name, self._ids[name])
        return self._known[name]
