"""The records of the ledger of model calls, which the gateway and the database share.

An attempt that may cost money is written as a reservation before it is sent, and settled after. So a worker that dies
leaves rows that show its open attempts, and no budget is exceeded by asking twice.
"""

import secrets
import time
from dataclasses import dataclass
from decimal import Decimal

from blocks.records import OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """What an attempt consumed: characters as sent and received, tokens as the provider counts them.

    `cost_usd` is computed from the tokens, `stated_cost_usd` is the cost that the provider states, None where it does
    not. `input_tokens` holds all input tokens, those of images and audio, cached ones (`cached_tokens` read from the
    provider's cache, `cache_write_tokens` written to it) included; `output_tokens` all output tokens, reasoning
    included.
    """

    input_characters: int = 0
    output_characters: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    stated_cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall(Consumption):
    """One attempt at a model, as the ledger keeps it. `step` counts the route's steps from 0, `attempt` from 1.

    `call_key` identifies the attempt; a reservation and its settlement have the same one. `cost_usd` follows from the
    usage that the provider stated. Where a request was sent and no usage came back, `unconfirmed_usd` has what it may
    have cost, and where the provider states a higher cost, the difference: budgets count it, bills may not. `outcome`
    is ok, cache_hit, cancelled, lost, open, or the `kind` of a `CallFailed`; `error_kind` is that kind, or None.
    `prompt_version` digests the prompt template, `lane` says on whose behalf the call was made. `examples` are the ids
    of the decided documents that the prompt shows.
    """

    document_id: str
    model: str
    model_version: str
    call_key: str
    step: int = 0
    attempt: int = 1
    lane: str = "run"
    request_digest: str = ""
    prompt_version: str = ""
    unconfirmed_usd: Decimal = Decimal(0)
    latency_ms: int = 0
    first_byte_ms: int = 0
    outcome: str = OK
    error_kind: str | None = None
    examples: tuple[str, ...] = ()


def new_call_key() -> str:
    """A key that no other attempt has. Later ones are greater, as a rule: an index has those of a group together."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True)
class CallText:
    """The texts of an attempt, kept only on demand."""

    call_key: str
    prompt: str
    reply: str


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent, in USD: in the run, on the UTC day over all runs, on the document in the run. None: no cap."""

    run_usd: Decimal | None = None
    day_usd: Decimal | None = None
    document_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money asked for one attempt: at most `max_usd` will be spent. `call` is its row, with the outcome `open`."""

    run_id: str
    call: ModelCall
    max_usd: Decimal
    caps: Caps


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a reservation.

    Where `is_admitted` is false, `scope`, `cap_usd` and `spent_usd` say which budget was in the way, and
    `may_fit_later` whether the money is only reserved by calls under way, some of which will cost less.
    """

    is_admitted: bool
    scope: str = ""
    cap_usd: Decimal = Decimal(0)
    spent_usd: Decimal = Decimal(0)
    may_fit_later: bool = False


ADMITTED = Admission(is_admitted=True)


@dataclass(frozen=True, slots=True)
class Settlement:
    """An attempt that is over: its row as it is to stay, and its texts where they are kept. `max_usd` is given back.

    A call that reserved nothing (a free one, a cache hit) is settled without a reservation: its row is then new.
    """

    run_id: str
    call: ModelCall
    max_usd: Decimal = Decimal(0)
    text: CallText | None = None
