"""A stand-in for AgentOps' service: takes what is sent, over real HTTP, or is broken in some way."""

import json
import socket
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from helpers.tracing.spans import Span

KEY = "0f9d6c1e-5b7a-4c3d-8e2f-1a0b9c8d7e6f"


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class AgentOpsService:
    """Listens on loopback.

    Args:
        status: what to answer everything with; ``POST /status/200`` changes it.
        silent: accept requests and answer none until the end.
    """

    def __init__(self, status: int = 200, silent: bool = False) -> None:
        self.received: list[Received] = []
        self.status = status
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.path.startswith("/status/"):
                    service.status = int(self.path.rpartition("/")[2])
                    self._answer(200, {})
                    return
                service.received.append(Received(self.path, headers, body))
                if silent:
                    service.stopping.wait()
                well = service.status < 300
                answer = {"token": "a-token-for-spans", "project_id": "p"} if well else {}
                self._answer(service.status, answer)

            def _answer(self, status: int, answer: dict[str, str]) -> None:
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # clients may hang up
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "AgentOpsService":
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to send its traces here."""
        return environment(self.url)

    def spans(self) -> list[Span]:
        """All spans, as decoded from the protobuf that came in."""
        return [
            span
            for request in self.received
            if request.path == "/v1/traces"
            for span in decode(request.body)
        ]

    def wait_for(self, count: int, seconds: float = 5.0) -> None:
        """Wait until so many requests have come."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)


def decode(body: bytes) -> list[Span]:
    """Return the spans of an OTLP request."""
    return [
        Span(
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            name=span.name,
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            status=("unset", "ok", "error")[span.status.code],
            message=span.status.message,
            attributes=_pairs(span.attributes),
            events=[
                {
                    "name": event.name,
                    "time": event.time_unix_nano,
                    "attributes": _pairs(event.attributes),
                }
                for event in span.events
            ],
            resource=_pairs(group.resource.attributes),
        )
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _pairs(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


class BlackHole:
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.environment = environment(f"http://127.0.0.1:{self._socket.getsockname()[1]}")

    def __enter__(self) -> "BlackHole":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class Refused:
    """An address where nobody listens."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.environment = environment(self.url)

    def __enter__(self) -> "Refused":
        return self

    def __exit__(self, *_: object) -> None:
        pass


FAULTS = {
    "refused": Refused,
    "black-holed": BlackHole,
    "401": lambda: AgentOpsService(status=401),
    "500": lambda: AgentOpsService(status=500),
    "silent": lambda: AgentOpsService(silent=True),
}


def environment(url: str) -> dict[str, str]:
    return {
        "AGENTOPS_API_KEY": KEY,
        "AGENTOPS_API_ENDPOINT": url,
        "AGENTOPS_EXPORTER_ENDPOINT": f"{url}/v1/traces",
    }
