"""The records that stages exchange.

Records at borders are frozen pydantic models, so that stages can trust the shape of each other's payloads. A payload
holds nothing volatile (no duration, no time): its digest decides whether later stages are stale.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

UNKNOWN_TYPE = "unknown"
MOST_DAYS = 36_500
"""A hundred years: no date is as far back as any number of days."""
LOCAL = "local"
"""The name of the built-in reader in routes and rows."""
NO_MODEL = "none"
"""The model of a scoring that asked no model."""
TEST_LANE = "test"
"""The lane of calls that try a model out. They belong to no document and are never answered from the cache."""

OPEN = "open"
"""The outcome of an attempt that is under way."""
OK = "ok"
CACHE_HIT = "cache_hit"
CANCELLED = "cancelled"
LOST = "lost"
"""The outcome of an attempt whose worker died before it could settle."""
LIMITS_REACHED = "limits_reached"
MODELS_PAUSED = "models_paused"

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in points (1/72 inch), from the top left of the upright page."""


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
    """When a failure is tried again: in this run, in the next run, or only on request."""

    NOW = "now"
    NEXT_RUN = "next_run"
    NEVER = "never"


class Status(StrEnum):
    """The verdict on a document."""

    ACCEPTED = "accepted"
    IN_REVIEW = "in_review"
    REJECTED = "rejected"


ResultStatus = Literal["accepted", "in_review", "rejected", "failed"]
"""What became of a document."""


class Rerun(StrEnum):
    """Which documents a run computes. stale: those without an output under today's fingerprint.

    never: only documents without any result. failed: stale documents and failures. all: all documents.
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
    """A stage's outcome for a document: a payload, a failure, or both (a provisional output).

    `payload` is the JSON of the stage's record. With both, later stages use the payload, and the next run tries the
    failure, whose retry is `next_run`, again. `defect` is the exception behind a failure that is a defect of Winnow; it
    is logged and never stored. `engine` says in traces what made the payload: a library, a method, models.
    """

    document_id: str
    payload: bytes | None = None
    failure: Failure | None = None
    duration_ms: int = 0
    defect: Exception | None = field(default=None, compare=False)
    engine: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.payload is None and self.failure is None:
            raise ValueError(f"outcome of {self.document_id} has neither a payload nor a failure")

    @property
    def digest(self) -> str | None:
        """SHA-256 of the payload, if there is one."""
        return None if self.payload is None else hashlib.sha256(self.payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a chunk, as a stage sees it.

    `part` names the place in the parent (``attachment:2``, ``row:17``) and is None for a file. The bytes of a part are
    in the database, those of a file at its source `uri`. A run gave `given_type` to its documents, or a person decided
    it (`is_type_decided`); `document_type` is the current one. `inputs` holds the upstream payloads of the stage,
    `digests` the digest of every current upstream output, and `provisional` the failure kind of provisional ones. Only
    extract gets places: `uri`, empty elsewhere, and `other_uris`, further places of the same bytes, the latest first.
    `current`: the fingerprint of the stage's current output. `remembered`: what score recalled for another process.
    """

    document_id: str
    uri: str
    media_type: str
    size_bytes: int
    parent_id: str | None = None
    part: str | None = None
    given_type: str | None = None
    is_type_decided: bool = False
    document_type: str | None = None
    digests: Mapping[Stage, str] = field(default_factory=dict)
    inputs: Mapping[Stage, bytes] = field(default_factory=dict)
    provisional: Mapping[Stage, str] = field(default_factory=dict)
    other_uris: tuple[str, ...] = ()
    current: str | None = None
    remembered: bytes = b""


@dataclass(frozen=True, slots=True)
class DiscoveredDocument:
    """A document that discover found, with its place.

    `content` holds the bytes of a part, and None for a file. `is_member` is False for a table whose rows are the
    documents. `failure` is set if the file cannot be read; `document_id` may then be no hash of its bytes.
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
    """A page. `text` is what a person sees, with its lines; `hidden_text` is what a person does not see.

    `method`: text_layer (a PDF's own text), ocr, or parsed (formats that are text by nature). `width` and `height` are
    in points, 0 for formats without pages. `ocr_confidence` is in [0, 1], weighted by word length.
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
    """A page as a picture, for models that take images. `width` and `height` are in pixels."""

    page: int
    media_type: str
    content: bytes
    width: int
    height: int


PAGES_UNREAD = "pages_unread"


class Extraction(Record):
    """The output of extract. `engine` names the library and version that read the pages.

    `attributes` are what a document has beside its pages: a mail's headers, a PDF's form fields. `PAGES_UNREAD` among
    them names the pages that no parser could read.
    """

    media_type: str
    pages: tuple[Page, ...]
    engine: str
    language: str
    attributes: dict[str, str] = {}

    @property
    def visible_text(self) -> str:
        """The text of all pages, separated by form feeds."""
        return "\n\f\n".join(page.text for page in self.pages)

    @property
    def hidden_text(self) -> str:
        """The hidden text of all pages."""
        return "\n".join(page.hidden_text for page in self.pages if page.hidden_text)


class Classification(Record):
    """The output of classify: the document's type and the probability that it is right. `scores` has every type.
    `remark`: what the text says against the type, or against the nearest type, in words.
    """

    document_type: str
    confidence: float
    method: Literal["given", "signals", "classifier", "model"]
    scores: dict[str, float] = {}
    remark: str | None = None


class Evidence(Record):
    """Where in the document a value stands. `page` counts from 1; `quote` is literal text of that page.

    `read_as_in`: ids of decided documents that had their values at such a place, where they changed the reading.
    """

    page: int
    quote: str
    box: Box | None = None
    read_as_in: tuple[str, ...] = Field((), exclude_if=lambda ids: not ids)


class Signals(Record):
    """Evidence for and against a language model's reading of a field, each a probability in [0, 1] or None.

    `stated`: the model's own confidence. `logprob`: the probability of the value's tokens. `witness`: how likely this
    value is by the built-in reader, which shares no weights with any model; `rival`: how likely its best other value
    is. `agreeing` and `disagreeing`: the confidences of other models' readings of the field, with the same value and
    with another value. `peers`: how likely the reply's other fields are by the built-in reader. `is_repaired`: the
    reply was broken JSON.
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
    """A model's or the reader's reading of a field, before its evidence is checked.

    `value` is the document's text or a normalised form of it; a list for a list field, a list of rows for a table
    field. `evidence` has an entry for a value, and an entry per row for a table. The built-in reader's `confidence` is
    calibrated; that of a language model follows from `signals`, by `blocks/evidence/confidence.py`. `printed`: what the
    document prints where `value` is a name as people write it, known from decided documents of the same issuer.
    """

    value: JsonValue = None
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    signals: Signals | None = None
    printed: str | None = Field(None, exclude_if=lambda printed: printed is None)


class CriterionReading(Record):
    """A rubric criterion's grade in [0, 1], with its quotes.

    `is_grounded` is False if a language model gave no quote that is in the document; the grade is then 0.
    """

    name: str
    grade: float
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    is_grounded: bool = True


class StepTrace(Record):
    """What happened at a step of a document's route.

    `outcome`: answered (the route ended), unsure (the readings were used, and the route went on), skipped (`why` names
    the condition that did not hold), or the failure's kind, which `why` explains. `model` is empty if none was asked.
    """

    step: int
    model: str = ""
    outcome: str
    why: str = ""


class Scoring(Record):
    """The output of score: readings by field, criteria, and the total in [0, 100] that code computes.

    `model` names every model whose readings were used, as ``name@version``, joined by `` + ``. `steps` says which step
    of the route answered, and why the earlier steps did not; it is empty if the route is the built-in reader alone.
    `notes` name the parts of the document that a model did not see: pages beyond its context window, pictures that
    could not be drawn. Each note sends the document to review. `refused` has the kinds of failures of models that were
    needed and will not be asked again; the readings are then the built-in reader's. `doubts` are the built-in
    reader's of the document as a whole, as reasons.
    """

    document_type: str
    model: str
    fields: dict[str, FieldReading] = {}
    criteria: tuple[CriterionReading, ...] = ()
    score: float | None = None
    steps: tuple[StepTrace, ...] = ()
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class Validation(Record):
    """The output of validate: the verdict on a document, with typed values and every reason.

    `fields` has a value for each field of the type (money as a decimal string, dates in ISO form, None if nothing was
    read); `confidences` and `evidence` have the same keys. `confidence` is that of the weakest required field. A reason
    is ``code`` or ``code:detail``. `priority` 1 is the most urgent; `due_minutes` counts from storing; `role` decides.
    `raw_confidences` are those before calibration, of fields whose confidence it changed.
    `accepted_by` is of an accepted row of a type that promises an error: what accepted it.
    """

    document_type: str
    status: Status
    confidence: float
    reasons: tuple[str, ...] = ()
    score: float | None = None
    fields: dict[str, JsonValue] = {}
    confidences: dict[str, float] = {}
    raw_confidences: dict[str, float] = Field(default={}, exclude_if=lambda raw: not raw)
    evidence: dict[str, tuple[Evidence, ...]] = {}
    priority: int = 3
    due_minutes: int | None = None
    role: Literal["reviewer", "senior"] = Field("reviewer", exclude_if=lambda role: role == "reviewer")
    accepted_by: Literal["promise", "unproven"] | None = Field(None, exclude_if=lambda by: by is None)


class RunCounts(Record):
    """How a run's documents ended; `documents` is the sum of the others."""

    documents: int = 0
    accepted: int = 0
    in_review: int = 0
    rejected: int = 0
    failed: int = 0
    skipped: int = 0


class Batch(Record):
    """A run's documents from sources. `document_type` is the type of every document; `rows_column` makes each row of a
    csv or jsonl file a document; `limit` bounds the number of files."""

    sources: tuple[str, ...]
    document_type: str | None = None
    rows_column: str | None = None
    limit: int | None = None
    chunk_size: int | None = None
