"""A model that answers, for tests that need a reply over HTTP and nothing of what the provider double can do."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


class FakeModel:
    """Speaks OpenAI's chat format at `url`: replies with what `answer` makes of a request's text. `asked` has those."""

    def __init__(self, answer: Callable[[str], Mapping[str, Any]]) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                asked.append(str(request["messages"]))
                message = {"role": "assistant", "content": json.dumps(answer(asked[-1]))}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                reply = {"id": "1", "model": request["model"], "choices": [choice], "usage": USAGE}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(reply).encode())

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
