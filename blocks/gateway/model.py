"""The Model protocol: what every provider answers, and every policy around it.

A question carries pages and the document type; each provider renders them into its wire format.
One document per question. Each policy (retries, budget, limits, circuit, cache) is a `Model` around another `Model`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from pydantic import Field, JsonValue

from blocks.document_types.schema import Criterion, DocumentType
from blocks.ledger import Consumption
from blocks.records import CriterionReading, FieldReading, Page, PageImage, Record


class DecidedExample(Record):
    """A decided document like the one to read. `text` is that of its pages, each under its number; `fields` has those
    that people decided, as a reply has them."""

    document_id: str
    text: str
    fields: dict[str, JsonValue]


class ModelRequest(Record):
    """One document to read by one type.

    `prompt` is the template of the route step that asks, `variant` its name. `fields` are those that are asked, all of
    the type's where it is empty. `images` are of pages of the document. `written` has what an earlier step wrote, by
    field, for a step that is to rewrite it. `notes` describes changes of the pages, such as leaving some out.
    `examples` are decided documents to learn from, the most alike first.
    """

    document_id: str
    document_type: DocumentType
    pages: tuple[Page, ...]
    prompt: str = ""
    variant: str = "default"
    fields: tuple[str, ...] = ()
    images: tuple[PageImage, ...] = ()
    written: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    examples: tuple[DecidedExample, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the fields that are asked, in the type's order."""
        every = self.document_type.fields
        return tuple(name for name in every if name in self.fields) if self.fields else tuple(every)

    @property
    def asked_criteria(self) -> tuple[Criterion, ...]:
        """The criteria to grade."""
        return criteria_of(self.document_type, self.asked)


def criteria_of(document_type: DocumentType, asked: Sequence[str]) -> tuple[Criterion, ...]:
    """The criteria to grade where these fields are asked: those that judge one of them, and those of the document where
    every field is asked."""
    asks_all = len(asked) == len(document_type.fields)
    return tuple(
        criterion
        for criterion in document_type.criteria
        if (asks_all if criterion.judges is None else criterion.judges in asked)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(Consumption):
    """What a provider says that an attempt consumed.

    `cache_write_1h_tokens` are those of `cache_write_tokens` that are kept for an hour. `is_stated` is False where the
    provider gave no counts, or impossible ones: they are then 0, and the cost of the attempt is not known.
    """

    is_stated: bool = True
    cache_write_1h_tokens: int = 0


class ModelReply(Record):
    """What a model read. Fields that it did not find are left out.

    `model` and `model_version` name who answered: `model_version` is the version that the provider reports.
    `is_cached`: the reply was given before, and cost nothing now. `is_repaired`: it had to be mended before it could be
    read; `is_unwrapped`: it stood amid prose or in a code fence. `notes` are for whoever looks at the result.
    `sent_text` and `received_text` are the texts for the ledger, which keeps them only on demand; no payload has them.
    """

    fields: dict[str, FieldReading] = Field(default_factory=dict)
    criteria: tuple[CriterionReading, ...] = ()
    usage: Usage = Usage()
    model: str = ""
    model_version: str = ""
    is_cached: bool = False
    is_repaired: bool = False
    is_unwrapped: bool = False
    notes: tuple[str, ...] = ()
    latency_ms: int = 0
    first_byte_ms: int = 0
    sent_text: str | None = Field(None, exclude=True, repr=False)
    received_text: str | None = Field(None, exclude=True, repr=False)


@dataclass(frozen=True, slots=True)
class Correction:
    """A reply that did not fit the schema, and what was wrong with it, for the one corrective turn."""

    reply: str
    problem: str


@dataclass(frozen=True, slots=True)
class Question:
    """A request on its way through the policies.

    `deadline` is the time of `time.monotonic()` by which all work on it ends. `step` counts the route's steps from 0,
    `attempt` the attempts at a model from 1. `lane` is who asks: run, or test.
    `document_budget_usd` bounds what the document may cost in the run, None where nothing does. `timeout_s` is the
    timeout that the route's step sets; None: the model's own. `digest` is the question's key in the reply store, empty
    where the cache was not asked.
    """

    request: ModelRequest
    run_id: str
    deadline: float
    step: int = 0
    attempt: int = 1
    lane: str = "run"
    correction: Correction | None = None
    document_budget_usd: Decimal | None = None
    timeout_s: float | None = None
    digest: str = ""


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

    async def answer(self, question: Question) -> ModelReply:
        """Read the asked fields and grade the criteria.

        Raises a `CallFailed` of `blocks/gateway/errors.py`, or another `WinnowError`, at most one second after
        the deadline. Called on the gateway's event loop: nothing in it blocks.
        """
        ...
