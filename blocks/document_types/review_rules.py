"""The rules of review in a type.yaml: what is accepted without a person, how urgent the rest is, how people decide."""

from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from blocks.records import Record

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

MAKES_NOTHING_STALE = {"hours", "decisions", "audit", "blind", "reject_reasons", "accept"}
"""Rules of review whose change makes no result stale: those of how people decide change no verdict, and what is
promised is for new documents. `--relearn` judges earlier ones by it."""


def _as_share(value: object) -> object:
    """A share in [0, 1]; ``2%`` is 0.02."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return float(value.strip().removesuffix("%")) / 100
    return value


Share = Annotated[float, BeforeValidator(_as_share), Field(ge=0, le=1)]


def _as_exact_share(value: object) -> object:
    """A share as a decimal number, so that no binary fraction stands for what was written; ``2%`` is 0.02."""
    text = str(value).strip()
    try:
        return Decimal(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except InvalidOperation:
        return value


ExactShare = Annotated[Decimal, BeforeValidator(_as_exact_share), Field(gt=0, lt=1)]


class ReviewBand(Record):
    """Documents whose confidence is under `below` get this priority (1 is the most urgent), due time and role."""

    below: float = Field(ge=0, le=1)
    priority: int = Field(ge=1, le=5)
    due_minutes: int = Field(ge=1)
    role: Literal["reviewer", "senior"] = Field("reviewer", exclude_if=lambda role: role == "reviewer")


class BusinessHours(Record):
    """When people review: due times count only these hours. `timezone` is a name of the IANA database."""

    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    opens: time = time(9)
    closes: time = time(17)
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.days or self.closes <= self.opens:
            raise ValueError("business hours need a day, and close after they open")
        if self.timezone not in available_timezones():
            raise ValueError(f"{self.timezone!r} is no time zone of the IANA database, such as Europe/Berlin")
        return self


class AcceptRules(Record):
    """The error that a type promises: at most the share `error` of its accepted rows is wrong, with this `certainty`.

    `per`: a row is wrong if any of its deciding fields is; or the error is promised for each of these fields. While
    nothing is proven, `unproven` rows go to review, or are accepted from the type's `accept_at` on.
    """

    error: ExactShare
    certainty: ExactShare = Decimal("0.95")
    per: Literal["document", "field"] = "document"
    unproven: Literal["review", "accept"] = "review"


class ReviewRules(Record):
    """When a document is accepted without a person, how urgent it is otherwise, and how people decide on it.

    `calibrate`: whether confidences are calibrated by labels first (docs/learning.md).
    `accept_models_at` is asked, in place of `accept_at`, of fields that a language model has read, where it is higher.
    `bands` are tried from the lowest `below`; the last one serves everything else. `hours`: due times count these
    only; without them, every hour. `decisions`: how many persons must agree; with 2, neither sees what
    the other one decided. `audit`: the share of accepted documents that is drawn at random for a person, in a `blind`
    audit without the values that were read. `reject_reasons` are offered to who rejects. `accept` promises an error:
    the confidence from which on rows are accepted is then what labels prove, in place of `accept_at`.
    """

    accept_at: float = Field(0.8, ge=0, le=1)
    accept: AcceptRules | None = Field(None, exclude_if=lambda accept: accept is None)
    accept_models_at: float | None = Field(None, ge=0, le=1)
    calibrate: bool = Field(False, exclude_if=lambda is_on: not is_on)
    min_ocr_confidence: float = Field(0.6, ge=0, le=1)
    bands: tuple[ReviewBand, ...] = (ReviewBand(below=1.0, priority=3, due_minutes=24 * 60),)
    hours: BusinessHours | None = None
    decisions: Literal[1, 2] = 1
    audit: Share = 0.0
    blind: bool = False
    reject_reasons: tuple[str, ...] = ()


class RejectRule(Record):
    """Reject, without a person, documents whose `field` has one of these values at `min_confidence` or more."""

    field: str
    values: tuple[JsonValue, ...]
    min_confidence: float = Field(0.95, ge=0, le=1)
