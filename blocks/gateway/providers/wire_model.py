"""A language model behind HTTP: renders the question, posts it, reads and judges the reply. One attempt, no policy.

What a server refuses of the form of a request (a parameter, a way to hold it to a schema) is left out, remembered, and
asked again at once: that is still the same attempt, since nothing was read and nothing is owed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import jiter
import orjson
from pydantic import SecretStr

from blocks.gateway.errors import NO_JSON, CallFailed, EmptyReply, MalformedReply
from blocks.gateway.model import ModelReply, Question, Usage
from blocks.gateway.prompts.prompts import canonical_prompt, render_prompt
from blocks.gateway.providers.failures import failure_of
from blocks.gateway.providers.limit_headers import LimitHeaders, read_limit_headers
from blocks.gateway.providers.server_traits import traits_of
from blocks.gateway.providers.transport import HttpReply
from blocks.gateway.providers.wire import Provider, WireRequest
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.replies.wire_reply import WireReply

MOST_REFUSALS = 6
"""How often one attempt may be refused for its form: two modes, and every parameter that can be left out in turn."""

_ECHO = 32
"""So many characters of a document in a row are no accident in an error's message."""


class Posts(Protocol):
    """What of a `Transport` is used here."""

    async def post(
        self, url: str, headers: Mapping[str, str], content: bytes, deadline: float, model: str, timeout_s: float
    ) -> HttpReply:
        """As `Transport.post`."""
        ...


class WireModel:
    """A registered model as a `Model`.

    `key` gives the key as it is now, so that one that was exchanged is followed.
    `on_json_mode` is told, once, how the server can be held to a schema; `on_limits` what each reply's headers say of
    limits. Both are called on the event loop and must not block. `keep_texts` puts what was said onto replies and
    errors, for the ledger.
    """

    def __init__(
        self,
        model: RegisteredModel,
        provider: Provider,
        transport: Posts,
        key: Callable[[], SecretStr | None],
        on_json_mode: Callable[[str, JsonMode], None],
        *,
        on_limits: Callable[[LimitHeaders], None] | None = None,
        keep_texts: bool = False,
    ) -> None:
        self._model = model
        self._provider = provider
        self._transport = transport
        self._key = key
        self._on_json_mode = on_json_mode
        self._on_limits = on_limits
        self._keep_texts = keep_texts
        self._traits = traits_of(model.version)

    @property
    def name(self) -> str:
        """The name in the registry."""
        return self._model.name

    @property
    def version(self) -> str:
        """Who serves it, and under which name."""
        return self._model.version

    async def answer(self, question: Question) -> ModelReply:
        """The judged reply to one request. Raises a `CallFailed` with what the ledger records of the attempt."""
        if self._traits.is_known(self._model.json_mode):
            return await self._answer(question)
        async with self._traits.first_alone():
            return await self._answer(question)

    async def _answer(self, question: Question) -> ModelReply:
        request = question.request
        schema_key = f"{request.document_type.version}:{','.join(request.asked)}"
        secret = self._key()
        key = secret.get_secret_value() if secret is not None else None
        for left in reversed(range(MOST_REFUSALS)):
            mode = self._traits.mode(self._model.json_mode, schema_key)
            rendered = self._provider.render(self._model, question, key, mode)
            body = self._traits.fitted(rendered.body)
            http = await self._post(question, rendered, body)
            said = http.body.replace(key.encode(), b"***") if key else http.body
            if 200 <= http.status < 300:
                is_general = mode is self._traits.mode(self._model.json_mode, "")
                self._traits.known_mode = mode if is_general else self._traits.known_mode
                return self._judged(question, mode, http, said)
            if left and self._traits.learn(body, mode, schema_key, http.status, said):
                continue
            break
        raise self._refused(question, http, said)

    async def _post(self, question: Question, rendered: WireRequest, body: Mapping[str, object]) -> HttpReply:
        timeout_s = question.timeout_s or self._model.timeout_s
        try:
            http = await self._transport.post(
                rendered.url, rendered.headers, orjson.dumps(body), question.deadline, self.name, timeout_s
            )
        except CallFailed as failed:
            failed.sent_text = self._sent(question)
            raise
        if self._on_limits is not None and (limits := read_limit_headers(http.headers)) is not None:
            self._on_limits(limits)
        return http

    def _judged(self, question: Question, mode: JsonMode, http: HttpReply, said: bytes) -> ModelReply:
        stated: Usage | None = None
        try:
            body, is_ambiguous = self._parsed(said)
            wire = self._provider.read(self._model, body)
            wire = replace(wire, usage=self._counted(question, wire))
            stated = wire.usage if wire.usage.is_stated else None
            if is_ambiguous:
                raise MalformedReply(self.name, "an object of its body has a name twice")
            reply = read_reply(question, self.name, wire)
        except CallFailed as failed:
            failed.usage = stated or (failed.usage if failed.usage and failed.usage.is_stated else None)
            raise self._recorded(failed, question, http) from None
        self._remember(mode)
        return reply.model_copy(
            update={
                "notes": (*reply.notes, *question.request.notes),
                "latency_ms": http.latency_ms,
                "first_byte_ms": http.first_byte_ms,
                "sent_text": self._sent(question),
                "received_text": wire.text if self._keep_texts else None,
            }
        )

    def _parsed(self, said: bytes) -> tuple[dict[str, object], bool]:
        """The body's JSON object, and whether one of its objects has a name twice: nobody knows which value is meant.

        Raises `EmptyReply` or `MalformedReply`.
        """
        if not said.strip():
            raise EmptyReply(self.name, "an empty body")
        is_ambiguous = False
        try:
            body: object = jiter.from_json(said, catch_duplicate_keys=True)
        except ValueError:
            try:
                body, is_ambiguous = _parsed_leniently(said)
            except (ValueError, RecursionError):
                raise MalformedReply(self.name, NO_JSON) from None
        if not isinstance(body, dict):
            raise MalformedReply(self.name, f"{NO_JSON} object")
        return body, is_ambiguous

    def _counted(self, question: Question, wire: WireReply) -> Usage:
        """The usage as stated, with the characters that went either way."""
        sent = len(canonical_prompt(question.request))
        return wire.usage.model_copy(update={"input_characters": sent, "output_characters": len(wire.text)})

    def _refused(self, question: Question, http: HttpReply, said: bytes) -> CallFailed:
        failed = failure_of(self._model, http.status, http.headers, said)
        return self._recorded(failed, question, http)

    def _recorded(self, failed: CallFailed, question: Question, http: HttpReply) -> CallFailed:
        """A failure with what the ledger records of it, and without what its message repeats of the document."""
        failed.latency_ms, failed.first_byte_ms = http.latency_ms, http.first_byte_ms
        failed.sent_text = self._sent(question)
        message = str(failed)
        document = render_prompt(question.request).user
        starts = range(0, max(len(message) - _ECHO, 0) + 1, _ECHO // 4)
        if len(message) >= _ECHO and any(message[at : at + _ECHO] in document for at in starts):
            failed.args = (f"{self.name} failed ({failed.kind}), and its message repeats the document; run again",)
        return failed

    def _remember(self, mode: JsonMode) -> None:
        """Tell how the server can be held to a schema, once it has answered so; a schema that it refuses aside."""
        traits = self._traits
        if mode is traits.known_mode and mode not in (traits.told_mode, self._model.json_mode):
            traits.told_mode = mode
            self._on_json_mode(self.name, mode)

    def _sent(self, question: Question) -> str | None:
        if not self._keep_texts:
            return None
        prompt = render_prompt(question.request)
        return f"{prompt.system}\n{prompt.user}"


def _parsed_leniently(said: bytes) -> tuple[object, bool]:
    """What jiter does not take: names given twice, and halves of surrogate pairs. Such a body may still state a usage.

    Also whether a name is given twice. Raises `ValueError` and `RecursionError`.
    """
    names_twice: list[bool] = []

    def made(pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        if len(value) != len(pairs):
            names_twice.append(True)
        return value

    return json.loads(said.decode(), object_pairs_hook=made), bool(names_twice)
