"""The ledger's record, and the Protocol of whoever keeps it: the database does, and `tasks/score` joins the two."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from blocks.records import Record


class ModelCall(Record):
    """One attempt at a model, as the ledger keeps it. `step` counts the route's steps from 0, `attempt` from 1."""

    document_id: str
    model: str
    model_version: str
    step: int = 0
    attempt: int = 1
    request_digest: str = ""
    input_characters: int = 0
    output_characters: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    latency_ms: int = 0
    outcome: str = "ok"
    error_kind: str | None = None


class Ledger(Protocol):
    """Keeps calls durably, in groups."""

    def write(self, run_id: str, calls: Sequence[ModelCall]) -> None:
        """Keep the calls of a run."""
        ...
