"""The Model protocol: what every provider answers, the built-in one included.

A request carries pages and the document type; rendering them into a provider's wire format is the provider's part.
One document per request.
"""

from decimal import Decimal
from typing import Protocol

from pydantic import Field

from blocks.document_types import DocumentType
from blocks.records import CriterionReading, FieldReading, Page, Record


class ModelRequest(Record):
    """One document to read by one type. `prompt` is the template of the route step that asks."""

    document_id: str
    document_type: DocumentType
    pages: tuple[Page, ...]
    prompt: str = ""


class Usage(Record):
    """What an attempt consumed. Characters as sent and received; tokens as the provider counts them."""

    input_characters: int = 0
    output_characters: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


class ModelReply(Record):
    """What a model read. Fields that it did not find are left out."""

    fields: dict[str, FieldReading] = Field(default_factory=dict)
    criteria: tuple[CriterionReading, ...] = ()
    usage: Usage = Usage()


class Model(Protocol):
    """A model that reads one document at a time."""

    @property
    def name(self) -> str:
        """What routes and the ledger call it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same request may get another answer."""
        ...

    def answer(self, request: ModelRequest) -> ModelReply:
        """Read the request's fields and grade its criteria.

        Raises a `WinnowError` whose `retry` says whether another attempt is worth it.
        """
        ...
