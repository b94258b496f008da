"""A web server that takes what notification blocks post."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Webhook:
    """Keeps what is posted to it, and answers with `status`."""

    status: int = 200
    posts: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def running_webhook() -> Iterator[Webhook]:
    """A webhook on this machine, until the block ends."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if hook.status == 200:
                hook.posts.append(json.loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook.url = f"http://127.0.0.1:{server.server_port}/people"
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
