"""A language model behind HTTP: renders the question, posts it, judges the reply. A single attempt, no policy.

Where a server refuses a parameter or a JSON mode, the request is sent again at once without it, and the refusal is
remembered. That is still the same attempt: the server read nothing, and bills nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import jiter
import orjson
from pydantic import SecretStr

from blocks.gateway.errors import NO_JSON, CallFailed, EmptyReply, MalformedReply
from blocks.gateway.model import ModelReply, Question, Usage
from blocks.gateway.prompts.prompts import canonical_prompt, render_prompt
from blocks.gateway.providers.counts import usd
from blocks.gateway.providers.failures import failure_of
from blocks.gateway.providers.limit_headers import LimitHeaders, read_limit_headers
from blocks.gateway.providers.server_traits import traits_of
from blocks.gateway.providers.transport import HttpReply, Transport
from blocks.gateway.providers.wire import Provider, WireRequest, with_extra
from blocks.gateway.registry.registry import JsonMode, RegisteredModel
from blocks.gateway.replies.reading import read_reply
from blocks.gateway.replies.wire_reply import WireReply

MAX_REFUSALS = 6
"""How often an attempt may be sent: two modes, and every optional parameter, may be refused in turn."""

_COST_HEADER = "x-litellm-response-cost"
"""In USD; 0 also where the proxy knows no price."""

_ECHO = 32
"""A message that shares so many consecutive characters with the document repeats it."""


class WireModel:
    """A registered model as a `Model`.

    `key` gives the current key, so that a replaced key is used. `on_json_mode` gets the server's JSON mode,
    once; `on_limits` gets the limits in each reply's headers. Both are called on the event loop and must not block.
    With `keep_texts` replies and errors carry the texts of request and reply, for the ledger.
    """

    def __init__(
        self,
        model: RegisteredModel,
        provider: Provider,
        transport: Transport,
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
        self._traits = traits_of(model.version, model.extra_body)

    @property
    def name(self) -> str:
        """The name in the registry."""
        return self._model.name

    @property
    def version(self) -> str:
        """The server and the name of the model there."""
        return self._model.version

    async def answer(self, question: Question) -> ModelReply:
        """The judged reply. Raises a `CallFailed` with what the ledger records of the attempt."""
        if self._traits.is_known(self._model.json_mode):
            return await self._answer(question)
        async with self._traits.first_alone():
            return await self._answer(question)

    async def _answer(self, question: Question) -> ModelReply:
        request = question.request
        schema_key = f"{request.document_type.version}:{','.join(request.asked)}"
        secret = self._key()
        key = secret.get_secret_value() if secret is not None else None
        for left in reversed(range(MAX_REFUSALS)):
            mode = self._traits.mode(self._model.json_mode, schema_key)
            rendered = self._provider.render(self._model, question, key, mode)
            body = with_extra(self._traits.fitted(rendered.body), self._model.extra_body)
            http = await self._post(question, rendered, body)
            content = http.body.replace(key.encode(), b"***") if key else http.body
            if 200 <= http.status < 300:
                is_general = mode is self._traits.mode(self._model.json_mode, "")
                self._traits.known_mode = mode if is_general else self._traits.known_mode
                return self._judged(question, mode, http, content)
            if left and self._traits.learn(body, mode, schema_key, http.status, content):
                continue
            break
        failed = failure_of(self._model, http.status, http.headers, content)
        raise self._recorded(failed, question, http)

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

    def _judged(self, question: Question, mode: JsonMode, http: HttpReply, content: bytes) -> ModelReply:
        wire: WireReply | None = None
        try:
            body, is_ambiguous = self._parsed(content)
            wire = self._provider.read(self._model, body)
            if is_ambiguous:
                raise MalformedReply(self.name, "an object of its body has a name twice")
            reply = read_reply(question, self.name, wire)
        except CallFailed as failed:
            usage = failed.usage if wire is None else self._counted(question, wire, http)
            failed.usage = usage if usage is not None and usage.is_stated else None
            raise self._recorded(failed, question, http) from None
        self._remember(mode)
        return reply.model_copy(
            update={
                "usage": self._counted(question, wire, http),
                "notes": (*reply.notes, *question.request.notes),
                "latency_ms": http.latency_ms,
                "first_byte_ms": http.first_byte_ms,
                "sent_text": self._sent(question),
                "received_text": wire.text if self._keep_texts else None,
            }
        )

    def _parsed(self, content: bytes) -> tuple[dict[str, object], bool]:
        """The body's JSON object, and whether any object in it has a name twice, which makes its value ambiguous.

        Raises `EmptyReply` or `MalformedReply`.
        """
        if not content.strip():
            raise EmptyReply(self.name, "an empty body")
        is_ambiguous = False
        try:
            body: object = jiter.from_json(content, catch_duplicate_keys=True)
        except ValueError:
            try:
                body, is_ambiguous = _parsed_leniently(content)
            except (ValueError, RecursionError):
                raise MalformedReply(self.name, NO_JSON) from None
        if not isinstance(body, dict):
            raise MalformedReply(self.name, f"{NO_JSON} object")
        return body, is_ambiguous

    def _counted(self, question: Question, wire: WireReply, http: HttpReply) -> Usage:
        """The usage as stated, with the characters sent and received, and the cost where a header states it."""
        stated = wire.usage.stated_cost_usd
        return replace(
            wire.usage,
            input_characters=len(canonical_prompt(question.request)),
            output_characters=len(wire.text),
            stated_cost_usd=(usd(http.headers.get(_COST_HEADER)) or None) if stated is None else stated,
        )

    def _recorded(self, failed: CallFailed, question: Question, http: HttpReply) -> CallFailed:
        """The failure with its times and text for the ledger. A message that repeats the document is replaced."""
        failed.latency_ms, failed.first_byte_ms = http.latency_ms, http.first_byte_ms
        failed.sent_text = self._sent(question)
        message = str(failed)
        document = render_prompt(question.request).user
        starts = range(0, max(len(message) - _ECHO, 0) + 1, _ECHO // 4)
        if len(message) >= _ECHO and any(message[at : at + _ECHO] in document for at in starts):
            failed.args = (f"{self.name} failed ({failed.kind}), and its message repeats the document; run again",)
        return failed

    def _remember(self, mode: JsonMode) -> None:
        """Report the JSON mode of an answer, once. A mode that was used for a single refused schema is not reported."""
        traits = self._traits
        if mode is traits.known_mode and mode not in (traits.reported_mode, self._model.json_mode):
            traits.reported_mode = mode
            self._on_json_mode(self.name, mode)

    def _sent(self, question: Question) -> str | None:
        if not self._keep_texts:
            return None
        prompt = render_prompt(question.request)
        return f"{prompt.system}\n{prompt.user}"


def _parsed_leniently(content: bytes) -> tuple[object, bool]:
    """A body that jiter refuses, which may still state a usage, and whether it has a name twice. Python's parser takes
    such names, and halves of surrogate pairs. Raises `ValueError` and `RecursionError`.
    """
    has_name_twice = False

    def read_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal has_name_twice
        value = dict(pairs)
        has_name_twice = has_name_twice or len(value) != len(pairs)
        return value

    return json.loads(content.decode(), object_pairs_hook=read_object), has_name_twice
