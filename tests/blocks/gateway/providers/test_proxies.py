"""Requests through the environment's proxies: a real proxy, plain and encrypted servers behind it."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from blocks.gateway.errors import CallFailed, ConnectionFailed, ProxyUnusable
from blocks.gateway.providers import transport as transport_module
from blocks.gateway.providers.transport import HttpReply, Transport
from tests.doubles.certificates import self_signed
from tests.doubles.http_proxy import HttpProxy
from tests.doubles.model_provider.handle import ModelProviderDouble

PATH = "/v1/chat/completions"
PASSWORD = "canary-5e1f0c"


def post(url: str, content: bytes = b'{"model": "m", "messages": []}') -> HttpReply:
    async def entered() -> HttpReply:
        async with aclosing(Transport()) as transport:
            return await transport.post(url, {}, content, time.monotonic() + 20, "m", 20)

    return asyncio.run(entered())


def failure(url: str) -> ConnectionFailed | ProxyUnusable:
    with pytest.raises(CallFailed) as caught:
        post(url)
    assert isinstance(caught.value, ConnectionFailed | ProxyUnusable)
    return caught.value


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        content = json.dumps({"login": self.headers.get("proxy-authorization")}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server behind TLS, and the file with its certificate."""
    chain, private = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}{PATH}", chain
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusted(encrypted: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the server, whose certificate SSL_CERT_FILE names."""
    url, chain = encrypted
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    transport_module._trusted_authorities.cache_clear()
    yield url
    transport_module._trusted_authorities.cache_clear()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_plain_request_goes_through_the_proxy(
    variable: str, model_provider: ModelProviderDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpProxy() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert post(model_provider.url + PATH).status == 200
    assert proxy.asked == [f"POST {model_provider.url}{PATH} HTTP/1.1"]
    assert len(model_provider.log()) == 1


@pytest.mark.parametrize(
    "excepted", ["127.0.0.1", "*", "example.com, 127.0.0.0/8", "a/b,127.0.0.1/8", "localhost,127.0.0.1:{port}"]
)
def test_no_proxy_excepts_hosts_and_networks(
    excepted: str, model_provider: ModelProviderDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = model_provider.url.rpartition(":")[2]
    with HttpProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", excepted.format(port=port))
        assert post(model_provider.url + PATH).status == 200
        monkeypatch.setenv("NO_PROXY", "example.com,10.0.0.0/8")
        assert post(model_provider.url + PATH).status == 200
    assert len(proxy.asked) == 1


def test_an_encrypted_request_is_tunnelled_and_the_proxy_s_credentials_stay_with_it(
    trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpProxy(login=f"me:{PASSWORD}") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//me:{PASSWORD}@"))
        reply = post(trusted)
    assert json.loads(reply.body) == {"login": None}
    assert proxy.asked[0].startswith("CONNECT 127.0.0.1:")


def test_a_proxy_that_asks_for_credentials_or_refuses_is_named_and_nothing_was_sent(
    trusted: str, model_provider: ModelProviderDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpProxy(login=f"me:{PASSWORD}") as proxy:
        for variable, url in (("HTTPS_PROXY", trusted), ("HTTP_PROXY", model_provider.url + PATH)):
            monkeypatch.setenv(variable, proxy.url.replace("//", f"//you:{PASSWORD}@"))
            failed = failure(url)
            assert "the proxy asks for credentials" in str(failed)
            assert f"the proxy 127.0.0.1:{proxy.port} of {variable}" in str(failed)
            assert PASSWORD not in f"{failed} {failed!r}"
            assert not failed.was_sent
            assert not failed.is_transient
    with HttpProxy(refuses=403) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert f"127.0.0.1:{proxy.port} of HTTPS_PROXY does not connect to it (status 403)" in str(failure(trusted))
    assert model_provider.log() == []


def test_a_proxy_that_is_not_there_is_named(
    model_provider: ModelProviderDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpProxy() as proxy:
        gone = proxy.url
    monkeypatch.setenv("HTTP_PROXY", gone)
    failed = failure(model_provider.url + PATH)
    assert f"the connection was refused, to the proxy {gone.removeprefix('http://')} of HTTP_PROXY" in str(failed)
    assert "check the proxy, then its endpoint" in str(failed)
    assert not failed.was_sent


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "Http_Proxy"])
@pytest.mark.parametrize(
    "address", ["socks5://127.0.0.1:9", "http://me:hun#ter@proxy:1", "http://proxy:99999", "http://[::1", "http://"]
)
def test_a_proxy_that_cannot_be_one_is_not_tried_again(
    variable: str, address: str, model_provider: ModelProviderDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, address)
    failed = failure(model_provider.url + PATH)
    assert f"the proxy of {variable} is no http://host:port; correct the variable" in str(failed)
    assert "hun" not in str(failed)
    assert not failed.is_transient


def test_a_certificate_that_is_not_trusted_names_the_remedy(encrypted: tuple[str, Path]) -> None:
    assert "SSL_CERT_FILE" in str(failure(encrypted[0]))
