"""What a type promises, as a run or a command asks for it."""

from dataclasses import dataclass

from blocks.database.engine import Database
from blocks.database.learning.learned import Learned, looks
from blocks.document_types.review_rules import AcceptRules
from blocks.document_types.schema import DocumentType
from blocks.learning.promised import key_of


@dataclass(frozen=True, slots=True)
class AskedPromise:
    """The error that a type promises, and the basis that it is bound to: a digest of how its documents are read."""

    document_type: DocumentType
    rules: AcceptRules
    basis: str

    @property
    def key(self) -> str:
        """Looks under the same key share the certainty."""
        return key_of(self.rules, self.basis)


def newest_look(database: Database, asked: AskedPromise) -> Learned | None:
    """The last look at what labels prove of it."""
    return next(iter(looks(database, asked.document_type.name, asked.key)), None)
