"""One number out of several doubts: the probability that a value is right.

A value is right when the reader chose the right place, and the text there was read right, and the value is really what
the quote says. These doubts multiply, and a product is never above its weakest factor: a 0.95 beside a 0.30 gives 0.29,
not an average. Whether the right place was chosen is what signals speak of. They are weighed as log odds, where
independent voices add up (the product of odds with an even prior: Genest and Zidek, "Combining Probability
Distributions", 1986): 0.95 and 0.30 for one value give 0.89.

What a language model says of itself is bounded by `OWN_WORD`, under what any document is accepted at: only a voice from
elsewhere lifts a value above it, and never the mere rest of a good reply where the built-in reader does not see the
value or clearly prefers another: one wrong value among right ones is what such a reply looks like.
"""

import math
from collections.abc import Iterable, Sequence

from blocks.document_types.schema import DocumentField, Rubric
from blocks.evidence.grounding import Grounding
from blocks.records import CriterionReading, FieldReading, Signals

UNGROUNDED_CEILING = 0.2
"""What a value without evidence may have at most: it may be right, but nobody can see why."""
OWN_WORD = 0.75
"""What a language model's reading may have at most on its own word, and any text that it wrote."""
UNSTATED = 0.6
"""What a reading counts for whose model says nothing of how sure it is."""
CEILING = 0.985
"""No reading is surer, however many voices agree: they all read the same page."""
SMALLEST = 0.01
"""The least probability that any voice counts as: none is certain, and the built-in reader does not see every value."""
MAX_CROSS_CHECK = 4.0
"""The most log odds that the built-in reader gives a value, or takes from it."""
PEERS_FOR, PEERS_AGAINST = 1.8, 2.5
"""Most log odds that the rest of the reply lends to a value, and takes from it."""
TIE = 0.35
"""Log odds by which the built-in reader may prefer another value and still be in two minds: odds of 10 to 7."""
MOST_LOG_ODDS = 30.0
"""More voices than make this many log odds say nothing new."""
REPAIRED = 0.4
"""Log odds that a mended reply loses: what was mended may have been a value."""


def confidence_of(
    field: DocumentField, reading: FieldReading, grounding: Grounding, judged: Sequence[CriterionReading] = ()
) -> float:
    """The confidence of a field's reading, in [0, 1]: the one function that routes accept by and validate judges by.

    `grounding` is what `evidence.check` found of it; `judged` are the grades of the criteria that judge the field,
    where it is a written one (see `written`): its evidence is not asked for.
    A reading without signals is the built-in reader's, whose own confidence is calibrated.
    """
    if field.written:
        return written(judged)
    sure = reading.confidence if reading.signals is None else of_signals(reading.signals)
    return combine(sure, grounding.ocr_confidence, is_grounded=grounding.is_grounded)


def combine(reading: float, ocr: float | None = None, *, is_grounded: bool = True) -> float:
    """The confidence of a value, in [0, 1].

    `reading` is the probability that the right place was chosen, `ocr` the confidence of the weakest word under the
    evidence (None where the text was not read by OCR), `is_grounded` whether the quote stands in the visible text and
    yields the value.
    """
    combined = _unit(reading) * (1.0 if ocr is None else _unit(ocr))
    return combined if is_grounded else min(combined, UNGROUNDED_CEILING)


def of_signals(signals: Signals) -> float:
    """The probability that a language model chose the right value, its evidence aside, in [0, `CEILING`].

    Its own word is the lowest of what it says and of its tokens' probability, `OWN_WORD` at most. The log odds of the
    other voices are added: of the built-in reader for the value against its best other one, of the rest of the reply
    (which offsets doubt, but only tips what the built-in reader sees and is in two minds about or prefers), of models
    that read the same. Models that read another value compete with it for the whole.
    Never falls when a signal that speaks for the value rises, or one against it falls.
    """
    own = min([_unit(one) for one in (signals.stated, signals.logprob) if one is not None] or [UNSTATED])
    log_odds = _log_odds(min(own, OWN_WORD)) - (REPAIRED if signals.is_repaired else 0.0)
    log_odds += _support(signals)
    log_odds += sum(_log_odds(_unit(one)) for one in signals.agreeing)
    odds = math.exp(min(log_odds, MOST_LOG_ODDS))
    rivals = sum(math.exp(_log_odds(_unit(one))) for one in signals.disagreeing)
    return min(odds / (1.0 + odds + rivals), CEILING)


def cross_check_log_odds(probability: float, rival: float) -> float:
    """How far the built-in reader supports a value (over 0) or prefers another (under 0), in log odds."""
    margin = math.log((_unit(probability) + SMALLEST) / (_unit(rival) + SMALLEST))
    return max(-MAX_CROSS_CHECK, min(margin, MAX_CROSS_CHECK))


def written(judged: Iterable[CriterionReading]) -> float:
    """The confidence of a written text: the weakest grade of the criteria that judge it, and how sure these grades are.

    `OWN_WORD` at most: every model grades its own draft, in the very reply that has it.
    """
    return min((OWN_WORD, *(min(_unit(one.grade), _unit(one.confidence)) for one in judged)))


def judging(rubric: Rubric | None, field: str, criteria: Iterable[CriterionReading]) -> tuple[CriterionReading, ...]:
    """Those of the graded `criteria` that judge the written `field`."""
    names = {one.name for one in rubric.criteria if one.judges == field} if rubric is not None else set[str]()
    return tuple(one for one in criteria if one.name in names)


def weakest(confidences: Iterable[float]) -> float:
    """A document's confidence: that of its weakest required field; 1 where nothing is required."""
    return min(confidences, default=1.0)


def _support(signals: Signals) -> float:
    checked = _cross_check(signals)
    together = checked + _peers(signals)
    is_unseen = signals.witness is not None and _unit(signals.witness) <= SMALLEST
    return min(together, 0.0) if is_unseen or checked < -TIE else together


def _cross_check(signals: Signals) -> float:
    if signals.witness is None:
        return 0.0
    return cross_check_log_odds(signals.witness, signals.rival or 0.0)


def _peers(signals: Signals) -> float:
    if signals.peers is None:
        return 0.0
    return max(-PEERS_AGAINST, min(_log_odds(_unit(signals.peers)), PEERS_FOR))


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, SMALLEST), 1.0 - SMALLEST)
    return math.log(bounded / (1.0 - bounded))


def _unit(value: float) -> float:
    return 0.0 if not value > 0.0 else min(value, 1.0)
