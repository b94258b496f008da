"""The built-in reader's reading of a document, for routes and the cross-check."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from blocks.records import CriterionReading, FieldReading


@dataclass(frozen=True, slots=True)
class FieldCandidate:
    """A typed value that may be a field's, and the probability that it is the right one."""

    value: JsonValue
    probability: float


@dataclass(frozen=True, slots=True)
class DocumentReading:
    """The built-in reader's reading of a document.

    `fields` has the best value of each field with its evidence, where it is sure enough; `candidates` every value of a
    field that was weighed. `doubts` are reasons to review the document as a whole. `version` is the reader's.
    """

    version: str
    fields: Mapping[str, FieldReading] = field(default_factory=dict)
    criteria: tuple[CriterionReading, ...] = ()
    candidates: Mapping[str, tuple[FieldCandidate, ...]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
