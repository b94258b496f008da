"""Metering: no attempt without its money reserved, none without its row in the ledger.

The provider's own usage gives the cost of an attempt. Where an attempt was sent and no usage came back, all that was
reserved counts as spent, unconfirmed: a truncated reply, a broken connection and a cancelled call may all be billed.
"""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
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
from blocks.gateway.model import Model, ModelReply, ModelRequest, Question, Usage
from blocks.gateway.policies.wrapper import Wrapper
from blocks.gateway.prompts.prompts import canonical_prompt, prompt_digest, prompt_version
from blocks.gateway.registry.registry import RegisteredModel
from blocks.gateway.replies.reply_schema import reply_schema
from blocks.gateway.spending.ledger_writer import LedgerWriter, released
from blocks.gateway.spending.prices import Price
from blocks.ledger import CallText, Caps, ModelCall, Reservation, Settlement, new_call_key
from blocks.records import CACHE_HIT, CANCELLED, OK, OPEN

DEFECT = "internal"
"""The outcome of an attempt that ended by a defect of ours."""

TURNED_AWAY = (RateLimited, KeyRefused, OutOfCredit, UpstreamMissing, RequestRefused, ContextTooLong)
"""Failures before a model has seen the request. No provider bills them, unless it states tokens."""

SCHEMA_COPIES = 2
"""A schema may be rendered into the prompt, and beside it as a tool or a format."""


class Metered(Wrapper):
    """Reserves money for every attempt, settles it, and writes it to the ledger.

    A model whose `price` is free reserves nothing. `max_output_tokens` bounds its replies. `caps` gives what a question
    may cost; `is_paused` whether all spending is stopped. With `keep_texts` what was said is kept beside the row.
    """

    def __init__(
        self,
        model: Model,
        ledger_writer: LedgerWriter,
        *,
        price: Price,
        max_output_tokens: int,
        caps: Callable[[Question], Caps],
        is_paused: Callable[[], bool] = lambda: False,
        keep_texts: bool = False,
    ) -> None:
        super().__init__(model)
        self._ledger_writer = ledger_writer
        self._price = price
        self._is_free = price.is_free
        self._max_output_tokens = max_output_tokens
        self._caps = caps
        self._is_paused = is_paused
        self._keep_texts = keep_texts

    async def answer(self, question: Question) -> ModelReply:
        """Reserve, ask, settle. The reply's usage says what it cost.

        Raises `PromptFailed`, `ModelsPaused`, `BudgetExhausted` and `LedgerUnavailable` before anything is sent, and
        what the model raises. When it returns or raises, the row is written, unless the database is away.
        """
        self._refuse_while_paused()
        prompt = canonical_prompt(question.request)
        call = self._opened(question, prompt)
        max_usd = Decimal(0)
        if self._is_free:
            self._ledger_writer.check()
        else:
            images = len(question.request.images)
            max_usd = self._price.max_cost(request_bytes(question, prompt), images, self._max_output_tokens)
            reservation = Reservation(question.run_id, call, max_usd, self._caps(question))
            await self._ledger_writer.reserve(reservation, question.deadline)
            if self._is_paused():
                self._ledger_writer.settle_later(released(reservation))
                raise ModelsPaused
        started = time.monotonic()
        try:
            reply = await self._model.answer(question)
        except CallFailed as error:
            failed = self._failed(call, error, max_usd, started)
            received = error.reply_text if isinstance(error, ReplyRefused) else None
            text = self._text(call, prompt, error.sent_text, received)
            await self._ledger_writer.settle(Settlement(question.run_id, failed, max_usd, text), question.deadline)
            raise
        except BaseException as error:
            ended = self._ended(call, error, max_usd, started)
            text = self._text(call, prompt, None, None)
            self._ledger_writer.settle_later(Settlement(question.run_id, ended, max_usd, text))
            raise
        answered, usage = self._answered(call, reply, max_usd, started)
        text = self._text(call, prompt, reply.sent_text, reply.received_text)
        await self._ledger_writer.settle(Settlement(question.run_id, answered, max_usd, text), question.deadline)
        return reply.model_copy(update={"usage": usage})

    def _refuse_while_paused(self) -> None:
        if self._is_paused():
            raise ModelsPaused

    def _opened(self, question: Question, prompt: str) -> ModelCall:
        return ModelCall(
            document_id=question.request.document_id,
            model=self.name,
            model_version=self.version,
            call_key=new_call_key(),
            step=question.step,
            attempt=question.attempt,
            lane=question.lane,
            request_digest=_digest(question),
            prompt_version=prompt_version(question.request),
            input_characters=len(prompt),
            outcome=OPEN,
        )

    def _answered(
        self, call: ModelCall, reply: ModelReply, max_usd: Decimal, started: float
    ) -> tuple[ModelCall, Usage]:
        usage, cost_usd, unconfirmed_usd = self._counted(reply.usage, max_usd)
        row = _counts(usage, call) | {
            "model_version": reply.model_version or call.model_version,
            "cost_usd": cost_usd,
            "unconfirmed_usd": unconfirmed_usd,
            "latency_ms": reply.latency_ms or _since(started),
            "first_byte_ms": reply.first_byte_ms,
            "outcome": OK,
        }
        return call.model_copy(update=row), usage

    def _failed(self, call: ModelCall, error: CallFailed, max_usd: Decimal, started: float) -> ModelCall:
        is_free = isinstance(error, TURNED_AWAY) and not any(_amounts(error.usage or Usage()))
        if error.was_sent and not is_free:
            usage, cost_usd, unconfirmed_usd = self._counted(error.usage, max_usd)
        else:
            usage, cost_usd, unconfirmed_usd = error.usage or Usage(), Decimal(0), Decimal(0)
        row = _counts(usage, call) | {
            "output_characters": error.output_characters or usage.output_characters,
            "cost_usd": cost_usd,
            "unconfirmed_usd": unconfirmed_usd,
            "latency_ms": error.latency_ms or _since(started),
            "first_byte_ms": error.first_byte_ms,
            "outcome": error.kind,
            "error_kind": error.kind,
        }
        return call.model_copy(update=row)

    def _ended(self, call: ModelCall, error: BaseException, max_usd: Decimal, started: float) -> ModelCall:
        """An attempt that was cancelled, or ended by a defect.

        It may have been sent, unless the exception has `was_sent` False.
        """
        is_defect = isinstance(error, Exception)
        row = {
            "unconfirmed_usd": max_usd if getattr(error, "was_sent", True) else Decimal(0),
            "latency_ms": _since(started),
            "outcome": DEFECT if is_defect else CANCELLED,
            "error_kind": DEFECT if is_defect else None,
        }
        return call.model_copy(update=row)

    def _counted(self, usage: Usage | None, max_usd: Decimal) -> tuple[Usage, Decimal, Decimal]:
        """The usage with its cost, the cost, and the unconfirmed amount: one of the amounts is 0."""
        if usage is None or not usage.is_stated or min(_amounts(usage)) < 0:
            return usage or Usage(), Decimal(0), max_usd
        cost_usd = Decimal(0) if self._is_free else self._price.cost(usage)
        return usage.model_copy(update={"cost_usd": cost_usd}), cost_usd, Decimal(0)

    def _text(self, call: ModelCall, prompt: str, sent: str | None, received: str | None) -> CallText | None:
        """The texts of the attempt, where they are kept; the canonical prompt where the sent text is not known."""
        if not self._keep_texts:
            return None
        return CallText(call_key=call.call_key, prompt=prompt if sent is None else sent, reply=received or "")


def hit_recorder(model: RegisteredModel, ledger_writer: LedgerWriter) -> Callable[[Question, str], Awaitable[None]]:
    """Writes a question that the cache answered, and the key of its reply, to the ledger."""

    async def record(question: Question, key: str) -> None:
        ledger_writer.check()
        call = ModelCall(
            document_id=question.request.document_id,
            model=model.name,
            model_version=model.version,
            call_key=new_call_key(),
            step=question.step,
            lane=question.lane,
            request_digest=key,
            prompt_version=prompt_version(question.request),
            outcome=CACHE_HIT,
        )
        await ledger_writer.settle(Settlement(question.run_id, call), question.deadline)

    return record


def _digest(question: Question) -> str:
    """The digest of a request in the ledger: the cache's key if there is one; a correction has its own."""
    digest = question.digest or prompt_digest(question.request)
    if question.correction is None:
        return digest
    text = f"{digest}\n{question.correction.problem}\n{question.correction.reply}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def request_bytes(question: Question, prompt: str) -> int:
    """The largest UTF-8 length of a question's text: prompt, schema, and a corrective turn."""
    size = _utf8_length(prompt) + SCHEMA_COPIES * _schema_bytes(question.request)
    if question.correction is not None:
        size += _utf8_length(question.correction.reply) + _utf8_length(question.correction.problem)
    return size


_schema_sizes: dict[tuple[str, tuple[str, ...]], int] = {}
_MOST_SCHEMAS = 256


def _schema_bytes(request: ModelRequest) -> int:
    key = (request.document_type.version, request.asked)
    if key not in _schema_sizes:
        if len(_schema_sizes) >= _MOST_SCHEMAS:
            _schema_sizes.clear()
        _schema_sizes[key] = len(json.dumps(reply_schema(request)))
    return _schema_sizes[key]


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _counts(usage: Usage, call: ModelCall) -> dict[str, Any]:
    """The columns of the ledger for a usage, without money."""
    return {
        "input_characters": usage.input_characters or call.input_characters,
        "output_characters": usage.output_characters,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def _amounts(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
    )


def _since(started: float) -> int:
    """Milliseconds since a time of `time.monotonic()`."""
    return round((time.monotonic() - started) * 1000)
