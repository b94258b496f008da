"""The documents of a type that chance drew, with the scores and the errors of their rows: what proves a promise."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Protocol

from blocks.database.engine import Database, now
from blocks.database.learning.drawn import DrawnDocument, DrawnOutcome, read_drawn
from blocks.database.learning.labels import labels_of
from blocks.database.learning.readings import Reading, Verdict, bases_of, readings_of, verdicts_of
from blocks.document_types.schema import DocumentType
from blocks.learning.evaluation import Match, ReadDocument, deciding_fields, is_right, match_of
from blocks.learning.labels import Label, that_count
from blocks.learning.promise import DrawnLabel
from blocks.learning.promised import WHOLE
from tasks.evaluate.evaluate import read_document
from tasks.learn.split import proving

NEVER = 0.0
"""The score of a document that no threshold accepts: something else sends it to review."""
SENT_BY_PROMISE = "unproven"
_AT_ONCE = 500


@dataclass(slots=True)
class Sample:
    """What became of the drawn documents of a type.

    `labels` has a label per document for each unit (see `units_of`). `waiting` documents are not decided and not due
    yet. `unjudged` are decided ones of which a deciding field has no label; they count as wrong. `other_basis` are
    left out: they were last read by another version of the type, the reader or the models. `changed` are read
    otherwise since they were drawn, because of such a change; they count as wrong, since the change may be made for
    them.
    """

    labels: dict[str, list[DrawnLabel]]
    ids: set[str] = field(default_factory=set)
    waiting: int = 0
    unjudged: int = 0
    other_basis: int = 0
    changed: int = 0


def sample_of(
    database: Database,
    document_type: DocumentType,
    units: Sequence[str] = (WHOLE,),
    basis: str | None = None,
    since: datetime | None = None,
) -> Sample:
    """The sample, of documents that were drawn after `since`. Without a `basis`, all readings count.

    A drawn document that was refused, or that nobody decided in time, counts as wrong: nobody can leave out the hard
    ones. One whose reading is gone is left out.
    """
    drawn = [each for each in _latest(read_drawn(database, document_type.name)) if not since or each.drawn_at > since]
    proves = proving(database, document_type, [each.document_id for each in drawn])
    drawn = [each for each in drawn if each.document_id in proves]
    at = now()
    counted = [each for each in drawn if each.outcome is not DrawnOutcome.OPEN or _is_late(each, at)]
    sample = Sample({unit: [] for unit in units}, {each.document_id for each in drawn}, len(drawn) - len(counted))
    remaining = iter(counted)
    while batch := list(islice(remaining, _AT_ONCE)):
        known = _known(database, document_type, [each.document_id for each in batch], with_bases=basis is not None)
        for each in batch:
            if each.document_id in known.readings:
                _count(sample, document_type, each, known, basis)
    return sample


class Ranked(Protocol):
    """What ranks a row: its status, the confidences of the document and of its fields, and the reasons against it."""

    @property
    def status(self) -> str: ...  # noqa: D102 - as `ReadDocument`
    @property
    def confidence(self) -> float: ...  # noqa: D102
    @property
    def confidences(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102


def score_of(document_type: DocumentType, unit: str, read: Ranked) -> float:
    """The score by which a document is ranked: the confidence, unless something beside confidence speaks against it."""
    if read.status in {"failed", "rejected"}:
        return NEVER
    deciding = set(deciding_fields(document_type))
    for reason in read.reasons:
        code, _, detail = reason.partition(":")
        is_of_confidence = code == SENT_BY_PROMISE or (code == "low_confidence" and detail in deciding)
        if not is_of_confidence and not (code == "low_type_confidence" and unit == WHOLE):
            return NEVER
    return read.confidence if unit == WHOLE else read.confidences.get(unit, NEVER)


def is_wrong(document_type: DocumentType, unit: str, read: ReadDocument) -> bool | None:
    """Whether the row is wrong, or one field of it; None where a label is missing."""
    if unit == WHOLE:
        right = is_right(document_type, read)
        return None if right is None else not right
    return None if unit not in read.labels else match_of(document_type, unit, read) is not Match.RIGHT


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has of some documents: labels, what was read of them last and before, and by which runs."""

    readings: Mapping[str, Reading]
    labels: Mapping[str, Sequence[Label]]
    verdicts: Mapping[str, Sequence[Verdict]]
    bases: Mapping[str, str]


def _known(database: Database, document_type: DocumentType, ids: Sequence[str], *, with_bases: bool) -> _Known:
    with database.read() as connection:
        readings, labels = readings_of(connection, ids), _by_document(labels_of(connection, ids))
        if not with_bases:
            return _Known(readings, labels, {}, {})
        verdicts = verdicts_of(connection, ids)
        run_ids = {reading.run_id for reading in readings.values()}
        run_ids |= {verdict.run_id for own in verdicts.values() for verdict in own}
        return _Known(readings, labels, verdicts, bases_of(connection, run_ids, document_type.name))


def _count(sample: Sample, document_type: DocumentType, drawn: DrawnDocument, known: _Known, basis: str | None) -> None:
    id_ = drawn.document_id
    reading = known.readings[id_]
    if basis is not None and known.bases.get(reading.run_id) != basis:
        sample.other_basis += 1
        return
    read = read_document(document_type, id_, that_count(known.labels.get(id_, ())), reading)
    before = _drawn_verdict(drawn, known.verdicts.get(id_, ()))
    is_changed = _is_changed(document_type, read, before, known.bases, basis)
    found = {
        unit: is_wrong(document_type, unit, read) if drawn.outcome is DrawnOutcome.LABELLED else True
        for unit in sample.labels
    }
    sample.changed += is_changed
    sample.unjudged += None in found.values()
    for unit, wrong in found.items():
        score = score_of(document_type, unit, read)
        sample.labels[unit].append(DrawnLabel(id_, score, wrong is not False or is_changed, drawn.drawn_with))


def _drawn_verdict(drawn: DrawnDocument, verdicts: Sequence[Verdict]) -> Verdict | None:
    """The row that was drawn; of an import, the one that was there at the time, or else the first."""
    for verdict in verdicts:
        if verdict.fingerprint == drawn.fingerprint:
            return verdict
    before = [verdict for verdict in verdicts if verdict.created_at <= drawn.drawn_at]
    return next(iter((*reversed(before), *verdicts)), None)


def _is_changed(
    document_type: DocumentType,
    read: ReadDocument,
    drawn: Verdict | None,
    bases: Mapping[str, str],
    basis: str | None,
) -> bool:
    if drawn is None or bases.get(drawn.run_id) == basis:
        return False
    values = ({name: own.get(name) for name in deciding_fields(document_type)} for own in (read.values, drawn.fields))
    return drawn.document_type != read.read_as or next(values) != next(values)


def _latest(drawn: Iterator[DrawnDocument]) -> list[DrawnDocument]:
    """The last draw of each document."""
    by_document: dict[str, DrawnDocument] = {}
    for each in drawn:
        before = by_document.get(each.document_id)
        if before is None or before.drawn_at <= each.drawn_at:
            by_document[each.document_id] = each
    return list(by_document.values())


def _is_late(drawn: DrawnDocument, at: datetime) -> bool:
    return drawn.due_at is not None and drawn.due_at < at


def _by_document(by_field: Mapping[tuple[str, str], Collection[Label]]) -> dict[str, list[Label]]:
    found: dict[str, list[Label]] = {}
    for (document_id, _), labels in by_field.items():
        found.setdefault(document_id, []).extend(labels)
    return found
