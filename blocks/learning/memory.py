"""The memory: decided documents as plain records, and which of them are most like a new document.

A document of the same issuer is known by its keys (`issuer_keys.py`), any other by its text (`likeness.py`). The caller
keeps out what may not be recalled: the document itself, its twins, documents of another owner.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from pydantic import Field, JsonValue

from blocks.document_types.schema import DocumentType
from blocks.evidence.traces import Remembered, Trace
from blocks.learning.issuer_keys import NAME, SAME_FROM, agreement, issuer_keys
from blocks.learning.likeness import Likeness, sketch, text_of
from blocks.learning.traces import habits, is_issuer, printed_name, traces_of
from blocks.reader.lexicon import plain
from blocks.reader.lines import read_rows
from blocks.records import Page, Record

NEAREST = 8
"""So many documents are recalled at most."""
MIN_LIKENESS = 0.3
"""Documents that are less alike say nothing of each other."""
HABIT = 0.1
"""What each document counts in the habits of its type, beside one that is like the new document."""
MIN_HABIT_DOCUMENTS = 20
"""So many decided documents have habits; fewer are chance."""
MAX_OF_A_KEY = 50
"""So many documents of a key are looked at, the latest of them."""
MANY_ISSUERS = 2
"""A key on documents of so many issuers identifies none of them."""


class Decided(Record):
    """What is remembered of a decided document: less than two kilobytes, and none of its text.

    `keys` are digests of what identifies its issuer, by kind; `issuer` is the digest of the issuer's name as a person
    states it, empty if nobody does. `sketch` is its text for comparisons.
    """

    document_id: str
    document_type: str
    keys: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    issuer: str = ""
    sketch: str = ""
    fields: Mapping[str, Trace] = Field(default_factory=dict)


def remember(
    document_id: str, document_type: DocumentType, pages: tuple[Page, ...], values: Mapping[str, JsonValue]
) -> Decided:
    """What to remember of a document. `values` are the right ones of the fields that people decided."""
    rows = read_rows(pages)
    named = _stated_names(document_type, values)
    names = list(dict.fromkeys(name for value in named for name in (value, printed_name(value, rows)) if plain(name)))
    keys = issuer_keys(pages, names)
    return Decided(
        document_id=document_id,
        document_type=document_type.name,
        keys=keys if names else {kind: found for kind, found in keys.items() if kind != NAME},
        issuer=keys[NAME][0] if names else "",
        sketch=sketch(text_of(pages)),
        fields=traces_of(document_type, pages, values),
    )


def stated_issuer(document_type: DocumentType, values: Mapping[str, JsonValue]) -> str:
    """The digest of the issuer's name as a person states it, `Decided.issuer`; empty if nobody does."""
    name = next((name for name in _stated_names(document_type, values) if plain(name)), "")
    return issuer_keys((), (name,))[NAME][0] if name else ""


def _stated_names(document_type: DocumentType, values: Mapping[str, JsonValue]) -> list[str]:
    return [
        str(value)
        for name, value in values.items()
        if value is not None and (field := document_type.fields.get(name)) and is_issuer(field)
    ]


class Memory:
    """The decided documents of one type, the latest last."""

    def __init__(self, decided: Sequence[Decided]) -> None:
        self._decided = tuple(decided)
        self._likeness = Likeness([document.sketch for document in decided])
        self._places: dict[str, list[int]] = defaultdict(list)
        issuers: dict[str, set[str]] = defaultdict(set)
        for place, document in enumerate(decided):
            for kind, keys in document.keys.items():
                for key in keys:
                    self._places[key].append(place)
                    if kind != NAME and document.issuer:
                        issuers[key].add(document.issuer)
        self._ignored = frozenset(key for key, names in issuers.items() if len(names) >= MANY_ISSUERS)
        self._habits = (
            habits((document.fields for document in decided), HABIT) if len(decided) >= MIN_HABIT_DOCUMENTS else None
        )

    def recall(self, pages: Sequence[Page], but: Collection[str] = ()) -> tuple[Remembered, ...]:
        """The decided documents that are most like this one, those of its issuer first; last, the type's habits.

        `but` are the ids of documents that may not be recalled.
        """
        found = [
            Remembered(
                document_id=self._decided[place].document_id,
                likeness=round(float(np.clip(likeness, 0.0, 1.0)), 4),
                is_same_issuer=is_same_issuer,
                fields=self._decided[place].fields,
            )
            for place, likeness, is_same_issuer in self._ranked(pages, but)[:NEAREST]
        ]
        return (*found, self._habits) if self._habits is not None and self._decided else tuple(found)

    def nearest(self, pages: Sequence[Page], but: Collection[str] = ()) -> list[str]:
        """The ids of the decided documents that are most like this one, those of its issuer first, but for `but`."""
        return [self._decided[place].document_id for place, _, _ in self._ranked(pages, but)]

    def _ranked(self, pages: Sequence[Page], but: Collection[str]) -> list[tuple[int, float, bool]]:
        """The documents that are like this one, by their place, each with its likeness and whether the issuer is the
        same one: all of the issuer first, then the nearest ones."""
        if not self._decided:
            return []
        likeness = self._likeness.of(sketch(text_of(pages)))
        agreeing = self._same_issuer(issuer_keys(pages))
        number = min(NEAREST + len(but), len(likeness))
        near = sorted(np.argpartition(-likeness, number - 1)[:number].tolist(), key=lambda place: -likeness[place])
        ranked = [*sorted(agreeing, key=lambda place: (-agreeing[place], -likeness[place])), *near]
        return [
            (place, float(likeness[place]), place in agreeing)
            for place in dict.fromkeys(ranked)
            if self._decided[place].document_id not in but and (place in agreeing or likeness[place] >= MIN_LIKENESS)
        ]

    def _same_issuer(self, keys: Mapping[str, tuple[str, ...]]) -> dict[int, int]:
        """The documents of the same issuer by their place, with the weight of the keys that agree."""
        shared: Counter[int] = Counter()
        for found in keys.values():
            for key in found:
                if key in self._places and key not in self._ignored:
                    shared.update(self._places[key][-MAX_OF_A_KEY:])
        weighed = {place: agreement(keys, self._decided[place].keys, self._ignored) for place in shared}
        return {place: weight for place, weight in weighed.items() if weight >= SAME_FROM}
