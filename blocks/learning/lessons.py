"""People's decisions as examples of a type: its classifiers are trained on them beside the type's own examples.

What is remembered of a decided document says which values its enum fields have; its text is read from the database when
a run begins. So a text is in one place only, and is gone with its document.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from blocks.document_types.schema import DocumentType, Example, FieldType, TaughtExample

MAX_LESSONS = 1_000
"""So many decided texts are taught at most: training takes the cube of their number."""
MAX_OF_TYPE = 100
"""So many decided texts of a document type teach what documents of the type look like, the latest ones."""

Labels = Mapping[str, str]
"""The right values of enum fields, by field."""


def enum_values(document_type: DocumentType) -> dict[str, tuple[str, ...]]:
    """The values of the fields that a classifier reads, by field."""
    fields = document_type.fields.items()
    return {name: field.enum for name, field in fields if field.type is FieldType.ENUM and not field.written}


def chosen(document_type: DocumentType, decided: Mapping[str, Mapping[str, object]]) -> dict[str, Labels]:
    """Of decided documents, the latest last, those whose texts are taught, with the values of their enum fields.

    Where there are too many, every combination of values keeps its latest, so that none crowds out the others.
    """
    enums = enum_values(document_type)
    found = {
        document_id: {name: str(value) for name, value in values.items() if value in enums.get(name, ())}
        for document_id, values in decided.items()
    }
    taught = [(document_id, labels) for document_id, labels in found.items() if labels]
    return {taught[place][0]: taught[place][1] for place in _evenly([labels for _, labels in taught])}


def taught(document_type: DocumentType, lessons: Iterable[Example]) -> DocumentType:
    """The type with decided texts as further examples, for the built-in reader only.

    `lessons` are in the order in which people decided, the latest last. Each has the right values of enum fields in
    `labels`; values that the type does not have are left out. A text that the type has as an example keeps the person's
    labels.
    """
    enums = enum_values(document_type)
    latest: dict[str, TaughtExample] = {}
    for lesson in lessons:
        labels = {name: value for name, value in lesson.labels.items() if value in enums.get(name, ())}
        if labels and lesson.text.strip():
            latest.pop(lesson.text, None)
            latest[lesson.text] = TaughtExample(text=lesson.text, labels=labels)
    found = list(latest.values())
    return _with_examples(document_type, [found[place] for place in _evenly([lesson.labels for lesson in found])])


def taught_as_type(document_type: DocumentType, texts: Iterable[str]) -> DocumentType:
    """The type with texts of its decided documents as further examples, for the classifier of types only."""
    distinct = dict.fromkeys(text for text in texts if text.strip())
    return _with_examples(document_type, [TaughtExample(text=text) for text in distinct])


def _with_examples(document_type: DocumentType, decided: Sequence[TaughtExample]) -> DocumentType:
    if not decided:
        return document_type
    texts = {example.text for example in decided}
    own = tuple(example for example in document_type.examples if example.text not in texts)
    return document_type.model_copy(update={"examples": (*own, *decided)})


def _evenly(labels: Sequence[Labels]) -> list[int]:
    """The places of those that are kept, in their order."""
    if len(labels) <= MAX_LESSONS:
        return list(range(len(labels)))
    by_labels: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for place in range(len(labels) - 1, -1, -1):
        by_labels[tuple(sorted(labels[place].items()))].append(place)
    ranked = sorted((turn, -place) for places in by_labels.values() for turn, place in enumerate(places))
    return sorted(-place for _, place in ranked[:MAX_LESSONS])
