"""The double's HTTP server: takes a question, picks the rule for it, answers, and enters it in the books."""

import asyncio
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.doubles.model_provider.answers import Answers
from tests.doubles.model_provider.anthropic_messages import AnthropicMessages
from tests.doubles.model_provider.books import Books, Entry, Window
from tests.doubles.model_provider.gemini import Gemini
from tests.doubles.model_provider.openai_chat import OpenAIChat
from tests.doubles.model_provider.openai_responses import OpenAIResponses
from tests.doubles.model_provider.script import Do, Rules, Script
from tests.doubles.model_provider.sending import Nothing, Whole, encoded, send_by_hand
from tests.doubles.model_provider.wire import Answer, Asked, ErrorKind, Format, Json, Tokens, counted, fingerprint

FORMATS: dict[str, Format] = {
    "/chat/completions": OpenAIChat(),
    "/responses": OpenAIResponses(),
    "/messages": AnthropicMessages(),
    ":generateContent": Gemini(),
}
PLAIN = Do()
MAX_REQUEST_BYTES = 1024**3


class Provider:
    """The server's state and its handler."""

    def __init__(self, journal: Path | None = None) -> None:
        self._journal = journal
        self.tell(Script())

    def tell(self, script: Script) -> None:
        """Follow another script, with new books."""
        self.script = script
        self.rules = Rules(script)
        self.answers = Answers(script.answers, script.hook)
        self.books = Books(prices=script.prices, journal=self._journal)
        self.window = Window(script.limits) if script.limits else None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request to a model, or one to /control."""
        path = request.path
        if path.startswith("/control/"):
            return await self._control(request, path.removeprefix("/control/"))
        format_ = next((one for suffix, one in FORMATS.items() if path.endswith(suffix)), None)
        if format_ is None or request.method != "POST":
            return web.json_response({"error": {"message": f"no {request.method} {path} here"}}, status=404)
        key = _key(request)
        books = self.books
        entry = books.open(path, fingerprint(key), id(request.transport))
        try:
            return await self._answer(request, format_, entry, books, key)
        except asyncio.CancelledError:
            books.close(entry, None, is_whole=False)
            entry.gone_at = entry.ended_at
            raise
        except ConnectionError:
            books.close(entry, None, is_whole=False)
            return Nothing()

    async def _answer(
        self, request: web.BaseRequest, format_: Format, entry: Entry, books: Books, key: str
    ) -> web.StreamResponse:
        content = await request.read()
        asked, body = _asked(format_, request.path, content)
        entry.model = asked.model if asked else ""
        if self.script.keep_bodies:
            entry.body = body
        said = content.decode("utf-8", "replace") if asked is None else ""
        rule = self.rules.pick(entry.number, asked, request.path, said)
        do = rule.do if rule else PLAIN
        entry.rule = rule.name if rule else ""
        delay_s = self.script.latency_s if do.delay_s is None else do.delay_s
        if delay_s:
            await asyncio.sleep(delay_s)
        headers: dict[str, str] = {}
        usage: Tokens | None = None
        sent = format_.refused(request.headers, body, self.script.refused_parameters) if body else None
        if sent is not None and do is PLAIN:
            status = 400
        else:
            status, sent, headers, usage = self._reply(format_, asked, do, entry, key)
        content = encoded(sent, do, headers)
        if do.is_by_hand:
            is_whole = await send_by_hand(request, status, headers, content, do, entry)
            books.close(entry, usage, is_whole=is_whole)
            return Nothing()
        return Whole(status, headers, content, entry, lambda is_whole: books.close(entry, usage, is_whole=is_whole))

    def _reply(
        self, format_: Format, asked: Asked | None, do: Do, entry: Entry, key: str
    ) -> tuple[int, Any, dict[str, str], Tokens | None]:
        """Status, body, headers, and the usage that the body states."""
        kind = do.error
        if kind is None and self.script.keys and key not in self.script.keys:
            kind = ErrorKind.BAD_KEY
        if kind is None and asked is None and do.body is None and do.status is None:
            kind = ErrorKind.BAD_REQUEST
        headers: dict[str, str] = {}
        usage: Tokens | None = None
        answer: Answer | None = None
        if kind is None and asked is not None and (do.status or 200) == 200:
            answer = self._said(asked, do)
            usage = answer.usage
        if self.window is not None and kind is None:
            if not self.window.admit((usage.input + usage.output) if usage else 0):
                kind, answer, usage = ErrorKind.RATE_LIMITED, None, None
                headers["retry-after"] = str(max(1, round(self.window.reset_s)))
            headers |= format_.limit_headers(*self.window.state)
        body: Any
        if answer is not None and asked is not None:
            status, body = 200, format_.reply(asked, answer, entry.number)
        else:
            status, body, more = format_.error(kind or _kind_of(do.status), asked, do.message)
            headers = {**more, **headers}
        if do.body is not None:
            body, usage = do.body, None
        if do.usage_wire is not None:
            usage = None
        return do.status or status, body, headers | do.headers, usage

    def _said(self, asked: Asked, do: Do) -> Answer:
        answer = self.answers.answer(asked) if do.text is None else Answer(do.text)
        if answer.usage == Tokens():
            answer = counted(asked, answer)
        if do.keep_text is not None:
            answer = replace(answer, text=answer.text[: round(len(answer.text) * do.keep_text)])
        if do.finish == "empty":
            answer = replace(answer, text="")
        usage = answer.usage
        if do.usage == "none":
            usage = None
        elif do.usage is not None:
            usage = replace(usage or Tokens(), **do.usage)
        return replace(
            answer,
            finish=do.finish or answer.finish,
            usage=usage,
            usage_wire=do.usage_wire,
            logprob=answer.logprob if do.logprob is None else do.logprob,
            served_by=do.served_by or answer.served_by,
        )

    async def _control(self, request: web.BaseRequest, what: str) -> web.Response:
        books = self.books
        said: Any = None
        match (request.method, what):
            case ("POST", "script"):
                try:
                    self.tell(Script.model_validate(json.loads(await request.read())))
                except (ValueError, ImportError, AttributeError) as error:
                    return web.json_response({"error": str(error)}, status=400)
                said = {}
            case ("POST", "reset"):
                self.tell(self.script)
                said = {}
            case ("GET", "log"):
                said = [asdict(entry) for entry in books.entries[int(request.query.get("since", 0)) :]]
            case ("GET", "bill"):
                said = books.statement()
            case ("GET", "state"):
                said = {"in_flight": books.in_flight, "high_water": books.high_water, "requests": len(books.entries)}
        if said is None:
            return web.json_response({"error": f"no {request.method} /control/{what}"}, status=404)
        return web.json_response(said)


def _asked(format_: Format, path: str, content: bytes) -> tuple[Asked | None, Json | None]:
    """The question in a request and its body; None where it is none that the provider would take."""
    try:
        body = json.loads(content)
        return format_.asked(path, body), body
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError):
        return None, None


def _key(request: web.BaseRequest) -> str:
    headers = request.headers
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("api-key") or bearer


def _kind_of(status: int | None) -> ErrorKind:
    kinds = {401: ErrorKind.BAD_KEY, 403: ErrorKind.BAD_KEY, 404: ErrorKind.NO_MODEL, 402: ErrorKind.OUT_OF_CREDIT}
    kinds |= {429: ErrorKind.RATE_LIMITED, 503: ErrorKind.OVERLOADED, 529: ErrorKind.OVERLOADED}
    if status is None or status in kinds:
        return kinds.get(status or 0, ErrorKind.BAD_REQUEST)
    return ErrorKind.SERVER_ERROR if status >= 500 else ErrorKind.BAD_REQUEST


async def serve(port: int, journal: Path | None, ready: asyncio.Future[int]) -> None:
    """Serve on 127.0.0.1 until cancelled; `ready` gets the port."""
    provider = Provider(journal)
    loop = asyncio.get_running_loop()

    def take(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_REQUEST_BYTES)

    server = web.Server(provider.handle, request_factory=take, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=2048, reuse_address=True)
    await site.start()
    ready.set_result(runner.addresses[0][1])
    try:
        await loop.create_future()
    finally:
        await runner.cleanup()
