import asyncio
import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from blocks.gateway.errors import CallFailed, ConnectionFailed, DeadlinePassed, ReplyTooLarge
from blocks.gateway.providers import transport as transport_module
from blocks.gateway.providers.transport import HttpReply, Transport
from tests.doubles.certificates import self_signed
from tests.doubles.model_provider.handle import ModelProviderDouble

KEY = "sk-canary-5e1f0c"
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
PATH = "/v1/chat/completions"
TWENTIETHS = [number / 20 for number in range(20)]


def _content(text: str = "Total 9.00") -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()


async def _post(transport: Transport, url: str, timeout_s: float = 5.0, content: bytes | None = None) -> HttpReply:
    sent = _content() if content is None else content
    return await transport.post(url, HEADERS, sent, time.monotonic() + timeout_s, "m", timeout_s)


def _run(work: Callable[[Transport], Awaitable[Any]], **options: Any) -> Any:
    async def entered() -> Any:
        async with aclosing(Transport(**options)) as transport:
            return await work(transport)

    return asyncio.run(entered())


def _failure(url: str, timeout_s: float = 5.0, **options: Any) -> tuple[CallFailed, float]:
    """What one post raises, and after how many seconds."""

    async def work(transport: Transport) -> tuple[CallFailed, float]:
        started = time.monotonic()
        with pytest.raises(CallFailed) as caught:
            await _post(transport, url, timeout_s)
        return caught.value, time.monotonic() - started

    failed, took_s = _run(work, **options)
    return failed, took_s


def _do(double: ModelProviderDouble, **do: Any) -> str:
    double.script(rules=[{"do": do}])
    return double.url + PATH


def _settled(double: ModelProviderDouble) -> list[dict[str, Any]]:
    """The log once nothing is under way any more."""
    for _ in range(1000):
        if double.state()["in_flight"] == 0:
            break
        time.sleep(0.02)
    return double.log()


async def _until_in_flight(double: ModelProviderDouble, count: int) -> None:
    """Wait until the double works on so many requests, while the loop goes on."""
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(double.state))["in_flight"] != count:
            await asyncio.sleep(0.02)


def test_a_reply_is_whole_and_timed(model_provider: ModelProviderDouble) -> None:
    url = _do(model_provider, delay_s=0.1, drip_bytes=200, drip_every_s=0.02)
    reply = _run(lambda transport: _post(transport, url))
    assert reply.status == 200
    assert json.loads(reply.body)["object"] == "chat.completion"
    assert reply.headers["content-type"] == "application/json"
    assert 100 <= reply.first_byte_ms < reply.latency_ms


@pytest.mark.parametrize("status", [301, 302, 400, 429, 500, 529, 599])
def test_any_status_is_a_reply_and_no_redirect_is_followed(model_provider: ModelProviderDouble, status: int) -> None:
    url = _do(model_provider, status=status, body="said", headers={"location": model_provider.url + "/elsewhere"})
    reply = _run(lambda transport: _post(transport, url))
    assert (reply.status, reply.body) == (status, b"said")
    assert len(model_provider.log()) == 1


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_every_framing_is_read_whole(model_provider: ModelProviderDouble, framing: str) -> None:
    url = _do(model_provider, framing=framing, pad_bytes=300_000)
    reply = _run(lambda transport: _post(transport, url))
    assert len(reply.body) > 300_000


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("cut", ["reset", "close"])
def test_a_reply_cut_at_any_twentieth_is_no_reply(model_provider: ModelProviderDouble, framing: str, cut: str) -> None:
    rules = [
        {"when": {"numbers": [index + 1]}, "do": {"cut": cut, "cut_at": share, "framing": framing}}
        for index, share in enumerate([-1.0, *TWENTIETHS])
    ]
    model_provider.script(rules=rules)

    async def work(transport: Transport) -> list[CallFailed]:
        failures = []
        for _ in rules:
            with pytest.raises(CallFailed) as caught:
                await _post(transport, model_provider.url + PATH)
            failures.append(caught.value)
        return failures

    for failed in _run(work):
        assert isinstance(failed, ConnectionFailed)
        assert failed.was_sent
    assert not any(entry["is_whole"] for entry in _settled(model_provider))
    assert model_provider.bill() == {}


def test_a_reply_that_stalls_at_any_twentieth_ends_at_the_deadline(model_provider: ModelProviderDouble) -> None:
    shares = [-1.0, *TWENTIETHS]
    rules = [
        {"when": {"numbers": [index + 1]}, "do": {"cut": "stall", "cut_at": share}}
        for index, share in enumerate(shares)
    ]
    model_provider.script(rules=rules)

    async def work(transport: Transport) -> list[tuple[BaseException, float]]:
        async def one() -> tuple[BaseException, float]:
            started = time.monotonic()
            with pytest.raises(CallFailed) as caught:
                await _post(transport, model_provider.url + PATH, timeout_s=0.5)
            return caught.value, time.monotonic() - started

        return list(await asyncio.gather(*(one() for _ in shares)))

    for failed, took_s in _run(work):
        assert isinstance(failed, DeadlinePassed)
        assert failed.was_sent
        assert 0.5 <= took_s <= 30
        assert 500 <= failed.latency_ms <= 30_000
    assert all(entry["gone_at"] for entry in _settled(model_provider)), "each connection was closed"


def test_one_byte_a_second_ends_at_the_deadline(model_provider: ModelProviderDouble) -> None:
    url = _do(model_provider, drip_bytes=1, drip_every_s=1.0)
    failed, took_s = _failure(url, timeout_s=1.5)
    assert isinstance(failed, DeadlinePassed)
    assert 1.5 <= took_s <= 30
    assert failed.output_characters in {1, 2}
    assert failed.first_byte_ms < 1500
    (entry,) = _settled(model_provider)
    assert entry["gone_at"]
    assert entry["sent_bytes"] <= 4


def test_one_byte_a_second_from_any_twentieth_on(model_provider: ModelProviderDouble) -> None:
    rules = [
        {"when": {"numbers": [index + 1]}, "do": {"drip_bytes": 1, "drip_every_s": 1.0, "drip_from": share}}
        for index, share in enumerate(TWENTIETHS)
    ]
    model_provider.script(rules=rules)

    async def work(transport: Transport) -> list[float]:
        async def one() -> float:
            started = time.monotonic()
            with pytest.raises(DeadlinePassed):
                await _post(transport, model_provider.url + PATH, timeout_s=1.2)
            return time.monotonic() - started

        return list(await asyncio.gather(*(one() for _ in rules)))

    assert max(_run(work)) <= 2.2


def test_a_reply_without_any_framing_that_is_cut_is_no_json(model_provider: ModelProviderDouble) -> None:
    """A reply that only the end of its connection ends cannot be told from a cut one here; its JSON can."""
    rules = [
        {"when": {"numbers": [index + 1]}, "do": {"cut": "close", "cut_at": share, "framing": "close"}}
        for index, share in enumerate(TWENTIETHS)
    ]
    model_provider.script(rules=rules)

    async def work(transport: Transport) -> None:
        for _ in rules:
            reply = await _post(transport, model_provider.url + PATH)
            with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
                json.loads(reply.body)

    _run(work)


def test_the_connection_is_closed_when_the_deadline_passes(model_provider: ModelProviderDouble) -> None:
    url = _do(model_provider, delay_s=30)
    started = time.monotonic()
    failed, _ = _failure(url, timeout_s=0.2)
    assert isinstance(failed, DeadlinePassed)
    (entry,) = _settled(model_provider)
    assert started + 0.2 <= entry["gone_at"] <= started + 20


def test_a_reply_that_lies_there_when_a_busy_loop_sees_the_deadline_is_read(
    model_provider: ModelProviderDouble,
) -> None:
    url = _do(model_provider, delay_s=0.5)

    async def work(transport: Transport) -> HttpReply:
        deadline = time.monotonic() + 2.0
        call = asyncio.create_task(transport.post(url, HEADERS, _content(), deadline, "m", 2.0))
        await _until_in_flight(model_provider, 1)
        _settled(model_provider)  # from here on the loop does not run
        time.sleep(max(0.0, deadline + 0.1 - time.monotonic()))
        return await call

    assert _run(work).status == 200


def test_a_deadline_that_has_passed_sends_nothing(model_provider: ModelProviderDouble) -> None:
    failed, _ = _failure(model_provider.url + PATH, timeout_s=-0.001)
    assert isinstance(failed, DeadlinePassed)
    assert not failed.was_sent
    assert "this machine was slow" in str(failed)
    assert model_provider.log() == []


def test_a_wait_for_a_connection_ends_at_the_deadline_and_was_not_sent(model_provider: ModelProviderDouble) -> None:
    url = _do(model_provider, delay_s=30)

    async def work(transport: Transport) -> list[bool]:
        async def one(timeout_s: float) -> bool:
            with pytest.raises(DeadlinePassed) as caught:
                await _post(transport, url, timeout_s)
            return caught.value.was_sent

        return list(await asyncio.gather(*(one(timeout_s) for timeout_s in (1.5, 1.5, 0.3, 0.3, 0.3))))

    assert _run(work, max_connections=2) == [True, True, False, False, False]
    assert len(_settled(model_provider)) == 2


def _listener(backlog: int = 1) -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(backlog)
    return listening


def test_a_refused_connection_was_not_sent() -> None:
    with _listener() as listening:
        port = listening.getsockname()[1]
    failed, _ = _failure(f"http://127.0.0.1:{port}{PATH}")
    assert isinstance(failed, ConnectionFailed)
    assert not failed.was_sent
    assert "refused" in str(failed)


def test_a_server_that_never_accepts_ends_at_the_deadline() -> None:
    with _listener(0) as listening:
        address = listening.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        failed, took_s = _failure(f"http://127.0.0.1:{address[1]}{PATH}", timeout_s=0.5)
        for filler in fillers:
            filler.close()
    assert isinstance(failed, DeadlinePassed)
    assert not failed.was_sent
    assert "was not asked within 0.5 s: the connection was slow" in str(failed)
    assert took_s <= 20


def test_an_encrypted_connection_needs_a_trustedself_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, private = self_signed(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain, private)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async def work() -> HttpReply | CallFailed:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving)
        try:
            async with aclosing(Transport()) as transport:
                return await _post(transport, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
        except CallFailed as failed:
            return failed
        finally:
            server.close()

    refused = asyncio.run(work())
    assert isinstance(refused, ConnectionFailed)
    assert "certificate is not trusted" in str(refused)
    assert not refused.was_sent
    trusting = ssl.create_default_context(cafile=str(chain))
    monkeypatch.setattr(transport_module, "_trusted_authorities", lambda: trusting)
    answered = asyncio.run(work())
    assert isinstance(answered, HttpReply)
    assert answered.body == b"{}"


def test_an_unknown_host_was_not_sent() -> None:
    failed, _ = _failure("http://nowhere.invalid/v1", timeout_s=5)
    assert not failed.was_sent
    assert isinstance(failed, (ConnectionFailed, DeadlinePassed))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "not an address", "http://[::1/x", "http://a\x00b/"])
def test_an_address_that_is_none_was_not_sent(url: str) -> None:
    failed, _ = _failure(url)
    assert isinstance(failed, ConnectionFailed)
    assert not failed.was_sent


def test_a_server_that_speaks_plain_text_where_encryption_is_asked(model_provider: ModelProviderDouble) -> None:
    failed, _ = _failure(model_provider.url.replace("http:", "https:") + PATH)
    assert isinstance(failed, ConnectionFailed)
    assert not failed.was_sent


@pytest.mark.parametrize(
    "raw",
    [
        "garbage\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\nx: " + "y" * 100_000 + "\r\n\r\n{}",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "",
    ],
)
def test_what_is_no_http_is_a_failed_connection(model_provider: ModelProviderDouble, raw: str) -> None:
    failed, _ = _failure(_do(model_provider, raw=raw), timeout_s=3)
    assert isinstance(failed, ConnectionFailed)
    assert failed.was_sent


def test_a_reply_that_is_too_large_is_not_read(model_provider: ModelProviderDouble) -> None:
    url = _do(model_provider, pad_bytes=200_000)
    failed, _ = _failure(url, max_reply_bytes=100_000)
    assert isinstance(failed, ReplyTooLarge)
    assert 100_000 < failed.output_characters < 200_000
    reply = _run(lambda transport: _post(transport, url), max_reply_bytes=300_000)
    assert len(reply.body) > 200_000


@pytest.mark.parametrize("compress", ["gzip", "deflate"])
def test_a_compressed_reply_is_read_and_a_bomb_is_not(model_provider: ModelProviderDouble, compress: str) -> None:
    url = _do(model_provider, compress=compress)
    assert json.loads(_run(lambda transport: _post(transport, url)).body)["object"] == "chat.completion"
    bomb = _do(model_provider, compress=compress, pad_bytes=64 * 1024 * 1024)
    failed, _ = _failure(bomb, timeout_s=20)
    assert isinstance(failed, ReplyTooLarge)
    assert failed.output_characters < 64 * 1024


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"{}" * 500, mtime=0)[:-9]),
        ("gzip", gzip.compress(b"{}", mtime=0) * 2),
        ("br", b"{}"),
    ],
)
def test_damaged_compression_is_no_reply(model_provider: ModelProviderDouble, encoding: str, content: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {len(content)}\r\n\r\n"
    failed, _ = _failure(_do(model_provider, raw=head + content.decode("latin-1")))
    assert isinstance(failed, ConnectionFailed)


def test_a_reply_in_an_unknown_encoding_gives_its_connection_back(model_provider: ModelProviderDouble) -> None:
    url = _do(model_provider, headers={"content-encoding": "br"}, cut="stall", cut_at=0.5)

    async def work(transport: Transport) -> list[CallFailed]:
        failures = []
        for _ in range(4):
            with pytest.raises(CallFailed) as caught:
                await _post(transport, url, 1.0)
            failures.append(caught.value)
        return failures

    failures = _run(work, max_connections=3)
    assert ["compressed in a way" in str(one) for one in failures] == [True] * 4


def test_no_error_holds_the_key_or_the_request() -> None:
    for header in (KEY + "\r\nx: y", KEY + "ä", KEY + "\x00"):

        async def work(transport: Transport, header: str = header) -> CallFailed:
            with pytest.raises(CallFailed) as caught:
                await transport.post("http://127.0.0.1:9/", {"x-key": header}, b"", time.monotonic() + 1, "m", 1)
            return caught.value

        failed = _run(work)
        assert KEY not in f"{failed} {failed!r} {failed.__dict__}"
        assert failed.__cause__ is None
        assert failed.__context__ is None


def test_connections_are_kept_for_the_next_call(model_provider: ModelProviderDouble) -> None:
    async def work(transport: Transport) -> None:
        for _ in range(20):
            await _post(transport, model_provider.url + PATH)

    _run(work)
    assert len({entry["connection"] for entry in model_provider.log()}) == 1


def test_what_an_early_reply_leaves_unsent_never_reaches_the_next_call() -> None:
    """A server that answers before it has read the request: the connection is not used again."""
    answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}"
    firsts: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _address = listening.accept()
            firsts.append(connection.recv(64))
            connection.sendall(answer)
            time.sleep(0.3)
            connection.close()

    with _listener(5) as listening:
        server = threading.Thread(target=serve, args=(listening,), daemon=True)
        server.start()

        async def work(transport: Transport) -> None:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
            for _ in range(2):
                with contextlib.suppress(ConnectionFailed):
                    assert (await _post(transport, url, content=b"z" * 50_000_000)).status == 413

        _run(work)
        server.join(60)
    assert [first[:7] for first in firsts] == [b"POST /x", b"POST /x"]


def test_the_provider_is_killed_with_calls_in_flight(model_provider: ModelProviderDouble) -> None:
    """Every call in flight ends typed, within its deadline; the calls after it do as well, and again succeed later."""
    url = _do(model_provider, delay_s=30)

    async def outcome(transport: Transport, timeout_s: float) -> CallFailed | HttpReply:
        try:
            return await _post(transport, url, timeout_s)
        except CallFailed as failed:
            return failed

    async def work(transport: Transport) -> tuple[list[Any], float, list[Any], list[Any]]:
        calls = [asyncio.create_task(outcome(transport, 5.0)) for _ in range(50)]
        await _until_in_flight(model_provider, 50)
        started = time.monotonic()
        await asyncio.to_thread(model_provider.kill)
        in_flight = await asyncio.gather(*calls)
        took_s = time.monotonic() - started
        while_down = [await outcome(transport, 5.0) for _ in range(3)]
        await asyncio.to_thread(model_provider.restart)
        await asyncio.to_thread(model_provider.script)
        return in_flight, took_s, while_down, [await outcome(transport, 5.0) for _ in range(3)]

    in_flight, took_s, while_down, afterwards = _run(work)
    assert all(isinstance(one, ConnectionFailed) and one.was_sent for one in in_flight)
    assert took_s <= 5.0
    assert all(isinstance(one, ConnectionFailed) and not one.was_sent for one in while_down)
    assert all(isinstance(one, HttpReply) for one in afterwards)


def test_a_cancelled_call_closes_its_connection(model_provider: ModelProviderDouble) -> None:
    url = _do(model_provider, delay_s=30)

    async def work(transport: Transport) -> None:
        call = asyncio.create_task(_post(transport, url, 20))
        await _until_in_flight(model_provider, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await _until_in_flight(model_provider, 0)  # while the transport is open still

    _run(work)
    (entry,) = _settled(model_provider)
    assert entry["gone_at"]
