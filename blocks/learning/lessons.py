"""People's decisions as examples of a type: its classifiers are trained on them beside the type's own examples."""

from collections import defaultdict
from collections.abc import Iterable

from blocks.document_types.schema import DocumentType, Example, FieldType

MAX_LESSONS = 2_000
"""So many decided texts are taught at most: training takes the cube of their number."""


def taught(document_type: DocumentType, lessons: Iterable[Example]) -> DocumentType:
    """The type with decided texts as further examples, for the built-in reader only.

    `lessons` are in the order in which people decided, the latest last. Each has the right values of enum fields in
    `labels`; values that the type does not have are left out. Where there are too many, every combination of values
    keeps its latest, so that none crowds out the others. A text that the type has as an example keeps the person's
    labels.
    """
    enums = {name: field.enum for name, field in document_type.fields.items() if field.type is FieldType.ENUM}
    latest: dict[str, Example] = {}
    for lesson in lessons:
        labels = {name: value for name, value in lesson.labels.items() if value in enums.get(name, ())}
        if labels and lesson.text.strip():
            latest.pop(lesson.text, None)
            latest[lesson.text] = Example(text=lesson.text, labels=labels)
    kept = _evenly(list(latest.values()))
    own = tuple(example for example in document_type.examples if example.text not in latest)
    return document_type.model_copy(update={"examples": (*own, *kept)}) if kept else document_type


def _evenly(lessons: list[Example]) -> list[Example]:
    if len(lessons) <= MAX_LESSONS:
        return lessons
    by_labels: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for place in range(len(lessons) - 1, -1, -1):
        by_labels[tuple(sorted(lessons[place].labels.items()))].append(place)
    ranked = sorted((turn, -place) for places in by_labels.values() for turn, place in enumerate(places))
    kept = sorted(-place for _, place in ranked[:MAX_LESSONS])
    return [lessons[place] for place in kept]
