"""An HTTP proxy in a thread: tunnels (CONNECT) and plain requests, with a log of what it was asked for."""

import socket
import threading
from base64 import b64encode
from urllib.parse import urlsplit


class HttpProxy:
    """Listens on 127.0.0.1 while entered.

    `login` is the `name:password` that it asks for, `refuses` a status with which it refuses each request. `asked` has
    the first line of each request, `logins` the credentials that came with it.
    """

    def __init__(self, login: str = "", refuses: int = 0) -> None:
        self._login = login
        self._refuses = refuses
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.asked: list[str] = []
        self.logins: list[str] = []

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "HttpProxy":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            head, _, rest = _until_blank_line(client)
            first, *lines = head.decode("latin-1").split("\r\n")
            self.asked.append(first)
            headers = dict(line.lower().split(": ", 1) for line in lines)
            self.logins.append(headers.get("proxy-authorization", ""))
            wanted = f"basic {b64encode(self._login.encode()).decode()}".lower()
            if self._refuses or (self._login and headers.get("proxy-authorization", "") != wanted):
                client.sendall(f"HTTP/1.1 {self._refuses or 407} No\r\ncontent-length: 0\r\n\r\n".encode())
                return
            method, target, _version = first.split(" ")
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                with socket.create_connection((host, int(port))) as server:
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    _join(client, server)
                return
            parts = urlsplit(target)
            with socket.create_connection((str(parts.hostname), parts.port or 80)) as server:
                kept = [line for line in lines if not line.lower().startswith("proxy-")]
                path = f"{parts.path}?{parts.query}" if parts.query else parts.path
                sent = "\r\n".join((f"{method} {path} HTTP/1.1", *kept)) + "\r\n\r\n"
                server.sendall(sent.encode("latin-1") + rest)
                _join(client, server)


def _until_blank_line(client: socket.socket) -> tuple[bytes, bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        more = client.recv(65_536)
        if not more:
            break
        received += more
    return received.partition(b"\r\n\r\n")


def _join(client: socket.socket, server: socket.socket) -> None:
    """Pass on what each sends to the other, until both are done."""
    back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
    back.start()
    _pass_on(client, server)
    back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while content := source.recv(65_536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of them has closed the connection: nothing is left to pass on
