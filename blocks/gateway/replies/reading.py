"""Judges a provider's answer: a reply with readings, or the typed reason why there is none.

The order: what the provider says of the reply (filtered, refused, cut off), whether it is empty, which JSON object it
has, whether the object fits the schema, and whether it declines.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.gateway.errors import (
    ContentFiltered,
    EmptyReply,
    MalformedReply,
    ModelRefusal,
    ReplyRefused,
    TruncatedReply,
    WrongSchema,
)
from blocks.gateway.model import ModelReply, ModelRequest, Question
from blocks.gateway.replies.json_text import INVISIBLE, ReadObject, read_object
from blocks.gateway.replies.quote_pages import QuotePages
from blocks.gateway.replies.refusals import refusal_in, speaks_of_itself
from blocks.gateway.replies.schema_fit import Fitted, fit
from blocks.gateway.replies.token_probabilities import value_probabilities
from blocks.gateway.replies.wire_reply import Finish, WireReply
from blocks.records import FieldReading, Page

JUDGE_VERSION = "1"
"""Goes up whenever the same reply may be judged differently: stored replies were judged before they were stored."""

MAX_VERSION = 200
"""Characters of a model version, which a server chooses: an index of the database takes no text of any length."""

_REFUSING_KEYS = ("refusal", "refused")


def read_reply(question: Question, model: str, reply: WireReply) -> ModelReply:
    """The readings of a reply, each field with its `signals` and without a confidence.

    Raises a leaf of `ReplyRefused`, with `reply_text`, `usage`, `served_by` and `output_characters` set.
    """
    try:
        return _read(question.request, model, reply)
    except ReplyRefused as error:
        error.reply_text = reply.text
        error.usage = reply.usage
        error.served_by = _shown_version(reply)
        error.output_characters = len(reply.text)
        raise


def _read(request: ModelRequest, model: str, reply: WireReply) -> ModelReply:
    _check_status(model, reply)
    read = read_object(model, reply.text, is_complete=reply.finish is Finish.STOP)
    if read is None:
        if (refusal := refusal_in(reply.text)) is not None:
            raise ModelRefusal(model, refusal)
        raise MalformedReply(model, "no JSON object")
    try:
        fitted = fit(model, request, read.body, is_repaired=read.is_repaired)
    except WrongSchema:
        if (refusal := _declines(read.body)) is not None:
            raise ModelRefusal(model, refusal) from None
        raise
    _check_readings(model, request, fitted, read)
    return ModelReply(
        fields=_with_probabilities(fitted.fields, read, reply),
        criteria=fitted.criteria,
        usage=reply.usage,
        model=model,
        model_version=_shown_version(reply),
        is_repaired=read.is_repaired,
        is_unwrapped=bool(read.around),
    )


def _shown_version(reply: WireReply) -> str:
    return "".join(filter(str.isprintable, reply.served_by))[:MAX_VERSION]


def _check_status(model: str, reply: WireReply) -> None:
    """Raises a `ReplyRefused` where the provider says that the reply is no answer, or where the reply is empty."""
    if reply.finish is Finish.FILTERED:
        raise ContentFiltered(model)
    if reply.finish is Finish.REFUSAL or reply.refusal.strip():
        refusal = refusal_in(reply.refusal) or refusal_in(reply.text)
        raise ModelRefusal(model, refusal or "by its status")  # any other words may quote the document
    if reply.finish is Finish.LENGTH:
        raise TruncatedReply(model)
    if not reply.text.strip(INVISIBLE):
        raise EmptyReply(model, "no content")


def _declines(body: Mapping[str, Any]) -> str | None:
    """The words by which an object that does not fit the schema declines."""
    for key in _REFUSING_KEYS:
        if body.get(key) not in (None, False, "", "false"):
            return refusal_in(str(body[key])) or f'"{key}"'
    fields = body.get("fields")
    inner = fields.values() if isinstance(fields, dict) else ()
    for value in (*body.values(), *inner):
        if isinstance(value, str) and (refusal := refusal_in(value)) is not None:
            return refusal
    return None


def _check_readings(model: str, request: ModelRequest, fitted: Fitted, read: ReadObject) -> None:
    """Raises `ModelRefusal` where a value declines, or the prose beside an object without values."""
    has_values = any(reading.value not in (None, [], "") for reading in fitted.fields.values())
    refusal = None if has_values else refusal_in(read.around)
    texts = {page.number: page.text for page in request.pages}
    for name, reading in fitted.fields.items():
        if refusal is None and isinstance(reading.value, str):
            value, is_written = reading.value, request.document_type.fields[name].written
            refusal = speaks_of_itself(value) if is_written else _declining_value(request.pages, texts, reading, value)
    if refusal is not None:
        raise ModelRefusal(model, refusal)


def _declining_value(pages: Sequence[Page], texts: Mapping[int, str], reading: FieldReading, value: str) -> str | None:
    """The words by which a value declines, unless they are the document's own. `texts` are the pages' by number."""
    if any(value in evidence.quote and evidence.quote in texts.get(evidence.page, "") for evidence in reading.evidence):
        return None  # as nearly always, and cheaper than to search for a refusal
    refusal = refusal_in(value)
    if refusal is None:
        return None
    quotes = QuotePages(pages)
    is_quoted = any(quotes.holds(evidence.quote) and refusal_in(evidence.quote) for evidence in reading.evidence)
    return None if is_quoted else refusal


def _with_probabilities(fields: dict[str, FieldReading], read: ReadObject, reply: WireReply) -> dict[str, FieldReading]:
    if not reply.token_logprobs or read.is_repaired:
        return fields
    sure = value_probabilities(reply.text, read.start, reply.token_logprobs)
    return {
        name: reading.model_copy(
            update={"signals": reading.signals and reading.signals.model_copy(update={"logprob": sure.get(name)})}
        )
        for name, reading in fields.items()
    }
