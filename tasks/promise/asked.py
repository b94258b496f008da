"""What a type promises, as a run or a command asks for it."""

from dataclasses import dataclass

from blocks.database.engine import Database
from blocks.database.learning.learned import Learned, LearnedState, looks
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentType
from blocks.learning.promised import Promise, key_of


@dataclass(frozen=True, slots=True)
class AskedPromise:
    """The error that a type promises, and the basis that it is bound to: a digest of how its documents are read."""

    document_type: DocumentType
    rules: AcceptRules
    basis: str

    @property
    def key(self) -> str:
        """Looks under the same key share the certainty."""
        return key_of(self.rules)

    def is_kept_by(self, look: Learned) -> bool:
        """Whether the look proves the promise for documents as they are read today."""
        promise = Promise.model_validate_json(look.content)
        is_same = look.document_type == self.document_type.name and look.digest == self.key
        return is_same and look.state is LearnedState.USED and promise.basis == self.basis


def proof_in_use(database: Database, asked: AskedPromise) -> Learned | None:
    """The last look at what labels prove, if it keeps the promise."""
    last = next(iter(looks(database, asked.document_type.name, asked.key)), None)
    return last if last is not None and asked.is_kept_by(last) else None
