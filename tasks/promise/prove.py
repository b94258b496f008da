"""Looks at the labels of a type that promises an error, and keeps what they prove."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from fractions import Fraction

from blocks.database.engine import Database
from blocks.database.learning import learned
from blocks.database.learning.learned import Learned, LearnedState, NewLearned, Part
from blocks.database.learning.scores import read_scores
from blocks.database.outages import survives_outages
from blocks.errors import RunError
from blocks.learning.promise import MARGIN, DrawnLabel, candidate_thresholds, evenly_drawn, fewest_labels, level, prove
from blocks.learning.promised import Promise, thinned, units_of
from blocks.records import Record
from tasks.promise.asked import AskedPromise
from tasks.promise.sample import NEVER, Sample, sample_of, score_of
from tasks.promise.watch import watch
from tasks.promise.words import threshold_words

FIXED_THRESHOLDS = (0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
"""Tested where too few documents without a random label are there to choose thresholds from."""
MIN_SCORES = 20
CHOOSERS_FROM = 60
"""With fewer labels none is spared to choose thresholds."""
GROWTH = Fraction(5, 4)
"""A further look is taken when there are so many times the labels of the last one: each costs a part of the
certainty."""
ALARM = "alarm"
"""What closed a promise, where no person did."""

log = logging.getLogger(__name__)


class Looked(Record):
    """What became of a type's promise: `why` in words. `learned_id` is that of the proof in use, if there is one."""

    document_type: str
    why: str
    learned_id: int | None = None
    is_new: bool = False
    is_closed: bool = False


def prove_promises(database: Database, asked: Iterable[AskedPromise]) -> list[Looked]:
    """Watch the promise of each type, close it where audits speak against it, and look anew where labels allow."""
    found = []
    for each in asked:
        looked = _look(database, each)
        if looked.is_new or looked.is_closed:
            (log.warning if looked.is_closed else log.info)("%s: %s", looked.document_type, looked.why)
        found.append(looked)
    return found


def prove_for_run(database: Database, asked: Sequence[AskedPromise]) -> bool:
    """As `prove_promises`, before a run. False if it went wrong: nobody has watched the promises then, and the run must
    not accept by them.
    """
    try:
        prove_promises(database, asked)
    except RunError:
        raise
    except Exception:
        log.exception("the promises could not be watched: to this run nothing is proven")
        return False
    return True


def _look(database: Database, asked: AskedPromise) -> Looked:
    name = asked.document_type.name
    before = learned.looks(database, name, asked.key)
    last = before[0] if before else None
    if last is not None and asked.is_kept_by(last):
        watched = watch(database, asked.document_type, last)
        if not watched.rang:
            return Looked(document_type=name, why=f"proven (no. {last.learned_id})", learned_id=last.learned_id)
        _close(database, last.learned_id)
        why = f"the promise (no. {last.learned_id}) is closed: {watched.wrong} of {watched.audits} audits were wrong"
        return Looked(document_type=name, why=why, is_closed=True)
    closed = next((look.made_at for look in before if look.state is LearnedState.CLOSED), None)
    units = units_of(asked.document_type, asked.rules)
    sample = sample_of(database, asked.document_type, units, asked.basis, closed)
    used = min(len(evenly_drawn(own)) for own in sample.labels.values())
    number = len(before) + 1
    needed = labels_for_look(asked, number, last)
    if used < needed:
        why = f"not proven: {used:,} documents drawn by chance are labelled; at {needed:,} they are looked at"
        return Looked(document_type=name, why=why)
    promise = _proven(database, asked, sample, number)
    learned_id = _write(database, asked, promise, len(before))
    if learned_id is None:
        return Looked(document_type=name, why="another process has looked meanwhile")
    if promise.threshold is None:
        return Looked(document_type=name, why=f"not proven by {used:,} labels (look {number})", is_new=True)
    return Looked(
        document_type=name,
        why=f"proven by {used:,} labels (look {number}, no. {learned_id}): {threshold_words(promise)}",
        learned_id=learned_id,
        is_new=True,
    )


def labels_for_look(asked: AskedPromise, number: int, last: Learned | None) -> int:
    """With how many labels the next look is taken: the first one, and the one after an alarm or a change of how
    documents are read, where labels without an error would pass; others with a quarter more than the last.
    """
    is_other = last is not None and Promise.model_validate_json(last.content).basis != asked.basis
    if last is not None and not is_other and last.state is not LearnedState.CLOSED:
        return int(-(-last.labels * GROWTH.numerator // GROWTH.denominator))
    delta = delta_of(asked, number)
    return int(-(-fewest_labels(0, Fraction(asked.rules.error), delta) * MARGIN.numerator // MARGIN.denominator))


def delta_of(asked: AskedPromise, number: int) -> Fraction:
    """The part of 1 - certainty that a look has, shared by all that is promised about."""
    return level(asked.rules.certainty, len(units_of(asked.document_type, asked.rules)), number)


def tested_on(
    labels: Sequence[DrawnLabel], scores: Sequence[float], error: Fraction, delta: Fraction
) -> tuple[tuple[DrawnLabel, ...], tuple[float, ...]]:
    """The labels that prove, thinned to equal chances, and the thresholds that they are tested at.

    `scores` of documents without a random label choose the thresholds. Where these are few, as when all documents of
    a type were labelled, the scores of some labelled ones do, which prove nothing then; they are picked by a hash. With
    few labels as well, the thresholds are fixed.
    """
    even = evenly_drawn(labels)
    if len(scores) < MIN_SCORES and len(even) < CHOOSERS_FROM:
        return even, FIXED_THRESHOLDS
    if len(scores) < MIN_SCORES:
        ranked = sorted(even, key=lambda label: hashlib.sha256(f"thresholds:{label.document_id}".encode()).digest())
        scores, even = [*scores, *(label.score for label in ranked[:MIN_SCORES])], tuple(ranked[MIN_SCORES:])
    return even, tuple(each for each in candidate_thresholds(scores, len(even), error, delta) if each > NEVER)


def other_scores(database: Database, asked: AskedPromise, sample: Sample) -> list[float]:
    """The scores of the type's documents that chance did not draw."""
    rows = read_scores(database, asked.document_type.name)
    return [score_of(asked.document_type, each) for each in rows if each.document_id not in sample.ids]


def _proven(database: Database, asked: AskedPromise, sample: Sample, number: int) -> Promise:
    error, delta = Fraction(asked.rules.error), delta_of(asked, number)
    scores = other_scores(database, asked, sample)
    proofs = {unit: prove(*tested_on(own, scores, error, delta), error, delta) for unit, own in sample.labels.items()}
    own_scores = (label.score for label in next(iter(sample.labels.values())))
    return Promise(
        rules=asked.rules,
        basis=asked.basis,
        look=number,
        labels=min(len(evenly_drawn(own)) for own in sample.labels.values()),
        proofs=proofs,
        scores=thinned([*scores, *own_scores]),
    )


@survives_outages
def _write(database: Database, asked: AskedPromise, promise: Promise, looks_before: int) -> int | None:
    """Keep a look. None where another process has looked since."""
    new = NewLearned(
        document_type=asked.document_type.name,
        part=Part.PROMISE,
        content=promise.model_dump_json().encode(),
        digest=asked.key,
        labels=promise.labels,
        gate={
            "error": str(asked.rules.error),
            "certainty": str(asked.rules.certainty),
            "look": promise.look,
            "threshold": promise.threshold,
        },
        is_used=promise.threshold is not None,
    )
    with database.write() as connection:
        return learned.add_look(connection, new, looks_before)


@survives_outages
def _close(database: Database, learned_id: int) -> None:
    with database.write() as connection:
        learned.set_state(connection, learned_id, LearnedState.CLOSED, ALARM)
