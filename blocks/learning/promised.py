"""A promise as it is kept: what was asked, what it was proven on, and the proof."""

import hashlib
from fractions import Fraction

from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentType
from blocks.learning.evaluation import deciding_fields
from blocks.learning.promise import Proof
from blocks.records import Record

WHOLE = ""
"""The key of the whole document among proofs."""
MOST_SCORES = 500


class Promise(Record):
    """A look at the labels of a type, and what they prove for documents that are read under the `basis`.

    `look` counts the looks under these rules, from 1 on. `labels` were used. `proofs` are by field, or the one of the
    whole document under "". `scores` are those of the type's documents then, ascending and at most 500 of them: what
    later documents are compared with.
    """

    rules: AcceptRules
    basis: str
    look: int
    labels: int
    proofs: dict[str, Proof]
    scores: tuple[float, ...] = ()

    @property
    def threshold(self) -> float | None:
        """The confidence of the document from which on rows are accepted: the strictest one, so that the error of each
        field was tested among just these rows. None unless all are proven.
        """
        found = [proof.threshold for proof in self.proofs.values()]
        proven = [threshold for threshold in found if threshold is not None]
        return max(proven) if len(proven) == len(found) else None


def units_of(document_type: DocumentType, rules: AcceptRules) -> tuple[str, ...]:
    """What is promised about: the whole document, or each of its deciding fields."""
    return (WHOLE,) if rules.per == "document" else deciding_fields(document_type)


def key_of(rules: AcceptRules) -> str:
    """Digest of what a promise says: looks under the same key share its certainty, however documents are read."""
    parts = (Fraction(rules.error), Fraction(rules.certainty), rules.per)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def thinned(scores: list[float]) -> tuple[float, ...]:
    """At most 500 of the scores, ascending, evenly spread over their ranks."""
    ranked = sorted(scores)
    step = max(1, -(-len(ranked) // MOST_SCORES))
    return tuple(ranked[::step])
