"""The records that stages exchange, and nothing else: no behaviour beyond what a record says of itself.

Records at borders are frozen pydantic models, so that what one stage wrote another can trust to have its shape.
A stage's payload holds nothing volatile (no duration, no time): its digest decides whether later stages are stale.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

UNKNOWN_TYPE = "unknown"
LOCAL = "local"
"""The name of the built-in model, in routes, readings and the ledger."""
NO_MODEL = "none"
"""What a scoring has in the place of a model where none was asked."""
TEST_LANE = "test"
"""The lane of calls that try a model out: they belong to no document, and none is answered from the cache."""

OPEN = "open"
"""The outcome of a model call that is under way."""
OK = "ok"
CACHE_HIT = "cache_hit"
CANCELLED = "cancelled"
LOST = "lost"
"""The outcome of a model call whose worker died before it could settle."""
LIMITS_REACHED = "limits_reached"
MODELS_PAUSED = "models_paused"

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points (1/72 inch), from the top left of the page as it reads upright."""


class Record(BaseModel):
    """A frozen record with a closed schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(StrEnum):
    """The stages of the pipeline. Their order is written here and nowhere else."""

    DISCOVER = "discover"
    EXTRACT = "extract"
    CLASSIFY = "classify"
    SCORE = "score"
    VALIDATE = "validate"
    STORE = "store"


CHUNK_STAGES = tuple(stage for stage in Stage if stage is not Stage.DISCOVER)
"""The stages that each chunk goes through."""
OUTPUT_STAGES = tuple(stage for stage in CHUNK_STAGES if stage is not Stage.STORE)
"""The stages that write an output per document."""


class Retry(StrEnum):
    """When a failure is worth another attempt: in this run, in the next one, or never without a person's word."""

    NOW = "now"
    NEXT_RUN = "next_run"
    NEVER = "never"


class Status(StrEnum):
    """The verdict on a document."""

    ACCEPTED = "accepted"
    IN_REVIEW = "in_review"
    REJECTED = "rejected"


class Rerun(StrEnum):
    """Which documents of a batch a run computes.

    stale: what has no output under today's fingerprint. never: only what has no result at all.
    failed: stale, and failures again. all: everything.
    """

    STALE = "stale"
    NEVER = "never"
    FAILED = "failed"
    ALL = "all"


class Failure(Record):
    """What went wrong with one document in one stage. `kind` is stable; `message` says what to do next."""

    stage: Stage
    kind: str
    message: str
    retry: Retry


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage says of one document: a payload, a failure, or both (a provisional output).

    `payload` is the JSON of the stage's record. With both set, the payload is used today and the failure, whose
    retry is `next_run`, is taken up again by the next run. `defect` is the exception behind a failure that is a defect
    of Winnow; it is logged and never stored.
    """

    document_id: str
    payload: bytes | None = None
    failure: Failure | None = None
    duration_ms: int = 0
    defect: Exception | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.payload is None and self.failure is None:
            raise ValueError(f"outcome of {self.document_id} has neither a payload nor a failure")

    @property
    def digest(self) -> str | None:
        """SHA-256 of the payload, or None where there is none."""
        return None if self.payload is None else hashlib.sha256(self.payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a chunk, as a stage sees it.

    `part` names the place in the parent (``attachment:2``, ``row:17``) or is None for a file of its own; a part's
    bytes are kept in the database, a file's at its source `uri`. `given_type` was declared by a person,
    `document_type` is what the current classification says. `inputs` holds the upstream payloads that the stage
    asked for, `digests` the digest of every current upstream output; `provisional` the kind of failure of each upstream
    output that is provisional. `other_uris` are further places where the same bytes were seen, the latest first; only
    extract is told of them.
    """

    document_id: str
    uri: str
    media_type: str
    size_bytes: int
    parent_id: str | None = None
    part: str | None = None
    given_type: str | None = None
    document_type: str | None = None
    digests: Mapping[Stage, str] = field(default_factory=dict)
    inputs: Mapping[Stage, bytes] = field(default_factory=dict)
    provisional: Mapping[Stage, str] = field(default_factory=dict)
    other_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiscoveredDocument:
    """A document that discover found, with its place.

    `content` holds the bytes of a part, which has no file of its own, and None for a file. `is_member` is False for a
    parent whose parts are the documents (a table whose rows are). `failure` is set where the file cannot be
    taken in; `document_id` is then no hash of its bytes if these cannot be read.
    """

    document_id: str
    uri: str
    media_type: str
    size_bytes: int
    parent_id: str | None = None
    part: str | None = None
    content: bytes | None = None
    is_member: bool = True
    failure: Failure | None = None


class Words(Record):
    """The words of a page, column by column: a page has hundreds, a batch millions.

    `spans` are [start, end) offsets into the page's text, `boxes` their places, `confidences` in [0, 1] where OCR
    gave any.
    """

    spans: tuple[tuple[int, int], ...] = ()
    boxes: tuple[Box, ...] = ()
    confidences: tuple[float, ...] | None = None


class Page(Record):
    """One page as a reader sees it. `text` keeps lines; `hidden_text` is what a reader does not see.

    `method`: text_layer (a PDF's own text), ocr, or parsed (formats that are text by nature).
    `width` and `height` in points, 0 where a format has no pages. `ocr_confidence` in [0, 1], weighted by word length.
    """

    number: int
    method: Literal["text_layer", "ocr", "parsed"]
    text: str
    width: float = 0.0
    height: float = 0.0
    words: Words = Words()
    ocr_confidence: float | None = None
    hidden_text: str = ""
    rotation_degrees: int = 0
    skew_degrees: float = 0.0


class PageImage(Record):
    """One page as a picture, for models that look at pages. `width` and `height` are in pixels."""

    page: int
    media_type: str
    content: bytes
    width: int
    height: int


class Extraction(Record):
    """What extract says of a document. `engine` names the library and version that gave the pages.

    `attributes` holds what stands beside the pages: a mail's headers, a PDF's form fields.
    """

    media_type: str
    pages: tuple[Page, ...]
    engine: str
    language: str
    attributes: dict[str, str] = {}

    @property
    def visible_text(self) -> str:
        """The text of all pages, a form feed between two."""
        return "\n\f\n".join(page.text for page in self.pages)

    @property
    def hidden_text(self) -> str:
        """What a reader of the pages does not see."""
        return "\n".join(page.hidden_text for page in self.pages if page.hidden_text)


class Classification(Record):
    """The document's type and the probability that it is right. `scores` has every type that was weighed."""

    document_type: str
    confidence: float
    method: Literal["given", "signals", "classifier", "model"]
    scores: dict[str, float] = {}


class Evidence(Record):
    """Where in the document a value stands. `page` counts from 1; `quote` is literal text of that page."""

    page: int
    quote: str
    box: Box | None = None


class Signals(Record):
    """What speaks for and against a language model's reading of a field, each a probability in [0, 1] or None.

    `stated`: what the model says of itself. `logprob`: the probability of the value's tokens. `witness`: how likely
    the built-in reader, which shares no weights with any model, finds this very value; `rival`: how likely it finds the
    best other one. `agreeing` and `disagreeing`: the confidences of other models' readings of the field that have the
    same value, and another one. `peers`: how likely the rest of the same reply is, by the built-in reader's view of its
    other fields. `is_repaired`: the reply was mended before it could be read.
    """

    stated: float | None = None
    logprob: float | None = None
    witness: float | None = None  # stored payloads have this name for the cross-check
    rival: float | None = None
    peers: float | None = None
    agreeing: tuple[float, ...] = ()
    disagreeing: tuple[float, ...] = ()
    is_repaired: bool = False


class FieldReading(Record):
    """What a model read for one field, before it is believed.

    `value` is text as it stands in the document or a normalised form of it; a list field has a list, a table field a
    list of rows. `evidence` has one entry for a value, one per row for a table. `confidence` is that of the reader
    before its evidence is checked: the built-in reader's is calibrated; of a language model it follows from `signals`,
    by `blocks/evidence/confidence.py`.
    """

    value: JsonValue = None
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    signals: Signals | None = None


class CriterionReading(Record):
    """A rubric criterion's grade in [0, 1], with the quotes that bear it.

    `is_grounded` is False where a language model graded the document and no quote in it bears the grade, which is 0
    then.
    """

    name: str
    grade: float
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    is_grounded: bool = True


class StepTrace(Record):
    """What became of one step of a route for one document.

    `outcome`: answered (its readings were taken), unsure (they were taken, and the route went on), skipped (`why` says
    which condition did not hold), or the kind of the failure, and what that is as `why`. `model` is empty where none
    was asked.
    """

    step: int
    model: str = ""
    outcome: str
    why: str = ""


class Scoring(Record):
    """What score says of a document: readings by field, criteria, and the total in [0, 100] computed by code.

    `model` names every model whose readings were taken, as ``name@version``, joined by `` + ``. `steps` tells which
    step of the route answered, and why the earlier ones did not; it is empty where the route is the built-in model
    alone. `notes` tells what of the document a model was not shown: pages that its context window has no room
    for, pictures that could not be drawn. Any of them sends the document to review.
    `refused` has the kinds of failures where a model was needed and those that were asked gave the document up for
    good; the readings are then the built-in model's.
    """

    document_type: str
    model: str
    fields: dict[str, FieldReading] = {}
    criteria: tuple[CriterionReading, ...] = ()
    score: float | None = None
    steps: tuple[StepTrace, ...] = ()
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class Validation(Record):
    """The verdict on a document, with typed values and every reason.

    `fields` has a value per field of the type (money as a decimal string, dates as ISO, None where nothing was read);
    `confidences` and `evidence` the same keys. `confidence` is that of the weakest required field.
    Reasons read ``code`` or ``code:detail``. `priority` 1 is the most urgent; `due_minutes` counts from storing.
    """

    document_type: str
    status: Status
    confidence: float
    reasons: tuple[str, ...] = ()
    score: float | None = None
    fields: dict[str, JsonValue] = {}
    confidences: dict[str, float] = {}
    evidence: dict[str, tuple[Evidence, ...]] = {}
    priority: int = 3
    due_minutes: int | None = None


class WholeFinding(Record):
    """What an expectation about the whole of a type's results found, once, at the end of a run.

    `observed` says in words what was seen, or why the expectation could not be checked (`success` is then False).
    """

    document_type: str
    name: str
    success: bool
    observed: str
    severity: Literal["warn", "fail"] = "warn"


class RunCounts(Record):
    """How a run's documents ended; `documents` is the sum of the others."""

    documents: int = 0
    accepted: int = 0
    in_review: int = 0
    rejected: int = 0
    failed: int = 0
    skipped: int = 0


class Batch(Record):
    """What a run takes from sources. A `document_type` declares every document's type; `rows_column` makes each row of
    a csv or jsonl file a document of its own; `limit` bounds the files listed."""

    sources: tuple[str, ...]
    document_type: str | None = None
    rows_column: str | None = None
    limit: int | None = None
    chunk_size: int | None = None


class Backfill(Record):
    """What a run takes from the documents that the database knows: those of a type, of a status, or both."""

    document_type: str | None = None
    status: Literal["accepted", "in_review", "rejected", "failed"] | None = None
    limit: int | None = None
    chunk_size: int | None = None
