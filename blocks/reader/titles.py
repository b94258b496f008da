"""Labels of another paper that a document refers to: the invoice's number and date on a credit note.

A document whose title is one of the labels of its number ("Credit note") has its own number beside a label that begins
so ("Credit note no."). A label that begins with another such title ("Invoice number") is then that of the other paper.
"""

from collections.abc import Iterable, Sequence

from blocks.document_types.schema import DocumentType, FieldType
from blocks.reader.lexicon import Label, plain

OF_ANOTHER_PAPER = 2.5
"""What the label of another paper loses, in log odds: with a label of the document's own it is not the likelier one."""
TITLE_ROWS = 15


def title_phrases(document_type: DocumentType) -> frozenset[str]:
    """The aliases of required numbers with which other labels of the type begin, as `plain` writes them."""
    fields = document_type.fields.values()
    phrases = {plain(alias) for field in fields for alias in field.aliases}
    names = {
        plain(alias)
        for field in fields
        if field.required and field.hints.kind == "identifier"
        for alias in field.aliases
    }
    return frozenset(name for name in names if any(other != name and other.startswith(name) for other in phrases))


def fields_of_papers(document_type: DocumentType) -> frozenset[str]:
    """The fields whose labels name a paper: its numbers and dates."""
    return frozenset(
        name
        for name, field in document_type.fields.items()
        if field.type is FieldType.DATE or field.hints.kind == "identifier"
    )


def labels_of_other_papers(labels: Sequence[Label], titles: frozenset[str]) -> frozenset[tuple[int, int]]:
    """The labels of other papers, by row and place in the text of their page; none where the document has no title."""
    own = _title(labels, titles)
    if own is None or not any(_phrase(label).startswith(own) and _is_beside_value(label, own) for label in labels):
        return frozenset()
    others = [title for title in titles if title not in own and own not in title]
    return frozenset(
        (label.cell.row, label.cell.start + label.start)
        for label in labels
        if _begins_with(_phrase(label), others) and not _phrase(label).startswith(own)
    )


def _title(labels: Sequence[Label], titles: frozenset[str]) -> str | None:
    """The title that stands alone in a cell at the top."""
    return next(
        (
            _phrase(label)
            for label in labels
            if label.cell.row < TITLE_ROWS and _phrase(label) in titles and plain(label.cell.text) == _phrase(label)
        ),
        None,
    )


def _is_beside_value(label: Label, title: str) -> bool:
    """Whether a label is more than the title, or a figure follows it in its cell."""
    return _phrase(label) != title or any(c.isdigit() for c in label.cell.text[label.end :])


def _phrase(label: Label) -> str:
    return plain(label.cell.text[label.start : label.end])


def _begins_with(phrase: str, titles: Iterable[str]) -> bool:
    return any(phrase.startswith(title) for title in titles)
