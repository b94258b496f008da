"""Whether what was proven still holds: the audits of accepted rows since, and how sure new documents are."""

from fractions import Fraction

from blocks.database.engine import Database, now
from blocks.database.learning.drawn import DrawnDocument, DrawnOutcome, read_drawn
from blocks.database.learning.learned import Learned
from blocks.database.learning.readings import Verdict, verdicts_of
from blocks.database.learning.scores import read_scores
from blocks.document_types.schema import DocumentType
from blocks.learning.monitor import Alarm, Drift, drift
from blocks.learning.promised import Promise, units_of
from blocks.records import Record
from tasks.promise.sample import is_late, is_wrong, labels_by_document, score_of

_AT_ONCE = 500


class Watched(Record):
    """The alarm of each unit of a promise (see `units_of`). `waiting` audits follow the first undecided one."""

    alarms: dict[str, Alarm]
    waiting: int

    @property
    def rang(self) -> bool:
        """Whether audits speak against the promise."""
        return any(alarm.rang_at is not None for alarm in self.alarms.values())

    @property
    def audits(self) -> int:
        """How many rows that the promise accepted chance drew since, and are decided or late."""
        return max(alarm.audits for alarm in self.alarms.values())

    @property
    def wrong(self) -> int:
        """How many of them were wrong, in the unit with the most."""
        return max(alarm.wrong for alarm in self.alarms.values())


def watch(database: Database, document_type: DocumentType, proof: Learned) -> Watched:
    """The audits of rows that this proof accepted, in the order in which they were drawn.

    They count up to the first one that nobody has decided on; it counts as wrong when it is late. Otherwise each look
    would bet on another sequence, and right rows that are decided later than wrong ones would ring the alarm.
    """
    promise = Promise.model_validate_json(proof.content)
    units = units_of(document_type, promise.rules)
    delta = float((1 - Fraction(promise.rules.certainty)) / len(units))
    audits, at = _audits(database, document_type, proof), now()
    is_open = [drawn.outcome is DrawnOutcome.OPEN and not is_late(drawn, at) for drawn, _ in audits]
    counted = audits[: is_open.index(True)] if True in is_open else audits
    labels = labels_by_document(database, [drawn.document_id for drawn, _ in counted])
    alarms = {}
    for unit in units:
        wrong = (
            drawn.outcome is not DrawnOutcome.LABELLED
            or is_wrong(document_type, unit, row, labels.get(drawn.document_id, ())) is not False
            for drawn, row in counted
        )
        alarms[unit] = Alarm(error=float(promise.rules.error), delta=delta).after(wrong)
    return Watched(alarms=alarms, waiting=len(audits) - len(counted))


def drift_since(database: Database, document_type: DocumentType, proof: Learned) -> Drift | None:
    """How far the scores of rows since the proof are from those that it was made with. Reads all rows since."""
    since = (score_of(document_type, each) for each in read_scores(database, document_type.name, proof.made_at))
    return drift(Promise.model_validate_json(proof.content).scores, list(since))


def _audits(database: Database, document_type: DocumentType, proof: Learned) -> list[tuple[DrawnDocument, Verdict]]:
    """The drawn rows that the proof accepted, each with its draw."""
    every = read_drawn(database, document_type.name)
    drawn = [each for each in every if each.fingerprint is not None and str(proof.learned_id) in _ids(each.fingerprint)]
    drawn.sort(key=lambda each: (each.drawn_at, each.document_id))
    found = []
    for first in range(0, len(drawn), _AT_ONCE):
        batch = drawn[first : first + _AT_ONCE]
        with database.read() as connection:
            rows = verdicts_of(connection, [each.document_id for each in batch])
        for each in batch:
            own = next((row for row in rows.get(each.document_id, ()) if row.fingerprint == each.fingerprint), None)
            if own is not None and own.accepted_by == "promise":
                found.append((each, own))
    return found


def _ids(fingerprint: str) -> list[str]:
    """The ids of what was learnt, which stand behind a fingerprint."""
    return fingerprint.partition(".")[2].split("-")
