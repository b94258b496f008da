"""Enum fields: a text classifier trained on the type's examples and keywords, with the words that spoke for the label."""

from itertools import accumulate

from blocks.document_types import DocumentField, DocumentType
from blocks.evidence import quoted
from blocks.gateway.providers.local.memo import Memo
from blocks.records import Evidence, FieldReading, Page
from blocks.text_classifier import READ_CHARACTERS, Lesson, TextClassifier
from blocks.text_training import train

QUOTE_WORDS = 12
"""The longest quote, in words."""

SHORT_LABEL_LETTERS = 2

_classifiers: Memo[TextClassifier] = Memo(64)


def read_enum(
    field_name: str, field: DocumentField, document_type: DocumentType, pages: tuple[Page, ...]
) -> FieldReading | None:
    """The most probable value of an enum field, its calibrated probability, and the words that spoke most for it.

    None where the pages hold no word, or where neither examples nor keywords tell the values apart.
    """
    classifier = enum_classifier(field_name, field, document_type)
    text = _text(pages)
    if not text.strip() or classifier is None:
        return None
    prediction = classifier.predict([text])[0]
    if prediction.label not in field.enum:
        return None
    evidence = find_evidence(classifier, prediction.label, pages)
    return FieldReading(value=prediction.label, confidence=prediction.confidence, evidence=evidence)


def enum_classifier(field_name: str, field: DocumentField, document_type: DocumentType) -> TextClassifier | None:
    """The classifier of a field; None where the type says nothing by which its values could be told apart.

    Values without examples and keywords are known by their own words alone.
    """
    return _classifiers.get(
        f"{document_type.score_digest}:{field_name}", lambda: _train(field_name, field, document_type)
    )
