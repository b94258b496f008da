"""One number out of several doubts: the probability that a value is right.

A value is right when the reader chose the right place, when the text there was read right, and when the quote yields
the value. These probabilities multiply, and a product is never above its weakest factor: 0.95 beside 0.30 gives 0.29,
not an average. The probability of the right place comes from signals. They are weighed as log odds, which add up where
signals are independent (the product of odds with an even prior: Genest and Zidek, "Combining Probability
Distributions", 1986): 0.95 and 0.30 for the same value give 0.89.

A language model alone never lifts its value above `UNSUPPORTED_CEILING`, which is below every threshold of acceptance.
Only other signals do. The rest of a good reply does not, where the built-in reader does not see the value or clearly
prefers another: one wrong value among right ones is what such a reply looks like.
"""

import math
from collections.abc import Iterable, Sequence

from blocks.document_types.schema import Criterion, DocumentField
from blocks.evidence.grounding import Grounding
from blocks.records import CriterionReading, FieldReading, Signals

UNGROUNDED_CEILING = 0.2
"""The most that a value without evidence may have: it may be right, but nobody can see why."""
UNSUPPORTED_CEILING = 0.75
"""The most that a language model's reading may have without other signals, and a text that it wrote."""
UNSTATED = 0.6
"""The probability of a reading whose model does not state any."""
CEILING = 0.985
"""The highest confidence, however many models agree: they all read the same page."""
MIN_PROBABILITY = 0.01
"""The least probability of any signal: none is certain, and the built-in reader does not see every value."""
MAX_CROSS_CHECK = 4.0
"""The most log odds that the cross-check adds to a value, or takes from it."""
MAX_PEERS_FOR, MAX_PEERS_AGAINST = 1.8, 2.5
"""The most log odds that the rest of the reply adds to a value, and takes from it."""
TIE = 0.35
"""The built-in reader is undecided where it prefers another value by up to so many log odds: odds of 10 to 7."""
MAX_LOG_ODDS = 30.0
"""Further signals beyond this many log odds add nothing."""
REPAIRED = 0.4
"""Log odds that a repaired reply loses: the repair may have changed a value."""


def confidence_of(
    field: DocumentField, reading: FieldReading, grounding: Grounding, judged: Sequence[CriterionReading] = ()
) -> float:
    """The confidence of a field's reading, in [0, 1]. Routes accept by it, and validate judges by it.

    `grounding` is the result of `grounding.check`. A written field needs no evidence: `judged` are the grades of the
    criteria that judge it. A reading without signals is the built-in reader's, whose confidence is calibrated.
    """
    if field.written:
        return written(judged)
    confidence = reading.confidence if reading.signals is None else of_signals(reading.signals)
    return combine(confidence, grounding.ocr_confidence, is_grounded=grounding.is_grounded)


def combine(reading: float, ocr: float | None = None, *, is_grounded: bool = True) -> float:
    """The confidence of a value, in [0, 1].

    `reading` is the probability that the right place was chosen, `ocr` the confidence of the weakest word under the
    evidence (None where the text was not read by OCR), `is_grounded` whether the quote stands in the visible text and
    yields the value.
    """
    combined = _clamped(reading) * (1.0 if ocr is None else _clamped(ocr))
    return combined if is_grounded else min(combined, UNGROUNDED_CEILING)


def of_signals(signals: Signals) -> float:
    """The probability that a language model chose the right value, its evidence aside, in [0, `CEILING`].

    The model's own probability is the lower of the stated one and that of its tokens, up to `UNSUPPORTED_CEILING`. The
    log odds of the other signals are added: the cross-check, the rest of the reply, models that agree. Models that
    disagree compete with the value for the probability. The rest of the reply may always offset other doubt, but
    supports a value only where the built-in reader sees it and does not clearly prefer another.
    The result never falls when a signal for the value rises, or a signal against it falls.
    """
    own = min([_clamped(p) for p in (signals.stated, signals.logprob) if p is not None] or [UNSTATED])
    log_odds = _log_odds(min(own, UNSUPPORTED_CEILING)) - (REPAIRED if signals.is_repaired else 0.0)
    log_odds += _support(signals)
    log_odds += sum(_log_odds(agreeing) for agreeing in signals.agreeing)
    odds = math.exp(min(log_odds, MAX_LOG_ODDS))
    rivals = sum(math.exp(_log_odds(disagreeing)) for disagreeing in signals.disagreeing)
    return min(odds / (1.0 + odds + rivals), CEILING)


def cross_check_log_odds(probability: float, rival: float) -> float:
    """The log odds by which the built-in reader prefers a value (above 0) or another one (below 0)."""
    margin = math.log((_clamped(probability) + MIN_PROBABILITY) / (_clamped(rival) + MIN_PROBABILITY))
    return max(-MAX_CROSS_CHECK, min(margin, MAX_CROSS_CHECK))


def written(judged: Iterable[CriterionReading]) -> float:
    """The confidence of a written text: the lowest grade, or confidence of a grade, of the criteria that judge it.

    `UNSUPPORTED_CEILING` at most: a model grades its own draft, in the same reply.
    """
    return min((UNSUPPORTED_CEILING, *(min(_clamped(grade.grade), _clamped(grade.confidence)) for grade in judged)))


def judging_grades(
    criteria: Iterable[Criterion], field: str, grades: Iterable[CriterionReading]
) -> tuple[CriterionReading, ...]:
    """The grades of the criteria that judge the written `field`."""
    names = {criterion.name for criterion in criteria if criterion.judges == field}
    return tuple(grade for grade in grades if grade.name in names)


def _support(signals: Signals) -> float:
    """The log odds that the cross-check and the rest of the reply add."""
    checked = _cross_check(signals)
    together = checked + _peers(signals)
    is_unseen = signals.witness is not None and _clamped(signals.witness) <= MIN_PROBABILITY
    return min(together, 0.0) if is_unseen or checked < -TIE else together


def _cross_check(signals: Signals) -> float:
    if signals.witness is None:
        return 0.0
    return cross_check_log_odds(signals.witness, signals.rival or 0.0)


def _peers(signals: Signals) -> float:
    if signals.peers is None:
        return 0.0
    return max(-MAX_PEERS_AGAINST, min(_log_odds(signals.peers), MAX_PEERS_FOR))


def _log_odds(probability: float) -> float:
    bounded = min(max(_clamped(probability), MIN_PROBABILITY), 1.0 - MIN_PROBABILITY)
    return math.log(bounded / (1.0 - bounded))


def _clamped(value: float) -> float:
    """The value in [0, 1]; 0 for NaN."""
    return 0.0 if not value > 0.0 else min(value, 1.0)
