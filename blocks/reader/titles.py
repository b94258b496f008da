"""Labels of another paper that a document refers to: the invoice's number and date on a credit note.

A document whose title is one of the labels of its number ("Credit note") has its own number beside a label that begins
so ("Credit note no."). Where another number has a label that begins with another such title ("Invoice number"), that
number and the dates of its kind ("Invoice date") are those of another paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from blocks.document_types.schema import DocumentType, FieldType
from blocks.reader.lexicon import Label, plain

OF_ANOTHER_PAPER = 2.5
"""What the label of another paper loses, in log odds: beside a label of the document's own it is not the likelier."""
TITLE_ROWS = 15


@dataclass(frozen=True, slots=True)
class Titles:
    """What a type's papers may be titled: aliases of its required numbers with which other labels begin.

    `numbers` are those fields, `fields` all that name a paper: its numbers and dates.
    """

    phrases: frozenset[str]
    numbers: frozenset[str]
    fields: frozenset[str]

    @classmethod
    def of(cls, document_type: DocumentType) -> "Titles":
        """The titles of a type's papers, as `plain` writes them."""
        fields = document_type.fields
        named = {name for name, field in fields.items() if field.hints.kind == "identifier"}
        numbers = {name for name in named if fields[name].required}
        labels = {plain(alias) for field in fields.values() for alias in field.aliases}
        aliases = {plain(alias) for name in numbers for alias in fields[name].aliases}
        return cls(
            phrases=frozenset(alias for alias in aliases if any(_is_more_than(label, alias) for label in labels)),
            numbers=frozenset(numbers),
            fields=frozenset(named | {name for name, field in fields.items() if field.type is FieldType.DATE}),
        )

    def labels_of_others(self, labels: Sequence[Label]) -> frozenset[tuple[int, int]]:
        """The labels of other papers, by row and place in the text of their page."""
        own = self._title(labels)
        if own is None or not any(_phrase(label).startswith(own) and _has_value(label, own) for label in labels):
            return frozenset()
        unrelated = [title for title in self.phrases if title not in own and own not in title]
        others = [
            label
            for label in labels
            if not _phrase(label).startswith(own) and any(_phrase(label).startswith(title) for title in unrelated)
        ]
        if not any(self._is_of_number(label) for label in others):
            return frozenset()  # "Invoice date" alone: the form of an invoice was used for a credit note
        return frozenset((label.cell.row, label.cell.start + label.start) for label in others)

    def _title(self, labels: Sequence[Label]) -> str | None:
        """The title that stands alone in a cell at the top."""
        for label in labels:
            phrase = _phrase(label)
            if label.cell.row < TITLE_ROWS and phrase in self.phrases and plain(label.cell.text) == phrase:
                return phrase
        return None

    def _is_of_number(self, label: Label) -> bool:
        return any(meaning.field in self.numbers and not meaning.is_against for meaning in label.meanings)


def _is_more_than(label: str, title: str) -> bool:
    return label != title and label.startswith(title)


def _has_value(label: Label, title: str) -> bool:
    """Whether a label is more than the title, or a figure follows it in its cell."""
    return _phrase(label) != title or any(c.isdigit() for c in label.cell.text[label.end :])


def _phrase(label: Label) -> str:
    return plain(label.cell.text[label.start : label.end])
