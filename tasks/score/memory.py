"""What the score stage uses of what was learnt: for each document, the decided ones that are most like it, and for each
type, the texts of decided documents that teach its classifiers.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence

from blocks.database.learning.learned import Learned, Part
from blocks.document_types.schema import DocumentType, Example
from blocks.evidence.traces import Remembered
from blocks.gateway.model import DecidedExample
from blocks.learning.lessons import chosen, enum_values, taught
from blocks.learning.memory_rows import MemoryRow
from blocks.learning.recall import TypeMemory, values_in
from blocks.records import Document, Page
from tasks.score.examples import LoadDecided, examples_of

LoadMemories = Callable[[str, int], Sequence[MemoryRow]]
"""Gives all that is remembered of a document type in the memory of an id."""


LoadTexts = Callable[[Sequence[str]], Mapping[str, str]]
"""Gives the texts of documents by their ids."""


class RunMemory:
    """The memories that a run uses, loaded once in a process with the first document that needs them. Thread-safe."""

    def __init__(
        self,
        learned: Mapping[tuple[str, Part], Learned],
        load: LoadMemories,
        load_texts: LoadTexts,
        load_decided: LoadDecided,
    ) -> None:
        self._learned = learned
        self._load, self._load_texts, self._load_decided = load, load_texts, load_decided
        self._known: dict[tuple[str, int], Sequence[MemoryRow]] = {}
        self._memories: dict[tuple[str, int], TypeMemory] = {}
        self._taught: dict[str, DocumentType] = {}
        self._loading = threading.Lock()

    def learned_id(self, document_type: str) -> int | None:
        """The id of what was learnt for a type, None where nothing was."""
        found = self._learned.get((document_type, Part.MEMORY))
        return None if found is None else found.learned_id

    def examples_id(self, document_type: str) -> int | None:
        """The id under which decided documents of a type are shown to models, None where none are."""
        found = self._learned.get((document_type, Part.EXAMPLES))
        return None if found is None else found.learned_id

    def recall(self, document: Document, pages: Sequence[Page]) -> tuple[Remembered, ...]:
        """The decided documents that are most like this one."""
        name = document.document_type or ""
        found = self._learned.get((name, Part.MEMORY))
        return () if found is None else self._memory(name, found.learned_id).recall(document.document_id, pages)

    def examples(
        self, document_type: DocumentType, document_id: str, pages: Sequence[Page]
    ) -> tuple[DecidedExample, ...]:
        """The decided documents that are most like this one, as a model is shown them; reads the database."""
        found = self._learned.get((document_type.name, Part.EXAMPLES))
        if found is None or not document_type.examples_shown:
            return ()
        memory = self._memory(document_type.name, int(json.loads(found.content)["memory"]))
        return examples_of(document_type, memory.nearest(document_id, pages), self._load_decided)

    def _memory(self, name: str, learned_id: int) -> TypeMemory:
        with self._loading:
            if (name, learned_id) not in self._memories:
                self._memories[name, learned_id] = TypeMemory(self._rows(name, learned_id))
            return self._memories[name, learned_id]

    def taught(self, document_type: DocumentType) -> DocumentType:
        """The type with the texts of decided documents as examples, where it has fields that a classifier reads."""
        name = document_type.name
        learned_id = self.learned_id(name)
        if learned_id is None or not enum_values(document_type):
            return document_type
        with self._loading:
            if name not in self._taught:
                lessons = chosen(document_type, values_in(self._rows(name, learned_id)))
                texts = self._load_texts(list(lessons))
                examples = (Example(text=text, labels=dict(lessons[id_])) for id_, text in texts.items())
                self._taught[name] = taught(document_type, examples)
        return self._taught[name]

    def _rows(self, name: str, learned_id: int) -> Sequence[MemoryRow]:
        if (name, learned_id) not in self._known:
            self._known[name, learned_id] = self._load(name, learned_id)
        return self._known[name, learned_id]
