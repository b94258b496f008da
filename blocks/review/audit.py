"""What random audits and second opinions say: the share of wrong rows among accepted ones, and how often people agree.

Intervals have 95 % confidence. That of a simple random sample is exact, by Clopper and Pearson.

Where rows were drawn with different probabilities, because the type's `audit` changed, each counts with the inverse of
its probability (Horvitz and Thompson, 1952), and the interval is that of Clopper and Pearson for the effective size of
the sample (Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts
estimated from survey data", Survey Methodology 24, 1998). It is then no longer exact, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from blocks.learning.measures import clopper_pearson
from blocks.records import Record


@dataclass(frozen=True, slots=True)
class AuditedRow:
    """An accepted row that was drawn with `probability`, and whether the person found anything wrong with it."""

    probability: float
    is_wrong: bool


class Share(Record):
    """A share in [0, 1] with its interval; the share is None where nothing was counted.

    `is_exact`: whether the interval is that of a simple random sample.
    """

    counted: int
    hits: int
    share: float | None
    low: float
    high: float
    is_exact: bool = True


def share_of(hits: int, counted: int) -> Share:
    """The share of `hits` among `counted`, with its exact interval."""
    low, high = clopper_pearson(hits, counted)
    return Share(counted=counted, hits=hits, share=hits / counted if counted else None, low=low, high=high)


def wrong_share(rows: Sequence[AuditedRow]) -> Share:
    """The share of wrong rows among all accepted ones, estimated from the audited ones."""
    wrong = sum(row.is_wrong for row in rows)
    if len({row.probability for row in rows}) <= 1:
        return share_of(wrong, len(rows))
    weights = [1 / row.probability for row in rows]
    total = sum(weights)
    share = sum(weight for weight, row in zip(weights, rows, strict=True) if row.is_wrong) / total
    effective = total**2 / sum(weight**2 for weight in weights)
    low, high = clopper_pearson(share * effective, effective)
    return Share(counted=len(rows), hits=wrong, share=share, low=low, high=high, is_exact=False)
