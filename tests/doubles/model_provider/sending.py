"""Replies as bytes on a connection: the plain ones by aiohttp, the misbehaving ones written by hand."""

import asyncio
import gzip
import http
import json
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from tests.doubles.model_provider.books import Entry
from tests.doubles.model_provider.script import Do

Ended = Callable[[bool], None]


class Whole(web.Response):
    """A plain reply that says when its last byte was handed to a connection that was still there."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, entry: Entry, ended: Ended) -> None:
        super().__init__(status=status, headers=CIMultiDict(headers), body=body)
        self._entry = entry
        self._ended = ended
        self._size = len(body)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._transport = request.transport
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        self._entry.status, self._entry.sent_bytes = self.status, self._size
        self._ended(self._transport is not None and not self._transport.is_closing())


class Nothing(web.Response):
    """Stands for a reply that was written by hand: aiohttp is to write nothing more and to close."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self.force_close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def encoded(body: Any, do: Do, headers: dict[str, str]) -> bytes:
    """The body as bytes, padded and compressed as told; `headers` say how."""
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else _dumped(body)
    headers.setdefault("content-type", "application/json")
    if do.pad_bytes:
        content += b" " * do.pad_bytes
    if do.compress == "gzip":
        content = gzip.compress(content, 6)
    elif do.compress == "deflate":
        content = zlib.compress(content)
    if do.compress:
        headers["content-encoding"] = "gzip" if do.compress != "deflate" else "deflate"
    return content


def _dumped(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def send_by_hand(
    request: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes, do: Do, entry: Entry
) -> bool:
    """Write a reply as told. True where it was sent whole; the connection is closed or reset in any case."""
    transport = request.transport
    if transport is None:
        return False
    if do.raw is not None:
        transport.write(do.raw.encode("latin-1"))
        return False
    if do.cut and do.cut_at < 0:
        await _cut(transport, do)
        return False
    head, framed = _framed(status, headers, body, do)
    entry.status = status
    transport.write(head)
    end = round(len(framed) * do.cut_at) if do.cut else len(framed)
    at_once = round(end * do.drip_from) if do.drip_bytes else end
    transport.write(framed[:at_once])
    entry.sent_bytes = at_once
    for start in range(at_once, end, do.drip_bytes or max(1, end)):
        if transport.is_closing():
            return False
        entry.sent_bytes = min(start + (do.drip_bytes or end), end)
        transport.write(framed[start : entry.sent_bytes])
        await asyncio.sleep(do.drip_every_s)
    if do.cut:
        await _cut(transport, do)
        return False
    return not transport.is_closing()


def _framed(status: int, headers: Mapping[str, str], body: bytes, do: Do) -> tuple[bytes, bytes]:
    """The head of a reply and its body, framed by its length, in chunks, or by the connection's end."""
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else 'Double'}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if do.framing == "chunked":
        lines.append("transfer-encoding: chunked")
        size = max(1, len(body) // 10)
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    elif do.framing == "length":
        lines.append(f"content-length: {len(body)}")
    lines += ["connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1"), body


async def _cut(transport: asyncio.Transport, do: Do) -> None:
    if do.cut == "stall":
        while not transport.is_closing():
            await asyncio.sleep(0.05)
        return
    if do.cut == "reset":
        await asyncio.sleep(0.01)  # what was written before goes out first
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
