"""The record that the built-in reader hands to routes and to the cross-check."""

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
    """What the built-in reader says of a document.

    `fields` has the best value of each field that it is sure enough of, with evidence; `candidates` has every value
    that it weighed, by field. `version` is the reader's.
    """

    version: str
    fields: Mapping[str, FieldReading] = field(default_factory=dict)
    criteria: tuple[CriterionReading, ...] = ()
    candidates: Mapping[str, tuple[FieldCandidate, ...]] = field(default_factory=dict)
