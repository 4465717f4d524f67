"""A proxy between the engine and an upstream, over real HTTP, that breaks what a test tells it to."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

from assistants_server.engine import Upstream
from tests.upstream import CANARY_KEY, read_events

Events = Iterator[dict]


class FaultProxy:
    """Passes requests on to an upstream's ``/responses``, and its answers back, broken.

    Each attribute is a fault; None or an empty list is none.

    Attributes:
        statuses: what to answer the next requests with, instead of asking the upstream.
        headers: to send with these.
        cut_after: hang up after so many events.
        cut_with_reset: whether to do that with a reset instead of an end.
        change: a function of the events of a stream, which returns what to send in their place;
            a text among them is sent as it is, instead of JSON.
        named: whether to send ``event:`` lines.
        seconds: to wait before answering.
        seen: the bodies of the requests.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.cut_after: int | None = None
        self.cut_with_reset = True
        self.change: Callable[[Events], Iterator[dict | str]] | None = None
        self.named = True
        self.seconds = 0.0
        self.seen: list[dict] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                proxy.seen.append(body)
                time.sleep(proxy.seconds)
                if proxy.statuses:
                    self._refuse(proxy.statuses.pop(0))
                else:
                    self._pass_on(body)

            def _refuse(self, status: int) -> None:
                content = json.dumps({"error": {"message": f"a {status} of the proxy"}}).encode()
                self.send_response(status)
                for name, value in proxy.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _pass_on(self, body: dict) -> None:
                headers = {"Authorization": f"Bearer {upstream.api_key}"}
                address = f"{upstream.base_url}/responses"
                with httpx2.stream("POST", address, json=body, headers=headers) as answer:
                    self.send_response(answer.status_code)
                    self.send_header("Content-Type", answer.headers["content-type"])
                    self.end_headers()
                    events: Iterator[dict | str] = read_events(answer.iter_lines())
                    for number, event in enumerate(
                        proxy.change(events) if proxy.change else events
                    ):
                        if number == proxy.cut_after:
                            if proxy.cut_with_reset:
                                _reset(self.connection)
                            return
                        self._send(event)

            def _send(self, event: dict | str) -> None:
                text = event if isinstance(event, str) else json.dumps(event)
                name = f"event: {event['type']}\n" if proxy.named and text is not event else ""
                self.wfile.write(f"{name}data: {text}\n\n".encode())
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self.upstream = Upstream(f"http://127.0.0.1:{self._server.server_port}/v1", CANARY_KEY)

    def __enter__(self) -> "FaultProxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _reset(connection: socket.socket) -> None:
    linger = struct.pack("ii", 1, 0)  # close with a reset
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
