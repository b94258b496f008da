"""Reads by what people decided on documents like this one.

Places whose signs held the right value in a decided document gain log odds, places whose signs held a wrong one lose
them. The evidence of each sign is the log of its odds, right against wrong, smoothed by half a count each (Krichevsky
and Trofimov, "The Performance of Universal Encoding", 1981). Documents of the same issuer count as they are; of a sign
that they have not seen, others speak by their likeness, and count for a part: their software prints other labels.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from blocks.document_types.schema import DocumentField, FieldType
from blocks.evidence.traces import Remembered, Trace
from blocks.reader.candidates import Candidate, identifier
from blocks.reader.lexicon import plain
from blocks.reader.parties import is_named
from blocks.reader.ranking import Place
from blocks.reader.sheet import Sheet
from blocks.reader.signs import sign, signs, words_sign
from blocks.records import FieldReading

OTHERS = 0.5
"""How much the evidence of other issuers' documents counts."""
MAX_SAME_ISSUER, MAX_OTHERS = 6.0, 4.0
"""The most log odds that documents of the same issuer, and others, give or take."""
PRIOR, PRIOR_AGAINST = 0.5, 0.2
"""The counts for and against a sign before any document is seen, and those of a sign that an issuer's documents are
against: where they had a wrong value, the next one has no right one either.
"""
NAMED = 3.0
"""Log odds of the issuer's name as people write it, where its printed form stands in the text."""
PER_NAMED, MAX_NAMED = 0.8, 3
"""What each further document that agrees adds, up to three."""
LABELLED_FROM = 1.0
"""From so many log odds on, a place is known as if a label stood beside it."""
ADDED = -1.0
"""Log odds of a text that nothing but the remembered signs points at."""
MIN_ADDED = 1.5
"""It is proposed from so much evidence on."""
ENOUGH = 3
"""So many decided documents of one issuer are enough: below that, a document may be the exception. Of 370 pairs of
invoices, what one document taught made three due amounts and three dates wrong.
"""
LOWERED = 0.79
"""What a confidence is worth that fewer documents raised: less than 0.8, from which types accept rows."""
LOWERED_OPTIONAL = 0.49
"""What the confidence in another value of an optional field is worth: less than 0.5, below which people look at it."""
NAMED_DOCUMENTS = 3
"""So many documents that a reading used are named."""
SHARED_SIGNS = 2
"""A place is one where an earlier value stood if they share so many signs: all amounts share their form."""


class Memory:
    """The decided documents that are like one document, as evidence for its values."""

    def __init__(self, remembered: Sequence[Remembered], sheet: Sheet) -> None:
        self._remembered = remembered
        self._sheet = sheet
        self._sizes = {page.number: (page.width, page.height) for page in sheet.pages}

    def weighed(self, name: str, field: DocumentField, places: Iterable[Place]) -> list[Place]:
        """The places of a field with the evidence of the decided documents, and those that only it points at."""
        known = [(document, document.fields[name]) for document in self._remembered if name in document.fields]
        found = list(places)
        if not known:
            return found
        same = _Counts([(trace, 1.0) for document, trace in known if document.is_same_issuer], PRIOR_AGAINST)
        strangers = [(trace, document.likeness) for document, trace in known if not document.is_same_issuer]
        others = _Counts(strangers, PRIOR)
        weighed = [self._weigh(place, field, same, others) for place in found]
        if field.type is FieldType.TEXT:
            names = self._names([trace for document, trace in known if document.is_same_issuer and trace.printed])
            weighed = _written_as(names, weighed) if names else [*weighed, *self._added(field, same, weighed)]
        return weighed

    def support(self, name: str, field: DocumentField, candidate: Candidate) -> list[Remembered]:
        """The decided documents that had the value of the field at such a place."""
        own = set(self._signs(candidate, field))
        return [
            document
            for document in self._remembered
            if name in document.fields and len(own & document.fields[name].right.keys()) >= SHARED_SIGNS
        ]

    def _signs(self, candidate: Candidate, field: DocumentField) -> tuple[str, ...]:
        size = self._sizes.get(candidate.cell.page, (0.0, 0.0))
        return signs(candidate, self._sheet.rows, size, is_name=is_named(field))

    def _weigh(self, place: Place, field: DocumentField, same: "_Counts", others: "_Counts") -> Place:
        found = self._signs(place.candidate, field)
        evidence = same.evidence(found, MAX_SAME_ISSUER)
        if is_named(field):
            found = (sign(words_sign(place.candidate)),)
        evidence += OTHERS * others.evidence([own for own in found if not same.has_seen(own)], MAX_OTHERS)
        is_labelled = place.is_labelled or evidence >= LABELLED_FROM
        return replace(place, weight=place.weight + evidence, is_labelled=is_labelled)

    def _names(self, traces: Sequence[Trace]) -> list[Place]:
        """The issuer's names as people write them, at the places where their printed forms stand."""
        wanted: dict[str, list[str]] = {}
        for trace in traces:
            wanted.setdefault(plain(trace.printed), []).append(str(trace.value))
        found: list[Place] = []
        for row in self._sheet.rows:
            for cell in row.cells:
                written = wanted.get(plain(cell.text))
                if written:
                    value = max(written, key=written.count)
                    weight = NAMED + PER_NAMED * min(written.count(value) - 1, MAX_NAMED)
                    candidate = Candidate(cell, 0, len(cell.text), value, is_written_otherwise=True)
                    found.append(Place(candidate, weight, is_labelled=True))
        return found[:1]

    def _added(self, field: DocumentField, same: "_Counts", places: Sequence[Place]) -> list[Place]:
        """The identifiers that no label of the type points at, where an issuer's earlier documents had theirs."""
        if field.hints.kind != "identifier" or not same.has_right:
            return []
        taken = {place.candidate.place for place in places}
        found: list[Place] = []
        for row in self._sheet.rows:
            for cell in row.cells:
                candidate = identifier(cell, 0, len(cell.text), self._sheet.notation)
                if candidate is None or candidate.place in taken:
                    continue
                evidence = same.evidence(self._signs(candidate, field), MAX_SAME_ISSUER)
                if evidence >= MIN_ADDED:
                    found.append(Place(candidate, ADDED + candidate.weight + evidence, is_labelled=True))
        return found


def held_down(
    field: DocumentField,
    reading: FieldReading | None,
    plain: FieldReading | None,
    support: Sequence[Remembered] = (),
) -> FieldReading | None:
    """The reading with the `support` that speaks for it; fewer than `ENOUGH` of one issuer do not get a row accepted.

    `plain` is what is read without them. Its confidence stands where the value is the same. A value that they let
    vanish stays, for a person. The first evidence names them.
    """
    if reading == plain:
        return reading
    if reading is not None and reading.evidence:
        named = tuple(document.document_id for document in support if document.document_id)[:NAMED_DOCUMENTS]
        first = reading.evidence[0].model_copy(update={"read_as_in": named})
        reading = reading.model_copy(update={"evidence": (first, *reading.evidence[1:])})
    if sum(document.is_same_issuer for document in support) >= ENOUGH:
        return reading
    if reading is None:
        return plain and plain.model_copy(update={"confidence": _lowered(field, plain.confidence)})
    if plain is not None and plain.value == reading.value:
        allowed = max(plain.confidence, LOWERED * reading.confidence)
    else:
        allowed = _lowered(field, reading.confidence)
    return reading.model_copy(update={"confidence": round(min(reading.confidence, allowed), 4)})


def _lowered(field: DocumentField, confidence: float) -> float:
    return round((LOWERED if field.required else LOWERED_OPTIONAL) * confidence, 4)


class _Counts:
    """How often each sign was right and wrong in some decided documents, each with its weight."""

    def __init__(self, traces: Sequence[tuple[Trace, float]], prior_against: float) -> None:
        self._prior_against = prior_against
        self._right: dict[str, float] = {}
        self._wrong: dict[str, float] = {}
        for trace, weight in traces:
            for counts, own in ((self._right, trace.right), (self._wrong, trace.wrong)):
                for of_sign, count in own.items():
                    counts[of_sign] = counts.get(of_sign, 0.0) + weight * count

    @property
    def has_right(self) -> bool:
        return bool(self._right)

    def has_seen(self, sign: str) -> bool:
        return sign in self._right or sign in self._wrong

    def evidence(self, signs: Iterable[str], most: float) -> float:
        """The log odds that signs give to a place, within `most` either way."""
        if not self._right and not self._wrong:
            return 0.0
        total = sum(map(self._log_odds, signs))
        return max(-most, min(total, most))

    def _log_odds(self, of: str) -> float:
        right, wrong = self._right.get(of, 0.0), self._wrong.get(of, 0.0)
        prior = self._prior_against if wrong > right else PRIOR
        return math.log((right + prior) / (wrong + prior))


def _written_as(names: Sequence[Place], places: Sequence[Place]) -> list[Place]:
    """The places of a name, those of the remembered one in its written form."""
    by_place = {name.candidate.place[0]: name for name in names}
    kept = [place for place in places if place.candidate.place[0] not in by_place]
    best = {row: max((p.weight for p in places if p.candidate.place[0] == row), default=0.0) for row in by_place}
    return [*kept, *(replace(name, weight=name.weight + max(best[row], 0.0)) for row, name in by_place.items())]
