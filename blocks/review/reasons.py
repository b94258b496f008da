"""The reasons of a verdict in plain sentences, and the field that each is about."""

from collections.abc import Mapping

from blocks.document_types.schema import DocumentType

_OF_FIELDS: Mapping[str, str] = {
    "missing": "{label} was not found, and the type needs it.",
    "low_confidence": "{label} is not sure enough.",
    "invalid": "{label} was read as “{detail}”, which is no such value.",
    "ungrounded": "{label} has a quote that the document does not have, or that says something else.",
    "rejected": "{label} has a value that the type rejects.",
}
_WITHOUT_VALUE = {"missing", "invalid"}
_OF_DOCUMENTS: Mapping[str, str] = {
    "expectation": "The row breaks the type's expectation “{label}”.",
    "contradiction": "Values do not agree: {detail}.",
    "several_documents": "The file seems to hold several documents: {detail}.",
    "unknown_type": "The kind of document is not clear. Nearest: {detail}.",
    "low_type_confidence": "The kind of document is not sure: {detail}.",
    "hidden_text": "The document holds text that a reader does not see. Trust only what you see.",
    "low_ocr_confidence": "The scan is hard to read.",
    "pages_unread": "The file is damaged. These pages could not be read: {detail}.",
    "read_in_part": "A model saw only a part of the document.",
    "sensitive": "Documents of this type are checked by a person unless every value is nearly certain.",
    "unproven": "The row is sure, and labels do not prove yet what its type promises.",
    "reopened": "A run was asked to open the decision on this document again.",
    "unreadable": "A person found the document unreadable.",
    "rejected_by_person": "A person rejected the document: {detail}.",
    "failed": "The document could not be read: {cause}.",
}
_WITHOUT_DETAIL: Mapping[str, str] = {
    "unknown_type": "The kind of document is not clear.",
    "low_type_confidence": "The kind of document is not sure.",
}
_CAUSES: Mapping[str, str] = {
    "encrypted": "it needs a password (WINNOW_PASSWORDS)",
    "corrupt": "the file is damaged; ask for another copy",
    "empty": "it holds no text and no picture",
    "timed_out": "it took too long",
    "out_of_memory": "it needs too much memory",
    "crashed": "its parser crashed",
    "too_large": "it is too large",
    "too_many_pages": "it has too many pages",
    "unsupported_media_type": "Winnow does not read this kind of file",
    "source_changed": "the file has changed or is gone",
    "quarantined": "it broke the processes that read it",
    "internal": "a defect of Winnow",
}


def sentence(reason: str) -> str:
    """A reason in words. A code that is not known here is shown as it is, without its underscores."""
    code, _, detail = reason.partition(":")
    detail = detail.strip()
    pattern = _OF_FIELDS.get(code) or (_WITHOUT_DETAIL.get(code) if not detail else None) or _OF_DOCUMENTS.get(code)
    if pattern is None:
        return reason.replace("_", " ")
    name, _, rest = detail.partition(":")
    label = _label(name if code in _OF_FIELDS else detail)
    cause = _CAUSES.get(detail, detail.replace("_", " "))
    return pattern.format(label=label, detail=rest.strip() or detail, cause=cause)


def field_of(reason: str, document_type: DocumentType | None) -> str | None:
    """The field that a reason is about; None for a reason about the document."""
    code, _, detail = reason.partition(":")
    name = detail.partition(":")[0].strip()
    is_field = code in _OF_FIELDS and document_type is not None and name in document_type.fields
    return name if is_field else None


def fields_named(reason: str, document_type: DocumentType | None) -> tuple[str, ...]:
    """The fields that a reason names: its own, those whose figures do not agree, or those that an expectation names."""
    own = field_of(reason, document_type)
    if own is not None:
        return (own,)
    if document_type is None:
        return ()
    code, _, detail = reason.partition(":")
    if code == "expectation":  # its name says what it is about: due_date_is_not_before_issue_date
        return tuple(name for name in document_type.fields if f"_{name}_" in f"_{detail}_")
    words = set(detail.replace(",", " ").split()) if code == "contradiction" else ()
    return tuple(name for name in document_type.fields if name in words)


def doubted_fields(reason: str, document_type: DocumentType | None) -> tuple[str, ...]:
    """The fields whose value a reason puts in doubt; none for a reason that says that there is no value."""
    code = reason.partition(":")[0]
    return () if code in _WITHOUT_VALUE else fields_named(reason, document_type)


def raw_of(reason: str) -> str:
    """What was read of a field that is no value of its type; empty for other reasons."""
    code, _, detail = reason.partition(":")
    return detail.partition(":")[2].strip() if code == "invalid" else ""


def _label(name: str) -> str:
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
