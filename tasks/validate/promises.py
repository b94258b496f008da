"""What a run's types promise about their accepted rows."""

from collections.abc import Collection
from dataclasses import dataclass

from blocks.document_types.review_rules import AcceptRules
from blocks.learning.promised import Promise
from tasks.validate.verdict import Promised

UNPROVEN = 0
"""What stands in fingerprints where nothing is proven yet."""


@dataclass(frozen=True, slots=True)
class TypePromise:
    """The error that a type promises, and what proves it under the id `learned_id`, if anything does."""

    rules: AcceptRules
    deciding: Collection[str]
    proven: Promise | None = None
    learned_id: int = UNPROVEN

    def promised(self) -> Promised:
        """How rows are accepted.

        A document is as sure as its least sure deciding field and its type, so what is proven of documents from a
        confidence on is asked of each of them.
        """
        threshold = self.proven.threshold if self.proven is not None else None
        fields = {} if threshold is None else dict.fromkeys(self.deciding, threshold)
        return Promised(fields, threshold, accepts_unproven=self.rules.unproven == "accept")
