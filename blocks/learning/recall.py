"""From what is remembered to what one document may be read by: the decided documents like it, without its twins."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from pydantic import JsonValue

from blocks.evidence.traces import Remembered
from blocks.learning.memory import Decided, Memory
from blocks.learning.memory_rows import MemoryRow
from blocks.records import Page


class TypeMemory:
    """The memory of one document type, and the twins in it."""

    def __init__(self, rows: Sequence[MemoryRow]) -> None:
        self._memory = Memory([Decided.model_validate_json(row.content) for row in rows])
        self._twins: dict[str, set[str]] = defaultdict(set)
        self._digests = {row.document_id: row.text_digest for row in rows}
        for row in rows:
            self._twins[row.text_digest].add(row.document_id)

    def recall(
        self, document_id: str, pages: Sequence[Page], but: Collection[str] = frozenset()
    ) -> tuple[Remembered, ...]:
        """The decided documents that are most like this one; never the document itself, nor one with the same text, nor
        one of `but`."""
        return self._memory.recall(pages, {*self._own(document_id, pages), *but})

    def nearest(self, document_id: str, pages: Sequence[Page]) -> list[str]:
        """The ids of the decided documents that are most like this one, without the same ones, and no two twins."""
        by_text: dict[str, str] = {}
        for found in self._memory.nearest(pages, self._own(document_id, pages)):
            by_text.setdefault(self._digests[found], found)
        return list(by_text.values())

    def _own(self, document_id: str, pages: Sequence[Page]) -> set[str]:
        """The document itself, and those with its text."""
        return {document_id} | self._twins.get(text_digest(pages), set())


def values_in(rows: Sequence[MemoryRow]) -> dict[str, dict[str, JsonValue]]:
    """By document, in the order of the rows, the values that are kept: those of enum fields, and names of issuers."""
    decided = (Decided.model_validate_json(row.content) for row in rows)
    return {
        document.document_id: {name: trace.value for name, trace in document.fields.items() if trace.value is not None}
        for document in decided
    }


def issuers_in(rows: Sequence[MemoryRow]) -> dict[str, str]:
    """By document the digest of its issuer's name, of those whose issuer people named."""
    issuers = {row.document_id: str(json.loads(row.content).get("issuer", "")) for row in rows}
    return {document_id: issuer for document_id, issuer in issuers.items() if issuer}


def text_digest(pages: Sequence[Page]) -> str:
    """Digest of the visible text without case and blanks: documents with the same one are twins."""
    return digest_of_texts(page.text for page in pages)


def digest_of_texts(texts: Iterable[str]) -> str:
    """`text_digest` of pages with these texts."""
    words = " ".join(word for text in texts for word in text.casefold().split())
    return hashlib.sha256(words.encode()).hexdigest()
