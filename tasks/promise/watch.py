"""Whether what was proven still holds: the audits of accepted rows since, and how sure new documents are."""

from decimal import Decimal
from fractions import Fraction

from pydantic import JsonValue

from blocks.database.engine import Database
from blocks.database.learning.drawn import DrawnDocument, DrawnOutcome, read_drawn
from blocks.database.learning.labels import labels_of
from blocks.database.learning.learned import Learned
from blocks.database.learning.readings import Verdict, verdicts_of
from blocks.database.learning.scores import read_scores
from blocks.document_types.schema import DocumentType
from blocks.learning.evaluation import ReadDocument
from blocks.learning.labels import that_count
from blocks.learning.monitor import Alarm, Drift, drift
from blocks.learning.promised import WHOLE, Promise, units_of
from blocks.records import Record
from tasks.promise.sample import is_wrong, score_of

ACCEPTED_BY = "promise"


class Watched(Record):
    """The alarm of each unit of a promise (see `units_of`), and how the scores of documents have moved since."""

    alarms: dict[str, Alarm]
    drift: Drift | None

    @property
    def rang(self) -> bool:
        """Whether audits speak against the promise."""
        return any(alarm.rang_at is not None for alarm in self.alarms.values())

    @property
    def audits(self) -> int:
        """How many accepted rows chance drew since, and people decided on."""
        return max(alarm.audits for alarm in self.alarms.values())

    @property
    def wrong(self) -> int:
        """How many of them were wrong, in the unit with the most."""
        return max(alarm.wrong for alarm in self.alarms.values())


def watch(database: Database, document_type: DocumentType, proof: Learned) -> Watched:
    """The audits of rows that the promise accepted, in the order in which they were drawn; undecided ones wait."""
    promise = Promise.model_validate_json(proof.content)
    units = units_of(document_type, promise.rules)
    audited = sorted(
        (
            each
            for each in read_drawn(database, document_type.name)
            if each.drawn_at > proof.made_at and each.outcome is not DrawnOutcome.OPEN
        ),
        key=lambda each: (each.drawn_at, each.document_id),
    )
    delta = float((1 - Fraction(promise.rules.certainty)) / len(units))
    alarms = {unit: Alarm(error=float(promise.rules.error), delta=delta) for unit in units}
    found = _audits(database, document_type, audited)
    for unit in units:
        wrong = (
            each.outcome is not DrawnOutcome.LABELLED or is_wrong(document_type, unit, read) is not False
            for each, read in found
        )
        alarms[unit] = alarms[unit].after(wrong)
    since = [score_of(document_type, WHOLE, each) for each in read_scores(database, document_type.name, proof.made_at)]
    return Watched(alarms=alarms, drift=drift(promise.scores, since))


def _audits(
    database: Database, document_type: DocumentType, drawn: list[DrawnDocument]
) -> list[tuple[DrawnDocument, ReadDocument]]:
    """The drawn rows that a promise accepted, with their labels."""
    found = []
    for first in range(0, len(drawn), 500):
        batch = drawn[first : first + 500]
        ids = [each.document_id for each in batch]
        with database.read() as connection:
            verdicts, labels = verdicts_of(connection, ids), labels_of(connection, ids)
        for each in batch:
            row = next((own for own in verdicts.get(each.document_id, ()) if own.fingerprint == each.fingerprint), None)
            if row is not None and row.accepted_by == ACCEPTED_BY:
                own = [label for (id_, _), all_ in labels.items() if id_ == each.document_id for label in all_]
                known = {label.field: label.value for label in that_count(own) if label.field in document_type.fields}
                found.append((each, _as_read(row, known)))
    return found


def _as_read(row: Verdict, labels: dict[str, JsonValue]) -> ReadDocument:
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
