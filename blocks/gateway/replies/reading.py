"""From what a provider answered to a reply that can be worked with, or to the typed reason why it cannot.

Judged in this order: what the provider says of the reply (filtered, refused, cut off), whether there is anything, what
JSON it holds, whether that declines, whether it is of the schema.
"""

from collections.abc import Mapping
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
from blocks.records import FieldReading

JUDGE_VERSION = "1"
"""Goes up whenever the same reply may be judged otherwise; cached replies were judged before they were kept."""

LONGEST_VERSION = 200
"""Characters of the name of what has served a reply: an index of the database takes no text of any length."""

_REFUSING_KEYS = ("refusal", "refused")


def read_reply(question: Question, model: str, reply: WireReply) -> ModelReply:
    """The readings of a reply, each field with its `signals` and without a confidence.

    Raises a leaf of `ReplyRefused`, with `reply_text`, `usage` and `output_characters` set.
    """
    try:
        return _read(question.request, model, reply)
    except ReplyRefused as error:
        error.reply_text = reply.text
        error.usage = reply.usage
        error.output_characters = len(reply.text)
        raise


def _read(request: ModelRequest, model: str, reply: WireReply) -> ModelReply:
    _check_status(model, reply)
    read = read_object(model, reply.text, is_whole=reply.finish is Finish.STOP)
    if read is None:
        if (said := refusal_in(reply.text)) is not None:
            raise ModelRefusal(model, said)
        raise MalformedReply(model, "no JSON object")
    try:
        fitted = fit(model, request, read.body, is_repaired=read.is_repaired)
    except WrongSchema:
        if (said := _declines(read.body)) is not None:
            raise ModelRefusal(model, said) from None
        raise
    _check_readings(model, request, fitted, read)
    return ModelReply(
        fields=_with_probabilities(fitted.fields, read, reply),
        criteria=fitted.criteria,
        usage=reply.usage,
        model=model,
        model_version=_printable(reply.served_by),
        is_repaired=read.is_repaired,
        is_unwrapped=bool(read.around),
    )


def _printable(served_by: str) -> str:
    """The name that a server gives what has served it, as far as rows and logs may hold it."""
    if served_by.isprintable() and len(served_by) <= LONGEST_VERSION:
        return served_by
    return "".join(filter(str.isprintable, served_by))[:LONGEST_VERSION]


def _check_status(model: str, reply: WireReply) -> None:
    """What the provider itself says of the reply, and whether there is one."""
    if reply.finish is Finish.FILTERED:
        raise ContentFiltered(model)
    if reply.finish is Finish.REFUSAL or reply.refusal.strip():
        said = refusal_in(reply.refusal) or refusal_in(reply.text)
        raise ModelRefusal(model, said or "by its status")  # the rest of what it says may quote the document
    if reply.finish is Finish.LENGTH:
        raise TruncatedReply(model)
    if not reply.text.strip(INVISIBLE):
        raise EmptyReply(model, "no content")


def _declines(body: Mapping[str, Any]) -> str | None:
    """The words by which an object that is not of the schema declines."""
    for key in _REFUSING_KEYS:
        if body.get(key) not in (None, False, "", "false"):
            return refusal_in(str(body[key])) or f'"{key}"'
    fields = body.get("fields")
    inner = fields.values() if isinstance(fields, dict) else ()
    for value in (*body.values(), *inner):
        if isinstance(value, str) and (said := refusal_in(value)) is not None:
            return said
    return None


def _check_readings(model: str, request: ModelRequest, fitted: Fitted, read: ReadObject) -> None:
    """Raises `ModelRefusal` where a value, or the prose beside an object without any, declines."""
    if not any(_has_value(reading) for reading in fitted.fields.values()) and read.around:
        said = refusal_in(read.around)
        if said is not None:
            raise ModelRefusal(model, said)
    known = request.document_type.fields
    texts = {page.number: page.text for page in request.pages}
    for name, reading in fitted.fields.items():
        value = reading.value
        if not isinstance(value, str):
            continue
        said = speaks_of_itself(value) if known[name].written else _declining_value(request, texts, reading, value)
        if said is not None:
            raise ModelRefusal(model, said)


def _declining_value(request: ModelRequest, texts: Mapping[int, str], reading: FieldReading, value: str) -> str | None:
    """The words by which a value declines, unless it is the document that says so. `texts` are its pages'."""
    for evidence in reading.evidence:
        if value in evidence.quote and evidence.quote in texts.get(evidence.page, ""):
            return None
    said = refusal_in(value)
    return None if said is not None and _is_quoted(request, reading) else said


def _has_value(reading: FieldReading) -> bool:
    return reading.value not in (None, [], "")


def _is_quoted(request: ModelRequest, reading: FieldReading) -> bool:
    """Whether the document itself says what sounds like a refusal."""
    pages = QuotePages(request.pages)
    return any(pages.holds(evidence.quote) and refusal_in(evidence.quote) for evidence in reading.evidence)


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
