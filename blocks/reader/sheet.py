"""A document as the built-in reader sees it: rows of cells, with the labels of its type found in them."""

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from blocks.document_types.schema import DocumentType, FieldType
from blocks.reader.candidates import has_amount
from blocks.reader.lexicon import Label, Lexicon
from blocks.reader.lines import Cell, Row, read_rows
from blocks.reader.ranking import Surroundings, label_weight
from blocks.records import Page
from blocks.values.typed_values import number_languages

MOST_LABELS = 300
"""How many labels of a field are followed: a document that repeats one more often says nothing new."""
_KEY_END = re.compile(r"[\w.-]*\s?:")


@dataclass(frozen=True)
class Sheet:
    """A document as the built-in reader sees it: rows, and the labels found in each."""

    rows: tuple[Row, ...]
    labels: dict[int, list[Label]]
    languages: tuple[str, ...]
    surroundings: Surroundings
    money_fields: frozenset[str]
    number_languages: tuple[str, ...]
    pages: tuple[Page, ...] = ()

    def table_ends(self) -> frozenset[int]:
        """The rows with the label of a whole document's amount beside an amount: tables end above them."""
        return frozenset(
            label.cell.row
            for row in self.labels.values()
            for label in row
            if label.start <= 2
            and has_amount(self.rows[label.cell.row].text, self.number_languages)
            and any(m.field in self.money_fields and not m.is_against for m in label.meanings)
        )

    def labels_of(self, name: str) -> list[Label]:
        """The labels of a field, best alias first, in reading order among equals."""
        found = [
            (m.rank, label)
            for row in self.labels.values()
            for label in row
            if (m := label.meaning(name)) and not m.is_against
        ]
        return [label for _, label in sorted(found, key=lambda one: one[0])]

    def weighed_labels(self, name: str) -> list[tuple[Label, float]]:
        """The labels of a field with the log odds of each, in reading order; the strongest where there are many."""
        weighed = [
            (label, weight)
            for labels in self.labels.values()
            for label in labels
            if (weight := label_weight(label, name, self.labels)) > -math.inf
        ]
        if len(weighed) > MOST_LABELS:
            limit = sorted((weight for _, weight in weighed), reverse=True)[MOST_LABELS - 1]
            weighed = [one for one in weighed if one[1] >= limit][:MOST_LABELS]
        return weighed

    @cached_property
    def label_cells(self) -> frozenset[tuple[int, int]]:
        """The cells, by row and start, that are nothing but a label."""
        found = set()
        for labels in self.labels.values():
            for label in labels:
                rest = label.cell.text[: label.start] + label.cell.text[label.end :]
                if not any(c.isalnum() for c in rest) and not all(m.is_against for m in label.meanings):
                    found.add((label.cell.row, label.cell.start))
        return frozenset(found)

    def is_key(self, cell: Cell) -> bool:
        """Whether a cell is the key of a "key : value" row."""
        if cell.text.endswith(":"):
            return True
        cells = self.rows[cell.row].cells
        at = next(i for i, other in enumerate(cells) if other.start == cell.start)
        return at + 1 < len(cells) and _KEY_END.match(cells[at + 1].text) is not None


def open_sheet(document_type: DocumentType, lexicon: Lexicon, pages: tuple[Page, ...]) -> Sheet:
    """Lay the pages out and find every label."""
    rows = read_rows(pages)
    labels: dict[int, list[Label]] = defaultdict(list)
    seen: set[str] = set()
    for row in rows:
        for cell in row.cells:
            found = lexicon.find(cell)
            labels[row.index].extend(found)
            seen.update(m.field for label in found for m in label.meanings if not m.is_against)
    money = frozenset(name for name, field in document_type.fields.items() if field.type is FieldType.MONEY)
    missing = [n for n, f in document_type.fields.items() if f.aliases and f.required and n not in seen]
    if missing and (phrases := lexicon.phrases_of(missing)):
        for row in rows:
            for cell in row.cells:
                if len(cell.text) < 60 and not any(one.cell is cell for one in labels[row.index]):
                    labels[row.index].extend(lexicon.find_bent(cell, phrases))
    return Sheet(
        rows,
        dict(labels),
        document_type.languages,
        Surroundings(rows),
        money,
        number_languages([page.text for page in pages], document_type.languages),
        pages,
    )
