"""Document types: the schema of ``data/document_types/<name>/`` and the digests that decide what a change recomputes.

A type is a folder with no Python: type.yaml, prompts/<variant>.md, expectations.yaml and examples/. This module says
what may stand there; `blocks/document_types/loader.py` reads it and names file and line of every mistake.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, JsonValue

from blocks.document_types.review_rules import MAKES_NOTHING_STALE, RejectRule, ReviewRules
from blocks.records import LOCAL, Page, Record

PROMPT_VARIABLES = (
    "document_type",
    "title",
    "description",
    "languages",
    "fields",
    "rubric",
    "examples",
    "pages",
    "text",
    "document",
    "written",
)
"""What a prompt template may name: the type itself and its parts, the document's pages and their visible text.

`document` is the text with a mark before each page, `written` what an earlier step wrote, by field.
"""


class FieldType(StrEnum):
    """What a field's value is, and so how it is written in results: see `blocks/values/typed_values.py`."""

    TEXT = "text"
    DATE = "date"
    MONEY = "money"
    NUMBER = "number"
    INTEGER = "integer"
    CURRENCY = "currency"
    IBAN = "iban"
    EMAIL = "email"
    PHONE = "phone"
    ENUM = "enum"
    LIST = "list"
    TABLE = "table"


class FieldHints(Record):
    """What helps to find a field; every hint is optional and serves any type of document.

    `position`: where on the document the value tends to stand. `pick`: which of several equally good candidates wins.
    `near`: words that are usually close to the value. `not_near`: a candidate near these words is less likely.
    `pattern`: a regular expression that the value as a whole matches. `vocabulary`: terms to look for (list fields).
    `kind`: what a text value names. `sum_of`: number fields whose sum this one's value is. `column_sum`: the column of
    a table (`lines.amount`) whose rows add up to the value. `share_of`: the number field of which the value is a
    printed percentage. `remainder_of`: the total of which the value is what is left to pay. A sum that holds raises
    confidence; where one of these does not, the document goes to review.
    `stated`: regular expressions of how a sentence states the value, which stands in their group `value`; the value is
    then read from such sentences alone.
    `settled_below`: an amount that is paid on the spot: what was handed over and the change stand below it.
    `keywords`: for each value of an enum field the words that speak for it; for each entry that a list field may have,
    the words whose presence puts it on the list. In a keyword a blank matches any blanks or none, and `*` any letters
    or masking signs or none.
    """

    position: Literal["top", "bottom"] | None = None
    pick: Literal["first", "last", "largest", "smallest"] | None = None
    near: tuple[str, ...] = ()
    not_near: tuple[str, ...] = ()
    pattern: str | None = None
    vocabulary: tuple[str, ...] = ()
    kind: Literal["organisation", "person", "address", "identifier", "sentence"] | None = None
    stated: tuple[str, ...] = ()
    sum_of: tuple[str, ...] = ()
    column_sum: str | None = None
    share_of: str | None = None
    remainder_of: str | None = None
    settled_below: bool = False
    keywords: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class DocumentField(Record):
    """One field. `aliases` are the labels that a document prints beside the value, in any language of the type.

    `columns` (table fields) are fields of their own; `enum` (enum fields) the values that may be; `default` is taken,
    with low confidence, where the document is silent. A `written` text is not read from the document but written by a
    model (a drafted answer): it has no quote, and its confidence is the weakest grade of the criteria that judge it.
    """

    type: FieldType
    description: str = ""
    required: bool = False
    aliases: tuple[str, ...] = ()
    hints: FieldHints = FieldHints()
    enum: tuple[str, ...] = ()
    columns: dict[str, "DocumentField"] = Field(default_factory=dict)
    default: str | None = None
    written: bool = False


class Criterion(Record):
    """A criterion of the rubric. Its weight is relative to the others'. The built-in reader grades by `keywords`.

    `judges` names the written field that the criterion grades, in place of the document; such a criterion is graded
    only where the field was written, and is no part of the total score.
    """

    name: str
    weight: float = Field(1.0, gt=0)
    description: str
    keywords: tuple[str, ...] = ()
    judges: str | None = None


class Rubric(Record):
    """What the documents are scored against. `reference` is a text that they are compared with (a job description)."""

    reference: str = ""
    criteria: tuple[Criterion, ...]


class Signal(Record):
    """A phrase or a regular expression whose presence speaks for the type (weight over 0) or against it (under 0).

    Weights are log odds: those that are there are added up, and a sum of 2.5 makes a type as likely as no type. A
    phrase that stands on no other kind of document deserves 3, one of several that together decide 1. Without a weight
    it is estimated from how many examples of other types have the signal: 1.6 where none has, so that two decide.
    """

    phrase: str | None = None
    pattern: str | None = None
    weight: float | None = None


class ClassificationRules(Record):
    """How documents of the type are known: by its title and labels (`by_description`), `signals`, and examples.

    A type whose signals were weighed on documents switches `by_description` off: they count titles and labels already.
    Below the confidence `threshold` the type is unknown.
    """

    by_description: bool = True
    signals: tuple[Signal, ...] = ()
    threshold: float = Field(0.5, ge=0, le=1)


class StepCondition(Record):
    """When a step is taken; everything that is given must hold.

    `pages` and `tokens` (estimated, of the visible text) are [least, most], either of which may be null.
    `ocr_confidence_below`: the pages' mean OCR confidence; a document without OCR counts as 1. `sensitive`: whether the
    type is. `confidence_below`: the document's confidence after the steps before, 0 where none has answered.
    `criterion_below`: minimum grades by criterion, one of which was missed. `unanswered`: whether no language model has
    answered yet, because no model was asked, or all failed.
    """

    pages: tuple[int | None, int | None] | None = None
    tokens: tuple[int | None, int | None] | None = None
    ocr_confidence_below: float | None = Field(None, ge=0, le=1)
    sensitive: bool | None = None
    confidence_below: float | None = Field(None, ge=0, le=1)
    criterion_below: dict[str, float] = Field(default_factory=dict)
    unanswered: bool | None = None


class StepAcceptance(Record):
    """When the route ends with this step's answer; without one a step that answers always ends it.

    `confidence`: of each deciding field at least this much. `criteria`: grades of at least this much, by criterion.
    `checks`: every required field was read, is of its type and grounded, and no other one sends the document to review.
    """

    confidence: float | None = Field(None, ge=0, le=1)
    criteria: dict[str, float] = Field(default_factory=dict)
    checks: bool = True


class RouteStep(Record):
    """One step of the route: who is asked, when, for what, and when the answer is enough.

    `model` names a model of the registry (`local` is the built-in reader); `tier` takes the enabled models of that tier
    instead, the first that is available. `asks`: every field, or only those that the steps before left unsure.
    `role`: `answer` replaces what the steps before read of the fields it was asked; `second_opinion` keeps it, raises
    the confidence where the two agree and lowers it where they do not; `rewrite` replaces the written fields.
    `images`: page images are sent, to models that take them. `timeout_s`: for one call of this step, all its attempts
    included, in place of the model's; like every limit it makes no result stale.
    """

    model: str | None = None
    tier: Literal["cheap", "strong"] | None = None
    prompt: str = "default"
    when: StepCondition = StepCondition()
    accept: StepAcceptance | None = None
    asks: Literal["all", "unsure"] = "all"
    role: Literal["answer", "second_opinion", "rewrite"] = "answer"
    images: bool = False
    timeout_s: float | None = Field(None, gt=0, le=3600)


class MemoryRules(Record):
    """Documents of the type are read by what people decided on others, and how: docs/learning.md.

    `refresh`: whether what is learnt later serves new documents only, or earlier ones are stale and read again.
    `split`: whether each label teaches and proves in turn, or half of them only ever teach and the other half prove.
    `examples`: so many decided documents, the most alike, are shown to the models that read a document. Where the type
    is sensitive, only with `share_sensitive`: they are other people's documents.
    """

    refresh: Literal["new", "stale"] = "new"
    examples: int = Field(0, ge=0, le=8, exclude_if=lambda examples: examples == 0)
    share_sensitive: bool = Field(False, exclude_if=lambda share: not share)
    split: Literal["turns", "strict"] = Field("turns", exclude_if=lambda split: split == "turns")


class Expectation(Record):
    """A Great Expectations expectation by the library's own name and arguments (`kwargs`).

    A row-level one that a row breaks gives it the reason ``expectation:<name>``; one about all results is
    reported at the end of a run, and with `severity: fail` makes the run end as `Failed`.
    """

    name: str
    type: str
    kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    severity: Literal["warn", "fail"] = "warn"


class Example(Record):
    """A labelled text: of the type as a whole, and for enum fields of the values in `labels`.

    `reply` is the whole reply that a model should give to it: the JSON object that prompts ask for. Models are shown
    such a worked example in each request.
    """

    text: str
    labels: dict[str, str] = Field(default_factory=dict)
    reply: dict[str, JsonValue] | None = Field(None, exclude_if=lambda reply: reply is None)


class TaughtExample(Example):
    """An example that people's decisions made. Its text, and what is trained on it, are written to no file."""


class DocumentType(Record):
    """A document type as its folder says it. `budget_usd` is what one document of it may cost in one run."""

    name: str
    title: str
    description: str = ""
    languages: tuple[str, ...] = ("en",)
    fields: dict[str, DocumentField]
    rubric: Rubric | None = None
    classification: ClassificationRules = ClassificationRules()
    route: tuple[RouteStep, ...] = (RouteStep(model=LOCAL),)
    budget_usd: Decimal | None = Field(None, ge=0)
    review: ReviewRules = ReviewRules()
    memory: MemoryRules | None = Field(None, exclude_if=lambda memory: memory is None)
    sensitive: bool = False
    reject_when: tuple[RejectRule, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    prompts: dict[str, str] = Field(default_factory=dict)
    examples: tuple[Example, ...] = ()

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The rubric's criteria; none without a rubric."""
        return self.rubric.criteria if self.rubric is not None else ()

    @property
    def examples_shown(self) -> int:
        """So many decided documents at most are shown to a model."""
        rules = self.memory
        return 0 if rules is None or (self.sensitive and not rules.share_sensitive) else rules.examples

    @cached_property
    def classify_digest(self) -> str:
        """Digest of what classify reads: of the fields the names, labels and whether they are required, if at all."""
        known = self._digest("name", "title", "classification", "examples")
        if self.classification.by_description:
            fields = {name: (field.aliases, field.required) for name, field in self.fields.items()}
            known += json.dumps([self.description, fields])
        return hashlib.sha256(known.encode()).hexdigest()

    @cached_property
    def score_digest(self) -> str:
        """Digest of what score reads."""
        return self._digest("name", "languages", "fields", "rubric", "route", "prompts", "examples")

    @cached_property
    def validate_digest(self) -> str:
        """Digest of what validate reads."""
        return self._digest("name", "languages", "fields", "review", "sensitive", "reject_when", "expectations")

    @cached_property
    def version(self) -> str:
        """Digest of the whole content; the key of `document_type_versions`."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def __hash__(self) -> int:
        """By the whole content, so that what is made of a type can be cached by it."""
        return hash(self.version)

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """As pydantic's, without the digests that were made of the original."""
        copied = super().model_copy(update=update, deep=deep)
        for digest in ("classify_digest", "score_digest", "validate_digest", "version"):
            copied.__dict__.pop(digest, None)
        return copied

    def _digest(self, *parts: str) -> str:
        content = self.model_dump_json(
            include=set(parts), exclude={"route": {"__all__": {"timeout_s"}}, "review": MAKES_NOTHING_STALE}
        )
        return hashlib.sha256(content.encode()).hexdigest()


def prompt_variables(document_type: DocumentType, pages: tuple[Page, ...]) -> dict[str, object]:
    """What a prompt template of the type may name, for one document: the values of `PROMPT_VARIABLES`.

    `blocks/gateway/prompts/prompts.py` puts fences around what comes from the document before a model is asked.
    """
    values = {name: getattr(document_type, name) for name in PROMPT_VARIABLES if name in DocumentType.model_fields}
    written = {name: "" for name, field in document_type.fields.items() if field.written}
    return {
        "document_type": document_type,
        **values,
        "pages": pages,
        "text": "\n\f\n".join(page.text for page in pages),
        "document": document_text(pages),
        "written": written,
    }


def document_text(pages: tuple[Page, ...]) -> str:
    """The text of all pages, each under its number, as prompts have it."""
    return "\n".join(f"[page {page.number}]\n{page.text}" for page in pages)
