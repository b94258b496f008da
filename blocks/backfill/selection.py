"""Which known documents a backfill takes. The plan, the command and the flow share this record."""

from datetime import UTC, datetime

from pydantic import Field, field_validator, model_validator

from blocks.records import Record, ResultStatus


class Selection(Record):
    """Known documents that have every property that is given; without any, all documents.

    The reason, the status and the confidence are those of the current result. A time without a zone is UTC.
    """

    document_type: str | None = Field(None, description="Only documents of this type.")
    status: ResultStatus | None = Field(None, description="Only documents of this status.")
    reason: str | None = Field(
        None, description="Only documents whose result has this reason: a code, as low_confidence, or all of a reason."
    )
    failure_kind: str | None = Field(None, description="Only documents with an open failure of this kind.")
    source: str | None = Field(None, description="Only documents at this URI, or below this folder.")
    seen_from: datetime | None = Field(None, description="Only documents that were first seen then or later.")
    seen_before: datetime | None = Field(None, description="Only documents that were first seen before then.")
    run: str | None = Field(None, description="Only documents of the run of this id.")
    confidence_from: float | None = Field(None, ge=0, le=1, description="Only documents of at least this confidence.")
    confidence_below: float | None = Field(None, ge=0, le=1, description="Only documents of a lower confidence.")
    model: str | None = Field(None, description="Only documents that this model was asked about.")
    stale: bool = Field(False, description="Only documents that are not settled under today's types and settings.")
    reclassified: bool = Field(
        False, description="Only documents that a person gave another type and that no run has read as that type since."
    )
    limit: int | None = Field(
        None, ge=1, le=1_000_000_000, description="At most this many documents, the newest first."
    )

    @field_validator("seen_from", "seen_before")
    @classmethod
    def _with_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @model_validator(mode="after")
    def _check(self) -> "Selection":
        least, below = self.confidence_from, self.confidence_below
        if least is not None and below is not None and least >= below:
            raise ValueError(f"no confidence is at least {least} and below {below}")
        since, until = self.seen_from, self.seen_before
        if since is not None and until is not None and since >= until:
            raise ValueError(f"no time is from {since:%Y-%m-%d %H:%M} on and before {until:%Y-%m-%d %H:%M}")
        return self

    def __str__(self) -> str:
        """The selection in a line: ``type invoice, status in_review``."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        words = {"document_type": "type"}
        parts = (
            name if value is True else f"{words.get(name, name.replace('_', ' '))} {value}"
            for name, value in given.items()
        )
        return ", ".join(parts) or "all documents"
