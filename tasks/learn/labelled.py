"""Documents with their pages, and the values that people know to be right."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from blocks.database.engine import Database
from blocks.database.learning.labels import LabelFilter, labels_of, read_labels
from blocks.database.outages import survives_outages
from blocks.database.pipeline.stage_outputs import load_payloads
from blocks.document_types.schema import DocumentType
from blocks.learning.labels import TYPE_FIELD, Label, that_count
from blocks.learning.recall import digest_of_texts, text_digest
from blocks.records import Extraction, Page, Stage

AT_ONCE = 50
"""So many documents' pages are in memory at a time."""

Values = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """A document of one type, with the right value of each labelled field; None is "not on the document"."""

    document_id: str
    pages: tuple[Page, ...]
    values: Values

    @property
    def text_digest(self) -> str:
        """Equal for twins."""
        return text_digest(self.pages)


def labelled_values(database: Database, document_type: DocumentType) -> dict[str, dict[str, JsonValue]]:
    """By document, the right values of its labelled fields, of those that the type has.

    A document of which a person decided the type alone has none, and shows what documents of the type look like.
    """
    found: dict[str, dict[str, JsonValue]] = {}
    for label, _ in read_labels(database, LabelFilter(document_type=document_type.name)):
        if label.field in document_type.fields:
            found.setdefault(label.document_id, {})[label.field] = label.value
        elif label.field == TYPE_FIELD:
            found.setdefault(label.document_id, {})
    return found


@survives_outages
def values_of(
    database: Database, document_type: DocumentType, document_ids: Collection[str]
) -> dict[str, dict[str, JsonValue]]:
    """The right values of each of the documents, as labels of this type have them now; empty where none has."""
    found: dict[str, dict[str, JsonValue]] = {document_id: {} for document_id in document_ids}
    if not found:
        return found
    every: defaultdict[str, list[Label]] = defaultdict(list)
    with database.read() as connection:
        for (document_id, _), labels in labels_of(connection, document_ids).items():
            every[document_id] += labels
    for document_id, labels in every.items():
        for label in that_count(labels):
            if label.document_type == document_type.name and label.field in document_type.fields:
                found[document_id][label.field] = label.value
    return found


def decided_documents(
    database: Database, document_type: DocumentType, document_ids: Sequence[str]
) -> list[LabelledDocument]:
    """Those of the documents that have labels of this type and pages, as both are now, in this order."""
    values = {id_: own for id_, own in values_of(database, document_type, document_ids).items() if own}
    found = {document.document_id: document for document in with_pages(database, values, list(values))}
    return [found[document_id] for document_id in document_ids if document_id in found]


def made_of(document_type: DocumentType, values: Values) -> str:
    """Digest of what a memory is made of: the values, and the description of the fields that read them."""
    content = json.dumps([document_type.score_digest, dict(values)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def with_pages(
    database: Database, values: Mapping[str, Values], document_ids: Sequence[str]
) -> Iterator[LabelledDocument]:
    """The documents with their pages, a few at a time; those whose pages the database no longer has are left out."""
    for first in range(0, len(document_ids), AT_ONCE):
        ids = document_ids[first : first + AT_ONCE]
        for document_id, payload in _extractions(database, ids).items():
            pages = Extraction.model_validate_json(payload).pages
            yield LabelledDocument(document_id, pages, values[document_id])


def text_digests(database: Database, document_ids: Sequence[str]) -> dict[str, str]:
    """The digest of each document's text, of those whose pages the database still has; the words' boxes are not
    read."""
    found = {}
    for first in range(0, len(document_ids), AT_ONCE):
        for document_id, payload in _extractions(database, document_ids[first : first + AT_ONCE]).items():
            found[document_id] = digest_of_texts(page["text"] for page in json.loads(payload)["pages"])
    return found


@survives_outages
def _extractions(database: Database, document_ids: Sequence[str]) -> dict[str, bytes]:
    with database.read() as connection:
        return load_payloads(connection, Stage.EXTRACT, document_ids)
