"""An upstream for tests: a real HTTP server that answers each request as a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from assistants_server.engine import Upstream

# Looked for after all tests in everything that was written or answered.
CANARY_KEY = "canary-of-the-upstream-key"

Answer = Callable[[BaseHTTPRequestHandler, dict], None]


@contextmanager
def upstream(answer: Answer) -> Iterator[Upstream]:
    """Serve `answer`, a function of the request handler and the request's JSON body, or ``{}``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer(self, json.loads(body))

        def do_GET(self) -> None:
            answer(self, {})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Upstream(f"http://127.0.0.1:{server.server_port}/v1", CANARY_KEY)
    finally:
        server.shutdown()
        server.server_close()


def send_json(handler: BaseHTTPRequestHandler, status: int, body: dict) -> None:
    content = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def read_events(lines: Iterator[str]) -> Iterator[dict]:
    """Yield the events of a stream."""
    for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def send_events(handler: BaseHTTPRequestHandler, events: Iterable[dict]) -> None:
    """Send events as a lenient server does: no ``event:`` lines, and the connection closes."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for event in events:
        handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        handler.wfile.flush()


def completed(text: str, **changes: object) -> list[dict]:
    """Return the fewest events that make an answer with that text."""
    message = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    response = {
        "status": "completed",
        "output": [message],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
        **changes,
    }
    return [
        {"type": "response.output_text.delta", "delta": text},
        {"type": "response.completed", "response": response},
    ]
