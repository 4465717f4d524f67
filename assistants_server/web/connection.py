"""One client's connection: what uvicorn's own lets through without a limit is limited here."""

import asyncio
import json
import logging
import math
import time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from assistants_server import request_ids
from assistants_server.web.envelope import envelope

log = logging.getLogger(__name__)

HEAD_SECONDS = 30.0  # for a request's first line and headers, from the first byte to the last
BODY_SECONDS = 30.0  # from one piece of a body to the next
LEAST_BYTES_PER_SECOND = 500  # of a body, after its first BODY_SECONDS
MOST_BYTES_OF_HEAD = 64 * 1024
MOST_CONNECTIONS = 1024
FILES_FOR_THE_REST = 32  # the database, kernels, connections of our own
SECONDS_BETWEEN_WARNINGS = 10.0


def most_files() -> float:
    """Return how many files, connections included, this process may have open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return math.inf
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if files == resource.RLIM_INFINITY else files


def most_connections() -> float:
    """Return how many clients may be connected at once, with the files that this process may open."""
    # Half of them: offline, a run is a client of this very process, and has both ends.
    return max(1, min(MOST_CONNECTIONS, (most_files() - FILES_FOR_THE_REST) // 2))


class _HeadWithBody:
    """A transport that sends the head of an answer together with the first piece of its body.

    uvicorn writes them one after the other, and sending is the dearest part of a small answer.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send at once, but a head a moment later if there is no body yet."""
        if data.startswith(b"HTTP/") and not self._head:
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            head, self._head = self._head, b""
            self._transport.write(head + data)

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def _send_head(self) -> None:
        if self._head:
            self.write(b"")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """A connection that gives up on a client that keeps it waiting, or sends a head without an end.

    When there are too many, the one that has been without a request for longest makes room, so
    connections that only stand around never keep a new client out. All that is refused here is
    answered as everywhere else, with OpenAI's envelope.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _HeadWithBody(transport, self.loop)))
        self._bytes_of_head = 0
        self._has_head = False
        self._too_long = False
        self._idle_since = self.loop.time()
        self._deadline = self._idle_since + HEAD_SECONDS
        self._last_deadline = math.inf
        # The lowest number that is free is given out, so a high one says that few are left.
        number = transport.get_extra_info("socket").fileno()
        too_many = len(self.connections) > most_connections()
        few_files = number > most_files() - FILES_FOR_THE_REST
        if (too_many or few_files) and not self._make_room() and too_many:
            self._refuse(503, "Too many clients are connected. Try again in a while.")

    def data_received(self, data: bytes) -> None:
        if self._deadline == math.inf and not self._is_answering():  # empty lines, or a request
            self._deadline = self.loop.time() + HEAD_SECONDS
        self._bytes_of_head += len(data)
        super().data_received(data)
        if self._bytes_of_head > MOST_BYTES_OF_HEAD and not self.transport.is_closing():
            self._refuse(431, "The request's headers are too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # what follows a body is not read
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._has_head = False
        self._deadline = self.loop.time() + HEAD_SECONDS
        self._last_deadline = math.inf

    def on_headers_complete(self) -> None:
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > MOST_BYTES_OF_HEAD:
            self._too_long = True
            raise ValueError("the head is too long")
        super().on_headers_complete()
        self._has_head = True
        self._bytes_of_head = 0
        self._expect_body()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._bytes_of_head = 0
        if not self.cycle.response_complete:
            self._deadline = self.loop.time() + BODY_SECONDS
            self._last_deadline += len(body) / LEAST_BYTES_PER_SECOND

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._bytes_of_head = 0
        if not self.cycle.response_complete:
            self._deadline = self._last_deadline = math.inf

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Answer what uvicorn cannot read."""
        if self._too_long:
            self._refuse(431, "The request's URL or headers are too long.")
        else:
            self._refuse(400, "This is not a valid HTTP request.")

    def close_if_late(self, now: float) -> None:
        """Give up on the client if it is to send something, and has not for too long."""
        if self.flow.read_paused:  # it is the server that does not read
            self._expect_body()
        if now < min(self._deadline, self._last_deadline) or self._is_answering():
            return
        if self.cycle is not None and self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse(408, "The request did not arrive in time.")

    def _expect_body(self) -> None:
        self._deadline = self._last_deadline = self.loop.time() + BODY_SECONDS

    def _is_answering(self) -> bool:
        """Return whether a whole request is here, and its answer is not."""
        return self._has_request() and not self.cycle.more_body

    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> bool:
        """Close the connection that has been without a request for longest, if there is one."""
        waiting = [
            each
            for each in self.connections
            if isinstance(each, Connection)  # all are, which uvicorn's types do not know
            if each is not self and not each._has_request() and not each.transport.is_closing()
        ]
        if waiting:
            min(waiting, key=lambda each: each._idle_since).transport.abort()
        return bool(waiting)

    def _refuse(self, status: int, message: str) -> None:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        content = json.dumps(envelope(message, type=kind)).encode()
        headers = [
            *self.server_state.default_headers,
            *request_ids.headers(request_ids.new(), 0),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + content)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        # There is nothing else to speak than HTTP/1.1. After such a request uvicorn's parser reads
        # no more of this connection.
        if self.cycle is not None:
            self.cycle.keep_alive = False


def note_accept_trouble(loop: asyncio.AbstractEventLoop) -> None:
    """Log once in a while, not thousands of times a second, that no connection can be accepted."""
    last = -math.inf

    def handle(loop: asyncio.AbstractEventLoop, context: dict) -> None:
        nonlocal last
        if "out of system resource" not in context["message"]:
            loop.default_exception_handler(context)
        elif time.monotonic() >= last + SECONDS_BETWEEN_WARNINGS:
            last = time.monotonic()
            log.warning("too many open files", extra={"fields": {"accepting": False}})

    loop.set_exception_handler(handle)
