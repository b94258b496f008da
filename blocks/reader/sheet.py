"""A document as the built-in reader sees it: rows of cells, and the labels of its type in them."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from blocks.document_types.schema import DocumentType, FieldType
from blocks.reader.candidates import has_amount
from blocks.reader.lexicon import Label, Lexicon
from blocks.reader.lines import Cell, Row, read_rows
from blocks.reader.ranking import Surroundings, label_weight
from blocks.reader.titles import OF_ANOTHER_PAPER, Titles
from blocks.records import Page
from blocks.values.notation import Notation, notation_of

MAX_LABELS = 300
"""How many labels of a field are followed: more repetitions of one add nothing."""
MAX_MISREAD_CHARACTERS = 60
"""Longer cells are sentences, in which no misread label is looked for."""
_MAIL_HEADER = re.compile(
    r"(?:from|to|cc|bcc|subject|date|reply-to|sent|von|an|betreff|datum|gesendet|de|à|objet)\s?:", re.I
)
_RATE = re.compile(r"\d\s?%")
_AMOUNT = re.compile(r"\d[.,]\d\d(?!\d|[.,]\d|\s?%)")
_KEY_END = re.compile(r"\s?:|(?:n[or°º]?|num|nummer|number)\.?\s?:", re.IGNORECASE)
"""How the cell behind a key may begin where the key runs on into it: "Invoice | no.: 4711"."""


@dataclass(frozen=True)
class Sheet:
    """One document. `labels` has the labels of each row by its index."""

    pages: tuple[Page, ...]
    rows: tuple[Row, ...]
    labels: dict[int, list[Label]]
    surroundings: Surroundings
    notation: Notation
    money_fields: frozenset[str]
    titles: Titles

    @cached_property
    def table_ends(self) -> frozenset[int]:
        """The rows that no table reaches: an amount of the whole document stands there beside its label."""
        ends: set[int] = set()
        for row, labels in self.labels.items():
            of_money = [label for label in labels if self._money_meanings(label)]
            begins = any(label.start <= 2 for label in of_money)
            if begins and has_amount(self.rows[row].text, self.notation):
                ends.add(row)
            elif len({field for label in of_money for field in self._money_meanings(label)}) > 1 and len(of_money) > 1:
                ends.add(row)  # the header of a table of totals
        return frozenset(ends)

    def _money_meanings(self, label: Label) -> frozenset[str]:
        return self.money_fields & {meaning.field for meaning in label.meanings if not meaning.is_against}

    @cached_property
    def envelope(self) -> frozenset[int]:
        """The rows of a mail's header above its text: its date is that of the mail, not of the document in it."""
        rows: list[int] = []
        for row in self.rows:
            if not _MAIL_HEADER.match(row.text):
                break
            rows.append(row.index)
        return frozenset(rows) if len(rows) > 1 else frozenset()

    @cached_property
    def rate_rows(self) -> Mapping[int, bool]:
        """The rows with a percentage; true for those with at least two amounts, as in a table of taxes by rate."""
        return {row.index: len(_AMOUNT.findall(row.text)) > 1 for row in self.rows if _RATE.search(row.text)}

    def labels_of(self, name: str) -> list[Label]:
        """The labels of a field, best alias first, in reading order among equals."""
        found = [
            (meaning.rank, label)
            for label in self._all_labels()
            if (meaning := label.meaning(name)) and not meaning.is_against
        ]
        return [label for _, label in sorted(found, key=lambda ranked: ranked[0])]

    def weighed_labels(self, name: str) -> list[tuple[Label, float]]:
        """The labels of a field with the log odds of each, in reading order; the strongest where there are many."""
        others = self._of_other_papers if name in self.titles.fields else frozenset()
        weighed = [
            (label, weight - (OF_ANOTHER_PAPER if (label.cell.row, label.cell.start + label.start) in others else 0.0))
            for label in self._all_labels()
            if (weight := label_weight(label, name, self.labels)) > -math.inf
        ]
        if len(weighed) > MAX_LABELS:
            limit = sorted((weight for _, weight in weighed), reverse=True)[MAX_LABELS - 1]
            weighed = [(label, weight) for label, weight in weighed if weight >= limit][:MAX_LABELS]
        return weighed

    @cached_property
    def _of_other_papers(self) -> frozenset[tuple[int, int]]:
        return self.titles.labels_of_others(list(self._all_labels()))

    @cached_property
    def label_cells(self) -> frozenset[tuple[int, int]]:
        """The cells, by row and start, that hold a label and nothing else."""
        return frozenset(
            (label.cell.row, label.cell.start)
            for label in self._all_labels()
            if not label.is_only_against
            and not any(c.isalnum() for c in label.cell.text[: label.start] + label.cell.text[label.end :])
        )

    def is_key(self, cell: Cell) -> bool:
        """Whether a cell is the key of a "key : value" row."""
        following = self.cell_after(cell)
        return cell.text.endswith(":") or (following is not None and _KEY_END.match(following.text) is not None)

    def cell_after(self, cell: Cell) -> Cell | None:
        """The next cell of the same row."""
        cells = self.rows[cell.row].cells
        at = next(i for i, other in enumerate(cells) if other.start == cell.start)
        return cells[at + 1] if at + 1 < len(cells) else None

    def _all_labels(self) -> Iterator[Label]:
        return (label for labels in self.labels.values() for label in labels)


def open_sheet(document_type: DocumentType, lexicon: Lexicon, pages: tuple[Page, ...]) -> Sheet:
    """Lay the pages out in rows, and find every label."""
    rows = read_rows(pages)
    labels: dict[int, list[Label]] = defaultdict(list)
    for row in rows:
        for cell in row.cells:
            labels[row.index].extend(lexicon.find(cell))
    found = (meaning for row in labels.values() for label in row for meaning in label.meanings)
    seen = {meaning.field for meaning in found if not meaning.is_against}
    fields = document_type.fields
    missing = [name for name, field in fields.items() if field.aliases and field.required and name not in seen]
    if missing and (phrases := lexicon.phrases_of(missing)):
        for row in rows:
            for cell in row.cells:
                has_label = any(label.cell is cell for label in labels[row.index])
                if len(cell.text) < MAX_MISREAD_CHARACTERS and not has_label:
                    labels[row.index].extend(lexicon.find_misread(cell, phrases))
    return Sheet(
        pages=pages,
        rows=rows,
        labels=dict(labels),
        surroundings=Surroundings(rows),
        notation=notation_of(tuple(page.text for page in pages), document_type.languages),
        money_fields=frozenset(name for name, field in fields.items() if field.type is FieldType.MONEY),
        titles=Titles.of(document_type),
    )
