"""A web server that takes what notification blocks post."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


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


def main() -> None:
    """Run the webhook as a process: it prints its address, and adds what is posted to a file, a line of JSON each."""
    with running_webhook() as hook, Path(sys.argv[1]).open("a", encoding="utf-8") as file:
        print(hook.url, flush=True)
        parent, written = os.getppid(), 0
        while os.getppid() == parent:
            for post in hook.posts[written:]:
                file.write(json.dumps(post) + "\n")
                written += 1
            file.flush()
            time.sleep(0.2)


if __name__ == "__main__":
    main()
