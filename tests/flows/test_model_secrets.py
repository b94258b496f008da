"""Keys of models stay where they are: after runs with errors of every kind they are found nowhere else (promise 24)."""

import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deployments.prefect_server import LocalServer
from tests.model_runs import KEY, PRICES, TRUTHFUL, Notes

pytestmark = pytest.mark.prefect

CANARIES = (KEY.encode(), KEY[:16].encode(), KEY[-12:].encode())
ECHO = f'{{"error": {{"message": "Incorrect key in Authorization: Bearer {KEY}", "code": "{KEY}"}}}}'
ERRORS: tuple[dict[str, Any], ...] = (
    *(
        {"status": status, "body": ECHO, "headers": {"x-echo": KEY}}
        for status in (400, 401, 402, 404, 413, 429, 500, 529)
    ),
    {"body": f"Bearer {KEY}"},
    {"text": f"I cannot help with {KEY}.", "finish": "refusal"},
    {"text": f'{{"fields": {{"{KEY}": "{KEY}"}}}}'},
    {"status": 200, "body": ECHO},
    {"cut": "reset", "cut_at": 0.9, "body": ECHO},
    {"raw": f"HTTP/1.1 {KEY}\r\n\r\n"},
    {"finish": "length", "keep_text": 0.5},
)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An OTLP backend: its address, and the bodies that it was sent."""
    received: list[bytes] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = zlib.decompress(body, zlib.MAX_WBITS | 16)
            received.append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()


def test_no_key_is_found_after_errors_of_every_kind(
    notes: Notes, local_server: LocalServer, prefect_home: Path, collector: tuple[str, list[bytes]]
) -> None:
    address, spans = collector
    notes.workplace.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": address,
        "WINNOW_KEEP_PROMPTS": "true",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
    }
    providers = ("openai", "openai-responses", "anthropic", "gemini")
    rules = [
        {"when": {"containing": f"REF-{at:04}"}, "do": error} for at, error in enumerate(ERRORS)
    ]  # each note meets one error at every model
    notes.provider.script(hook=TRUTHFUL, prices=PRICES, rules=rules, latency_s=0.02)
    for position, provider in enumerate(providers):
        endpoint = notes.provider.url + ("" if provider in ("anthropic", "gemini") else "/v1")
        notes.add(provider, provider=provider, endpoint=f"{endpoint}/{position}", position=position, timeout_s=3)
    said = []
    run = ("run", *notes.arguments(notes.write(len(ERRORS) + 5), "--model", ",".join(providers)))
    for arguments in (run, ("models", "list"), ("models", "calls"), ("review", "list"), ("failures",)):
        done = notes.workplace.winnow(*arguments)
        said.append(done.stdout + done.stderr)
    kinds = {"request_refused", "key_refused", "out_of_credit", "upstream_missing", "rate_limited", "server_failed"}
    kinds |= {"connection_failed", "malformed_reply", "model_refusal", "wrong_schema", "truncated_reply", "ok"}
    assert kinds <= set(notes.outcomes())

    assert spans
    places = {f"output {at}": text.encode() for at, text in enumerate(said)}
    places |= {f"span {at}": body for at, body in enumerate(spans)}
    files = [path for root in (notes.workplace.folder, prefect_home) for path in root.rglob("*") if path.is_file()]
    places |= {str(path): path.read_bytes() for path in files}
    assert any(name.endswith("prefect.db") for name in places)
    tables = notes.query("select name from sqlite_master where type = 'table'")
    for (table,) in tables:
        rows = notes.query(f'select * from "{table}"')
        places[f"table {table}"] = b"\n".join(_plain(value) for row in rows for value in row)
    found = {name for name, content in places.items() for canary in CANARIES if canary in content}
    assert found == set()
    assert b"REF-0001" in places["table model_call_texts"], "texts were to be kept, so that they are searched"


def _plain(value: object) -> bytes:
    """A column's value as bytes, what is compressed unpacked."""
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value)
        except zlib.error:
            return value
    return str(value).encode("utf-8", "replace")
