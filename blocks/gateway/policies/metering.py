"""Metering: no attempt without its money reserved, none without its row in the ledger.

The provider's own usage gives the cost of an attempt, at the price of the model that served it. Where an attempt was
sent and no usage came back, all that was reserved counts as spent, unconfirmed: a truncated reply, a broken
connection and a cancelled call may all be billed.
"""

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from decimal import Decimal
from operator import attrgetter
from typing import Any

from blocks.gateway.errors import (
    CallFailed,
    ContextTooLong,
    KeyRefused,
    ModelsPaused,
    OutOfCredit,
    RateLimited,
    ReplyRefused,
    RequestRefused,
    UpstreamMissing,
)
from blocks.gateway.model import Model, ModelReply, Question, Usage
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.prompts.prompts import canonical_prompt, prompt_digest, prompt_version
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.replies.reply_schema import schema_of
from blocks.gateway.spending.ledger_writer import LedgerWriter, released
from blocks.gateway.spending.prices import Price
from blocks.ledger import CallText, Caps, Consumption, ModelCall, Reservation, Settlement, new_call_key
from blocks.logs import log_event, log_ids
from blocks.records import CACHE_HIT, CANCELLED, OK, OPEN

DEFECT = "internal"
"""The outcome of an attempt that ended by a defect of ours."""

TURNED_AWAY = (RateLimited, KeyRefused, OutOfCredit, UpstreamMissing, RequestRefused, ContextTooLong)
"""Failures before a model has seen the request. No provider bills them, unless it states tokens."""

SCHEMA_COPIES = 2
"""A schema may be rendered into the prompt, and beside it as a tool or a format."""

ZERO = Decimal(0)
SAME_COST, LEAST_USD = Decimal("0.01"), Decimal("0.000001")
"""A cost that the provider states is ours if they differ by no more than this share, or this amount."""
log = logging.getLogger(__name__)

_COUNTED = tuple(column.name for column in fields(Consumption))
_counts_of = attrgetter(*_COUNTED)
_amounts = attrgetter(*(column.name for column in fields(Usage) if column.name.endswith("_tokens")))
"""The tokens of a usage, of every kind."""


class Metered(Wrapper):
    """Reserves money for every attempt, settles it, and writes it to the ledger.

    `price_of` gives the price of the model that a reply names, and the registered model's for an empty name. A model
    whose price is free reserves nothing. `max_output_tokens` bounds its replies. `caps` gives what a question may
    cost; `is_paused` whether all spending is stopped. With `keep_texts` prompt and reply are kept beside the row.
    """

    def __init__(
        self,
        model: Model,
        ledger_writer: LedgerWriter,
        *,
        price_of: Callable[[str], Price],
        max_output_tokens: int,
        caps: Callable[[Question], Caps],
        is_paused: Callable[[], bool] = lambda: False,
        keep_texts: bool = False,
    ) -> None:
        super().__init__(model)
        self._ledger_writer = ledger_writer
        self._price_of = price_of
        self._is_free = price_of("").is_free
        self._has_warned = False
        self._max_output_tokens = max_output_tokens
        self._caps = caps
        self._is_paused = is_paused
        self._keep_texts = keep_texts

    async def answer(self, question: Question) -> ModelReply:
        """Reserve, ask, settle. The reply's usage says what it cost.

        Raises `PromptFailed`, `ModelsPaused`, `BudgetExhausted` and `LedgerUnavailable` before anything is sent, and
        what the model raises. When it returns or raises, the row is written, unless the database is away.
        """
        if self._is_paused():
            raise ModelsPaused
        prompt = canonical_prompt(question.request)
        call = _row(question, self.name, self.version, _digest(question), OPEN, input_characters=len(prompt))
        with log_ids(run=question.run_id, document=call.document_id, call=call.call_key):
            return await self._ask(question, call, prompt)

    async def _ask(self, question: Question, call: ModelCall, prompt: str) -> ModelReply:
        max_usd = await self._reserve(question, call, prompt)
        started = time.monotonic()
        try:
            reply = await self._model.answer(question)
        except CallFailed as error:
            failed = self._failed(call, error, max_usd, started)
            received = error.reply_text if isinstance(error, ReplyRefused) else None
            text = self._text(call, prompt, error.sent_text, received)
            _log_end(failed)
            await self._ledger_writer.settle(Settlement(question.run_id, failed, max_usd, text), question.deadline)
            raise
        except BaseException as error:
            ended = _ended(call, error, max_usd, started)
            text = self._text(call, prompt, None, None)
            _log_end(ended)
            self._ledger_writer.settle_later(Settlement(question.run_id, ended, max_usd, text))
            raise
        usage, unconfirmed_usd = self._priced(reply.usage, max_usd, reply.model_version)
        answered = replace(
            call,
            **_counts(usage, call),
            model_version=reply.model_version or call.model_version,
            unconfirmed_usd=unconfirmed_usd,
            latency_ms=reply.latency_ms or _ms_since(started),
            first_byte_ms=reply.first_byte_ms,
            outcome=OK,
        )
        text = self._text(call, prompt, reply.sent_text, reply.received_text)
        _log_end(answered)
        await self._ledger_writer.settle(Settlement(question.run_id, answered, max_usd, text), question.deadline)
        return reply.model_copy(update={"usage": usage})

    async def _reserve(self, question: Question, call: ModelCall, prompt: str) -> Decimal:
        """Reserve what the attempt may cost, and return it."""
        if self._is_free:
            self._ledger_writer.check()
            return ZERO
        images = len(question.request.images)
        max_usd = self._price_of("").max_cost(request_bytes(question, prompt), images, self._max_output_tokens)
        reservation = Reservation(question.run_id, call, max_usd, self._caps(question))
        await self._ledger_writer.reserve(reservation, question.deadline)
        if self._is_paused():
            self._ledger_writer.settle_later(released(reservation))
            raise ModelsPaused
        return max_usd

    def _failed(self, call: ModelCall, error: CallFailed, max_usd: Decimal, started: float) -> ModelCall:
        usage, unconfirmed_usd = error.usage or Usage(), ZERO
        is_free = isinstance(error, TURNED_AWAY) and not any(_amounts(usage))
        if error.was_sent and not is_free:
            usage, unconfirmed_usd = self._priced(error.usage, max_usd, error.served_by)
        else:
            usage = replace(usage, cost_usd=ZERO)
        counts = _counts(usage, call)
        return replace(
            call,
            **counts | {"output_characters": error.output_characters or usage.output_characters},
            unconfirmed_usd=unconfirmed_usd,
            latency_ms=error.latency_ms or _ms_since(started),
            first_byte_ms=error.first_byte_ms,
            outcome=error.kind,
            error_kind=error.kind,
        )

    def _priced(self, usage: Usage | None, max_usd: Decimal, served_by: str) -> tuple[Usage, Decimal]:
        """The usage with its cost, and the unconfirmed amount: all that was reserved where no usage is stated, or what
        the provider states beyond that or beyond our cost."""
        usage = usage or Usage(is_stated=False)
        if not usage.is_stated or min(_amounts(usage)) < 0:
            return replace(usage, cost_usd=ZERO), max(max_usd, usage.stated_cost_usd or ZERO)
        cost_usd = ZERO if self._is_free else self._price_of(served_by).cost(usage)
        stated_usd = usage.stated_cost_usd
        if stated_usd is not None and abs(stated_usd - cost_usd) > max(stated_usd * SAME_COST, LEAST_USD):
            self._warn(cost_usd, stated_usd, served_by)
        beyond = ZERO if self._is_free or stated_usd is None else max(stated_usd - cost_usd, ZERO)
        return replace(usage, cost_usd=cost_usd), beyond

    def _warn(self, cost_usd: Decimal, stated_usd: Decimal, served_by: str) -> None:
        """Warn, once per run, that the provider's cost is not ours."""
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "the provider of %s states $%s for a call of %s that costs $%s by its price here; correct the price: "
                "winnow models set %s input_price=… output_price=…",
                *(self.name, f"{stated_usd:.6f}", served_by or self.version, f"{cost_usd:.6f}", self.name),
            )

    def _text(self, call: ModelCall, prompt: str, sent: str | None, received: str | None) -> CallText | None:
        """The texts of the attempt, where they are kept; the canonical prompt where the sent text is not known."""
        if not self._keep_texts:
            return None
        return CallText(call_key=call.call_key, prompt=prompt if sent is None else sent, reply=received or "")


def hit_recorder(model: RegisteredModel, ledger_writer: LedgerWriter) -> Callable[[Question, str], Awaitable[None]]:
    """Writes a question that the cache answered, and the key of its reply, to the ledger."""

    async def record(question: Question, key: str) -> None:
        ledger_writer.check()
        call = _row(question, model.name, model.version, key, CACHE_HIT)
        await ledger_writer.settle(Settlement(question.run_id, call), question.deadline)

    return record


def _row(
    question: Question, model: str, model_version: str, digest: str, outcome: str, *, input_characters: int = 0
) -> ModelCall:
    """The ledger's row of a question, with a key of its own."""
    return ModelCall(
        document_id=question.request.document_id,
        model=model,
        model_version=model_version,
        call_key=new_call_key(),
        step=question.step,
        attempt=question.attempt,
        lane=question.lane,
        request_digest=digest,
        prompt_version=prompt_version(question.request),
        input_characters=input_characters,
        outcome=outcome,
        examples=tuple(example.document_id for example in question.request.examples),
    )


def _log_end(call: ModelCall) -> None:
    log_event(
        log,
        "call ended",
        model=call.model,
        outcome=call.outcome,
        latency_ms=call.latency_ms,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cost_usd=float(call.cost_usd),
    )


def _ended(call: ModelCall, error: BaseException, max_usd: Decimal, started: float) -> ModelCall:
    """An attempt that was cancelled, or ended by a defect.

    It may have been sent, unless the exception has `was_sent` False.
    """
    is_defect = isinstance(error, Exception)
    return replace(
        call,
        unconfirmed_usd=max_usd if getattr(error, "was_sent", True) else ZERO,
        latency_ms=_ms_since(started),
        outcome=DEFECT if is_defect else CANCELLED,
        error_kind=DEFECT if is_defect else None,
    )


def _digest(question: Question) -> str:
    """The digest of a request in the ledger: the cache's key if there is one; a correction has its own."""
    digest = question.digest or prompt_digest(question.request)
    if question.correction is None:
        return digest
    text = f"{digest}\n{question.correction.problem}\n{question.correction.reply}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def request_bytes(question: Question, prompt: str) -> int:
    """The largest UTF-8 length of a question's text: prompt, schema, and a corrective turn."""
    request = question.request
    size = _utf8_length(prompt) + SCHEMA_COPIES * schema_of(request.document_type, request.asked).max_bytes
    if question.correction is not None:
        size += _utf8_length(question.correction.reply) + _utf8_length(question.correction.problem)
    return size


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _counts(usage: Usage, call: ModelCall) -> dict[str, Any]:
    """The ledger's columns of a usage."""
    counts = dict(zip(_COUNTED, _counts_of(usage), strict=True))
    return counts | {"input_characters": usage.input_characters or call.input_characters}


def _ms_since(started: float) -> int:
    """Milliseconds since a time of `time.monotonic()`."""
    return round((time.monotonic() - started) * 1000)
