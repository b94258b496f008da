"""An HTTP POST to a model's endpoint. One deadline covers all of it, and a partial reply is never used.

The deadline runs from the wait for a connection to the last byte of the reply: a timeout per read would never end a
reply that comes at one byte a second. When it passes, the connection is closed. Redirects are not followed, credentials
of the environment (.netrc) are not used, cookies are not kept. The environment's proxies are used, and its certificate
authorities trusted. HTTP framing shows whether a reply is complete; a reply without framing ends with its connection,
and its JSON shows it. The size of a reply is bounded, compressed and decompressed.
"""

import asyncio
import functools
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import certifi
import yarl
from aiohttp.connector import Connection

from blocks.gateway.errors import CallFailed, ConnectionFailed, DeadlinePassed, ProxyUnusable, ReplyTooLarge
from blocks.settings import proxy_for

MAX_REPLY_BYTES = 16 * 1024 * 1024
MAX_CONNECTIONS = 512
"""Connections open at once, over all models; more calls wait for one, within their deadline. `in_flight` bounds a
model's calls; this bounds the open files of this process, of which most systems allow 1,024."""

CHUNK_BYTES = 16 * 1024
"""How much of a reply is decompressed at once, so that a bomb is noticed early."""
LAST_READ_S = 0.05
"""How long after the deadline bytes that arrived are still read: on a busy machine a complete reply, which is billed,
may have arrived before the event loop notices the deadline."""
NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
"""aiohttp sets no timeout: `Transport.post` keeps the deadline with its own timer."""
IDLE_CONNECTION_S = 4.0
"""How long a connection is kept for the next call. Servers built on uvicorn (such as vLLM) close it after 5 idle
seconds by default, and a request that is sent meanwhile may be billed."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete reply. Header names in lower case, `body` decompressed. `first_byte_ms`: until its head came."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_ms: int
    first_byte_ms: int


@dataclass(slots=True)
class _Attempt:
    """How far an attempt got. `was_sent` once it had a connection: from then on the request may have arrived."""

    was_sent: bool = False
    first_byte_ms: int = 0
    received_bytes: int = 0
    proxy: "_Proxy | None" = None


@dataclass(frozen=True, slots=True)
class _Proxy:
    """A proxy to a model's endpoint: its address without credentials, its credentials, and what messages call it."""

    address: yarl.URL
    login: aiohttp.BasicAuth | None
    name: str


_attempt: ContextVar[_Attempt] = ContextVar("attempt")


class _Connector(aiohttp.TCPConnector):
    """Marks the attempt under way as sent once it has a connection. aiohttp's own tracing costs ten times as much."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        _attempt.get().was_sent = True
        return connection


class Transport:
    """Connections to models' endpoints. Made, used and closed on the same event loop.

    `max_reply_bytes` bounds a reply, `max_connections` the connections open at once.
    """

    def __init__(self, *, max_reply_bytes: int = MAX_REPLY_BYTES, max_connections: int = MAX_CONNECTIONS) -> None:
        self._max_reply_bytes = max_reply_bytes
        trusted = _trusted_authorities()
        self._http = aiohttp.ClientSession(
            connector=_Connector(limit=max_connections, keepalive_timeout=IDLE_CONNECTION_S, ssl=trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NO_TIMEOUT,
            auto_decompress=False,
            trust_env=False,  # it would use .netrc too
        )
        self._proxies: dict[str, _Proxy | None] = {}

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def post(
        self, url: str, headers: Mapping[str, str], content: bytes, deadline: float, model: str, timeout_s: float
    ) -> HttpReply:
        """Post `content` and read the reply, whatever its status, until `deadline` (in `time.monotonic()`).

        `model` and `timeout_s` are for messages. Raises `ConnectionFailed`, `DeadlinePassed` or `ReplyTooLarge`, with
        `was_sent`, `latency_ms`, `first_byte_ms` and `output_characters` (bytes received) set. Where the caller is
        cancelled, the `CancelledError` carries `was_sent` too.
        """
        started = time.monotonic()
        attempt = _Attempt()
        _attempt.set(attempt)
        if deadline <= started:
            raise DeadlinePassed(model, timeout_s, "this machine")
        loop = asyncio.get_running_loop()
        failed: CallFailed
        try:
            async with asyncio.timeout(None) as bound:
                due = loop.call_at(loop.time() + deadline - started, _extend_for_last_read, bound)
                try:
                    return await self._exchange(url, headers, content, model, started, attempt)
                finally:
                    due.cancel()
        except TimeoutError:
            # ETIMEDOUT of the system is a TimeoutError too, and may come before the deadline.
            if time.monotonic() < deadline:
                failed = ConnectionFailed(model, "the server did not respond", was_sent=attempt.was_sent)
            else:
                failed = DeadlinePassed(model, timeout_s, "" if attempt.was_sent else "the connection")
        except _BROKEN as error:
            cause = _cause(error, attempt.proxy)
            if isinstance(error, _ProxyUnusable | _ProxyLoginMissing) or _asks_for_login(error):
                failed = ProxyUnusable(model, cause)
            else:
                check = "its endpoint" if attempt.proxy is None else "the proxy, then its endpoint"
                failed = ConnectionFailed(model, cause, was_sent=attempt.was_sent, check=check)
        except ReplyTooLarge as error:
            failed = error
        except asyncio.CancelledError as error:
            error.was_sent = attempt.was_sent  # type: ignore[attr-defined]  # what was not sent is not billed
            raise
        failed.latency_ms = _ms_since(started)
        failed.first_byte_ms = attempt.first_byte_ms
        failed.output_characters = attempt.received_bytes
        # A library's error may hold the key, so it must not become the context of this failure.
        failed.__context__ = None
        raise failed

    async def _exchange(
        self, url: str, headers: Mapping[str, str], content: bytes, model: str, started: float, attempt: _Attempt
    ) -> HttpReply:
        # Replies are short and models are slow, so no compression is asked for.
        sent = {"accept-encoding": "identity", **headers}
        if url not in self._proxies:
            self._proxies[url] = _proxy_of(url)
        proxy = attempt.proxy = self._proxies[url]
        address, login = (None, None) if proxy is None else (proxy.address, proxy.login)
        async with self._http.post(
            _parsed(url), data=content, headers=sent, allow_redirects=False, proxy=address, proxy_auth=login
        ) as reply:
            if reply.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                attempt.was_sent = False
                raise _ProxyLoginMissing
            attempt.first_byte_ms = _ms_since(started)
            # aiohttp decodes headers as UTF-8; providers mean Latin-1, as HTTP does.
            received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reply.raw_headers}
            decoder = _decoder(received.get("content-encoding", ""))
            body = bytearray()
            async for chunk in reply.content.iter_chunked(CHUNK_BYTES):
                attempt.received_bytes += len(chunk)
                body += decoder.decompress(chunk, self._max_reply_bytes + 1 - len(body)) if decoder else chunk
                if len(body) > self._max_reply_bytes:
                    raise ReplyTooLarge(model, self._max_reply_bytes)
        if decoder and (not decoder.eof or decoder.unused_data):
            raise zlib.error
        return HttpReply(reply.status, received, bytes(body), _ms_since(started), attempt.first_byte_ms)


def _extend_for_last_read(bound: asyncio.Timeout) -> None:
    bound.reschedule(asyncio.get_running_loop().time() + LAST_READ_S)


@functools.lru_cache(maxsize=256)
def _parsed(url: str) -> yarl.URL:
    return yarl.URL(url)


def _proxy_of(url: str) -> _Proxy | None:
    """The proxy that the environment names for an address. Raises `_ProxyUnusable`."""
    proxy = proxy_for(url)
    if proxy is None:
        return None
    try:
        address = yarl.URL(proxy.url)
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError
        login = aiohttp.BasicAuth(address.user, address.password or "") if address.user else None
        return _Proxy(address.with_user(None), login, f"the proxy {address.host}:{address.port} of {proxy.variable}")
    except ValueError:  # its message may quote the password
        raise _ProxyUnusable(f"the proxy of {proxy.variable} is no http://host:port") from None


@functools.cache
def _trusted_authorities() -> ssl.SSLContext:
    """The certificate authorities of certifi, and those of the system, which may include a company's own: OpenSSL reads
    the files that SSL_CERT_FILE and SSL_CERT_DIR name in place of the system's."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def _decoder(encoding: str) -> "zlib._Decompress | None":
    """The decoder of a content encoding, None for none. Raises `_UnknownEncoding`."""
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: detects gzip or zlib by the header
    raise _UnknownEncoding


class _UnknownEncoding(ValueError):
    """The reply is compressed in a way that was not asked for."""


class _ProxyUnusable(ValueError):
    """The environment names a proxy that cannot be one."""


class _ProxyLoginMissing(OSError):
    """The proxy asks for credentials."""


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


_BROKEN = (aiohttp.ClientError, OSError, ValueError, zlib.error)
"""What a failing exchange raises: ValueError for an address or a header that cannot be sent."""

_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "its host is not known"),
    (socket.gaierror, "its host is not known"),
    (
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        "its certificate is not trusted; SSL_CERT_FILE may name a file with the authority's",
    ),
    (_ProxyLoginMissing, "the proxy asks for credentials, as in http://name:password@host:port"),
    ((aiohttp.ClientConnectorSSLError, ssl.SSLError), "no encrypted connection came about"),
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionResetError, "the connection was reset"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection without a reply"),
    (aiohttp.ClientPayloadError, "the reply broke off before it was complete"),
    (aiohttp.ClientResponseError, "the server did not speak HTTP"),
    (zlib.error, "the reply's compressed content is damaged or breaks off"),
    (_UnknownEncoding, "the reply is compressed in a way that was not asked for"),
    (ValueError, "its address, key or a header cannot be sent"),
)


def _asks_for_login(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientHttpProxyError) and error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED


def _cause(error: Exception, proxy: _Proxy | None = None) -> str:
    """What went wrong, in our own words: a library's message may quote addresses, headers and so keys."""
    if isinstance(error, _ProxyUnusable):
        return str(error)
    if proxy is not None:
        if _asks_for_login(error):
            error = _ProxyLoginMissing()
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return f"{proxy.name} does not connect to it (status {error.status}); NO_PROXY may except its host"
        by = "to" if isinstance(error, aiohttp.ClientProxyConnectionError) else "through"
        return f"{_cause(error)}, {by} {proxy.name}"
    chain = (error, error.__cause__, error.__cause__.__cause__ if error.__cause__ else None)
    for kinds, words in _CAUSES:
        if any(isinstance(link, kinds) for link in chain):
            return words
    number = next((link.errno for link in chain if isinstance(link, OSError) and link.errno), None)
    return f"error {number} of the system" if number else "the server broke off"
