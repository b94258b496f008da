"""An OTLP backend over HTTP in a process of its own: it decodes what is posted, refuses what it cannot, and keeps it.

Each test has a path of its own, so that one process serves a session.
"""

import gzip
import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]  # it has no types
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Span = dict[str, Any]

SERVICES: dict[str, tuple[type[Message], type[Message]]] = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}


class OtlpReceiver:
    """What one test's exporters sent. `url` is the OTLP endpoint."""

    def __init__(self, base: str, folder: Path) -> None:
        self.url = f"{base}/{folder.name}"
        self._folder = folder

    def raw(self) -> bytes:
        """All bodies, unpacked."""
        return b"".join(path.read_bytes() for path in sorted(self._folder.glob("*.bin")))

    def span_messages(self) -> list[Any]:
        """Every span as protobuf has it."""
        return [
            span for resource in self._resources("traces") for scope in resource.scope_spans for span in scope.spans
        ]

    def spans(self) -> list[Span]:
        """Every span with its attributes, ids as numbers, times in nanoseconds."""
        return [
            {
                "name": span.name,
                "kind": span.kind,
                "status": (span.status.code, span.status.message),
                "lasts_ns": span.end_time_unix_nano - span.start_time_unix_nano,
                "events": len(span.events),
                **{one.key: _plain(one.value) for one in span.attributes},
            }
            for span in self.span_messages()
        ]

    def points(self) -> dict[str, list[Any]]:
        """The last data points of every metric, by its name."""
        found = {}
        for resource in self._resources("metrics"):
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = list(getattr(metric, metric.WhichOneof("data")).data_points)
        return found

    def services(self) -> set[str]:
        """The names of the services that sent."""
        resources = [*self._resources("traces"), *self._resources("metrics")]
        return {str(attributes_of(one.resource)["service.name"]) for one in resources}

    def _resources(self, kind: str) -> Iterator[Any]:
        request, _ = SERVICES[f"/v1/{kind}"]
        for path in sorted(self._folder.glob(f"*-{kind}.bin")):
            message: Any = request()
            message.ParseFromString(path.read_bytes())
            yield from message.resource_spans if kind == "traces" else message.resource_metrics


def attributes_of(message: Any) -> dict[str, object]:
    """The attributes of a span, a link, a data point or a resource."""
    return {one.key: _plain(one.value) for one in message.attributes}


def _plain(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, kind)


class OtlpProcess:
    """The receiver's process; `receiver` gives each test a place of its own in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.otlp_receiver", str(self._folder)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._base = self._process.stdout.readline().strip()
        assert self._base, "the receiver did not start"
        return self

    def receiver(self) -> OtlpReceiver:
        """A receiver that nothing was sent to yet."""
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return OtlpReceiver(self._base, folder)

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Serve until killed; prints the address. What is posted to /NUMBER/v1/traces goes into the folder NUMBER."""
    folder = Path(sys.argv[1])
    numbers, lock = itertools.count(), threading.Lock()

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            place, _, service = self.path.lstrip("/").partition("/")
            known = SERVICES.get(f"/{service}")
            if known is None or self.headers["content-type"] != "application/x-protobuf":
                self.send_error(404)
                return
            request, response = known
            try:
                request().ParseFromString(body)
            except DecodeError:
                self.send_error(400)
                return
            with lock:
                path = folder / place / f"{next(numbers):06}-{service.rpartition('/')[2]}.bin"
                path.with_suffix(".part").write_bytes(body)
                path.with_suffix(".part").rename(path)
            content = response().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
