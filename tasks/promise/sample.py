"""The rows of a type that chance drew, with their scores and their errors: what proves a promise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from pydantic import JsonValue

from blocks.database.engine import Database, now
from blocks.database.learning.drawn import DrawnDocument, DrawnOutcome, read_drawn
from blocks.database.learning.labels import labels_of
from blocks.database.learning.readings import Verdict, bases_of, verdicts_of
from blocks.document_types.schema import DocumentType
from blocks.learning.evaluation import Match, ReadDocument, deciding_fields, is_right, match_of
from blocks.learning.labels import Label, that_count
from blocks.learning.promise import DrawnLabel
from blocks.learning.promised import WHOLE
from tasks.learn.split import proving

NEVER = 0.0
"""The score of a row that no threshold accepts: something else sends it to review."""
SENT_BY_PROMISE = "unproven"
LATE_AFTER = timedelta(days=14)
"""A drawn row without a due time, such as an audit, counts as wrong when nobody has decided on it for so long."""
_AT_ONCE = 500


@dataclass(slots=True)
class Sample:
    """What became of the rows of a type that chance drew.

    `labels` has a label per document for each unit (see `units_of`): its score is that of the row that was drawn, not
    of what was read later. `waiting` ones are not decided and not due yet. `unjudged` are decided ones of which a
    deciding field has no label; they count as wrong. `other_basis` are left out: they were drawn under another version
    of the type, the reader or the models, and not all of such documents were read again. Where all were, a document
    counts as wrong if either reading is, at the higher of both scores, since the change may be made for it; `mended`
    are those of which only the first is.
    """

    labels: dict[str, list[DrawnLabel]]
    ids: set[str] = field(default_factory=set)
    waiting: int = 0
    unjudged: int = 0
    other_basis: int = 0
    mended: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has of a drawn document: the rows that the machine wrote, and the labels that count."""

    drawn: DrawnDocument
    verdicts: Sequence[Verdict]
    labels: Sequence[Label]

    def drawn_row(self) -> Verdict | None:
        """The row that was drawn; of an import, the one that was there at the time, or else the first. None: gone."""
        if self.drawn.fingerprint is not None:
            return next((own for own in self.verdicts if own.fingerprint == self.drawn.fingerprint), None)
        before = [own for own in self.verdicts if own.created_at <= self.drawn.drawn_at]
        return next(iter((*reversed(before), *self.verdicts)), None)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A row: its score, and for each unit whether it is wrong; None where a label is missing."""

    score: float
    wrong: Mapping[str, bool | None]


def sample_of(
    database: Database,
    document_type: DocumentType,
    units: Sequence[str] = (WHOLE,),
    basis: str | None = None,
    since: datetime | None = None,
) -> Sample:
    """The sample, of rows that were drawn after `since`. Without a `basis`, rows of any basis count as they were drawn.

    A drawn row that was refused, that has a label of another type, or that nobody decided in time, counts as wrong:
    nobody can leave out the hard ones. One that was deleted meanwhile is left out.
    """
    rows = _drawn_rows(database, document_type, since)
    proves = proving(database, document_type, [each.drawn.document_id for each, _ in rows])
    bases = {} if basis is None else _bases(database, document_type, [each for each, _ in rows])
    sample, at = Sample({unit: [] for unit in units}), now()
    earlier: list[tuple[_Known, _Judged, _Judged | None]] = []
    for each, row in rows:
        if each.drawn.document_id not in proves:
            continue
        sample.ids.add(each.drawn.document_id)
        if each.drawn.outcome is DrawnOutcome.OPEN and not is_late(each.drawn, at):
            sample.waiting += 1
            continue
        judged = _judge(document_type, units, each, row)
        if basis is None or bases.get(row.run_id) == basis:
            _count(sample, each, judged)
            continue
        last = each.verdicts[-1]
        is_read_again = bases.get(last.run_id) == basis
        earlier.append((each, judged, _judge(document_type, units, each, last) if is_read_again else None))
    if any(again is None for *_, again in earlier):
        sample.other_basis = len(earlier)
        return sample
    for each, judged, again in earlier:
        if again is not None:
            sample.mended += any(judged.wrong[unit] is not False and again.wrong[unit] is False for unit in units)
            wrong = {unit: _either(judged.wrong[unit], again.wrong[unit]) for unit in units}
            _count(sample, each, _Judged(max(judged.score, again.score), wrong))
    return sample


class Ranked(Protocol):
    """What ranks a row: its status, its confidence, and the reasons against it."""

    @property
    def status(self) -> str: ...  # noqa: D102 - as `ReadDocument`
    @property
    def confidence(self) -> float: ...  # noqa: D102
    @property
    def reasons(self) -> Sequence[str]: ...  # noqa: D102


def score_of(document_type: DocumentType, row: Ranked) -> float:
    """The score by which a row is ranked: its confidence, unless something beside confidence speaks against it."""
    if row.status in {"failed", "rejected"}:
        return NEVER
    deciding = set(deciding_fields(document_type))
    for reason in row.reasons:
        code, _, detail = reason.partition(":")
        if code not in {SENT_BY_PROMISE, "low_type_confidence"} and not (
            code == "low_confidence" and detail in deciding
        ):
            return NEVER
    return row.confidence


def is_wrong(document_type: DocumentType, unit: str, row: Verdict, labels: Sequence[Label]) -> bool | None:
    """Whether the row is wrong by its labels, or one field of it; None where a label is missing."""
    if any(label.document_type != document_type.name for label in labels):
        return True
    read = _as_read(row, {label.field: label.value for label in labels if label.field in document_type.fields})
    if unit == WHOLE:
        right = is_right(document_type, read)
        return None if right is None else not right
    return None if unit not in read.labels else match_of(document_type, unit, read) is not Match.RIGHT


def is_late(drawn: DrawnDocument, at: datetime) -> bool:
    """Whether a drawn row should have been decided by now."""
    return at > (drawn.due_at if drawn.due_at is not None else drawn.drawn_at + LATE_AFTER)


def labels_by_document(database: Database, ids: Sequence[str]) -> dict[str, tuple[Label, ...]]:
    """The labels that count, of each document that has some."""
    found: dict[str, list[Label]] = {}
    with database.read() as connection:
        for (document_id, _), labels in labels_of(connection, ids).items():
            found.setdefault(document_id, []).extend(labels)
    return {document_id: tuple(that_count(labels)) for document_id, labels in found.items()}


def _drawn_rows(
    database: Database, document_type: DocumentType, since: datetime | None
) -> list[tuple[_Known, Verdict]]:
    """The last draw of each document that was read as this type then, with the row that was drawn.

    A draw that is decided counts before one that waits: a document that was drawn again needs no second label.
    """

    def order(drawn: DrawnDocument) -> tuple[bool, datetime]:
        return drawn.outcome is not DrawnOutcome.OPEN, drawn.drawn_at

    latest: dict[str, DrawnDocument] = {}
    for each in read_drawn(database, document_type.name):
        before = latest.get(each.document_id)
        if (before is None or order(before) <= order(each)) and (since is None or each.drawn_at > since):
            latest[each.document_id] = each
    chosen, found = list(latest.values()), []
    for first in range(0, len(chosen), _AT_ONCE):
        for known in _known(database, chosen[first : first + _AT_ONCE]):
            row = known.drawn_row()
            if row is not None and row.document_type == document_type.name:
                found.append((known, row))
    return found


def _known(database: Database, batch: Sequence[DrawnDocument]) -> list[_Known]:
    ids = [each.document_id for each in batch]
    with database.read() as connection:
        verdicts = verdicts_of(connection, ids)
    labels = labels_by_document(database, ids)
    return [_Known(each, verdicts.get(each.document_id, ()), labels.get(each.document_id, ())) for each in batch]


def _bases(database: Database, document_type: DocumentType, known: Sequence[_Known]) -> Mapping[str, str]:
    with database.read() as connection:
        return bases_of(connection, {row.run_id for each in known for row in each.verdicts}, document_type.name)


def _judge(document_type: DocumentType, units: Sequence[str], known: _Known, row: Verdict) -> _Judged:
    is_labelled = known.drawn.outcome is DrawnOutcome.LABELLED
    wrong = {unit: is_wrong(document_type, unit, row, known.labels) if is_labelled else True for unit in units}
    return _Judged(score_of(document_type, row), wrong)


def _either(first: bool | None, second: bool | None) -> bool | None:
    if first or second:
        return True
    return None if None in {first, second} else False


def _count(sample: Sample, known: _Known, judged: _Judged) -> None:
    sample.unjudged += None in judged.wrong.values()
    for unit, wrong in judged.wrong.items():
        label = DrawnLabel(known.drawn.document_id, judged.score, wrong is not False, known.drawn.drawn_with)
        sample.labels[unit].append(label)


def _as_read(row: Verdict, labels: Mapping[str, JsonValue]) -> ReadDocument:
    return ReadDocument(
        document_id=row.document_id,
        labels=labels,
        drawn_with=None,
        read_as=row.document_type,
        status="accepted",
        confidence=row.confidence,
        values=row.fields,
        confidences=row.confidences,
        cost_usd=Decimal(0),
        duration_s=0.0,
    )
