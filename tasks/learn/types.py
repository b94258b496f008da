"""Whether documents are better known as what they are where decided documents teach the classifier of types.

The latest decided documents of each type that remembers are examples of it. They are measured as fields are: a
document's type is judged with what the other folds teach, and without.
"""

from collections.abc import Callable, Mapping, Sequence

from blocks.document_types.schema import DocumentType
from blocks.learning.labels import fold_of
from blocks.learning.lessons import MAX_OF_TYPE, taught_as_type
from tasks.learn.gate import FieldGate, LoadTexts, compared, measured_ids

OTHERS_MEASURED = 50
"""So many documents of each other type are measured: what teaches one type may cost another."""

JudgeTypes = Callable[[Mapping[str, DocumentType], Sequence[str]], Sequence[str]]
"""Gives the type of each text, decided between the given types. `tasks/stage_openers.py` has it of classify."""

Remembered = Mapping[str, Sequence[tuple[str, str]]]
"""By document type, the ids of decided documents, the latest first, each with the digest of its text."""


def measure_types(
    name: str, types: Mapping[str, DocumentType], remembered: Remembered, load_texts: LoadTexts, judge: JudgeTypes
) -> FieldGate:
    """Measure up to 200 decided documents of the type `name`, and some of each other type that remembers."""
    type_of = {id_: known for known, documents in remembered.items() for id_, _ in documents}
    folds = {id_: fold_of(digest) for documents in remembered.values() for id_, digest in documents}
    measured = [
        id_
        for known, documents in remembered.items()
        for id_ in (measured_ids(id_ for id_, _ in documents)[: None if known == name else OTHERS_MEASURED])
    ]
    lessons = {known: [id_ for id_, _ in documents[:MAX_OF_TYPE]] for known, documents in remembered.items()}
    texts = load_texts(list(dict.fromkeys([*measured, *(id_ for ids in lessons.values() for id_ in ids)])))
    measured = [id_ for id_ in measured if id_ in texts]
    before = dict(zip(measured, judge(types, [texts[id_] for id_ in measured]), strict=True))
    after: dict[str, str] = {}
    for fold in sorted({folds[id_] for id_ in measured}):
        learnt = {
            known: taught_as_type(types[known], [texts[id_] for id_ in ids if id_ in texts and folds[id_] != fold])
            for known, ids in lessons.items()
        }
        own = [id_ for id_ in measured if folds[id_] == fold]
        after.update(zip(own, judge({**types, **learnt}, [texts[id_] for id_ in own]), strict=True))
    return compared((before[id_] == type_of[id_], after[id_] == type_of[id_]) for id_ in measured)
