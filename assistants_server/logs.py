"""Writes logs as lines of JSON, with ids, statuses and times, but without users' content."""

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistants_server import request_ids
from assistants_server.terminal_escapes import without_escapes

log = logging.getLogger(__name__)

OURS = "assistants_server"
# The first line of their warnings is a constant text, such as "Invalid HTTP request received." or
# "socket.accept() out of system resource". Messages of other libraries may quote requests or files.
TRUSTED = ("uvicorn.error", "asyncio")
TRACEBACK = "Traceback (most recent call last):"
MOST_CHARACTERS = 500


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object, for example ``{"time": ..., "event": "request", ...}``.

    Args:
        in_full: whether to log tracebacks and the messages of all libraries. They may quote users'
            content. By default only the type and the place of an exception are logged, and the
            first lines of messages from `TRUSTED` loggers.
    """

    def __init__(self, in_full: bool = False) -> None:
        super().__init__()
        self._in_full = in_full

    def format(self, record: logging.LogRecord) -> str:
        foreign = not record.name.startswith(OURS)
        line = {
            "time": _written(int(record.created)),
            "level": record.levelname.lower(),
            "event": record.name if foreign else record.msg,
            **(self._describe(record) if foreign else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["at"] = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
            if self._in_full:
                line["traceback"] = self.formatException(record.exc_info)
        plain = {
            name: without_escapes(value) if isinstance(value, str) else value
            for name, value in line.items()
        }
        return json.dumps(plain)

    def _describe(self, record: logging.LogRecord) -> dict[str, str]:
        """Return what may be logged of another library's record."""
        fields = {"at": f"{record.module}:{record.lineno}"}
        if self._in_full:
            return {**fields, "message": record.getMessage()}
        if record.name not in TRUSTED:
            return fields
        message = record.getMessage().strip()
        if message.startswith(TRACEBACK):  # uvicorn logs this when the start fails
            return {**fields, **_summarise(message)}
        return {**fields, "message": message.partition("\n")[0][:MOST_CHARACTERS]}


@lru_cache(maxsize=1)
def _written(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _summarise(traceback: str) -> dict[str, str]:
    """Return the type and the place of the exception, but not its message, from a traceback's text."""
    places = re.findall(r'^  File ".*?([^"/\\]+)", line (\d+)', traceback, re.MULTILINE)
    types = re.findall(
        r"^([A-Za-z_][\w.]*)(?::|$)", traceback.removeprefix(TRACEBACK), re.MULTILINE
    )
    fields = {"at": ":".join(places[-1])} if places else {}
    return {**fields, "exception": types[0]} if types else fields


class FewPerMinute(logging.Filter):
    """Limits how many records per minute each log statement of another library may write.

    Without it, running out of file descriptors once wrote 370,000 equal lines. The last record that
    passes says so in the field `next`. The first one of the next minute says in `left_out` how many
    were dropped.

    Args:
        most: how many records pass each minute.
        clock: returns seconds and never goes backward.
    """

    def __init__(self, most: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._minutes: dict[tuple[str, str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(OURS):
            return True
        place, now = (record.name, record.pathname, record.lineno), self._clock()
        began, count = self._minutes.get(place, (now, 0))
        fields: dict[str, str | int] = {}
        if now - began >= 60:
            if count > self._most:
                fields["left_out"] = count - self._most
            began, count = now, 0
        count += 1
        self._minutes[place] = (began, count)
        if count == self._most:
            fields["next"] = "left out for the rest of the minute"
        record.fields = {**getattr(record, "fields", {}), **fields}
        return count <= self._most


def configure(in_full: bool = False, stream: TextIO = sys.stderr) -> None:
    """Log this server's events, and warnings of other libraries, to `stream` from now on."""
    # Which thread and process logs is written nowhere, and would be found out for each line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(in_full))
    handler.addFilter(FewPerMinute())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(logging.INFO)


class LogRequests:
    """ASGI middleware that gives each request an id, sends it back, and logs the request.

    An answer that has an id already comes from a model's server, which knows it by that one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, request_id = time.perf_counter(), 0, request_ids.new()
        request_ids.current.set(request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name.lower(): value for name, value in message["headers"]}
                request_id = there.get(b"x-request-id", request_id.encode()).decode("latin-1")
                ours = request_ids.headers(request_id, int((time.perf_counter() - began) * 1000))
                added = [header for header in ours if header[0] not in there]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if log.isEnabledFor(logging.INFO):
                self._log(scope, request_id, status, time.perf_counter() - began)

    def _log(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        fields = {"method": scope["method"], "path": scope["path"][:MOST_CHARACTERS]}
        fields["request"] = request_id[:MOST_CHARACTERS]
        extra = {"fields": {**fields, "status": status, "ms": round(seconds * 1000, 1)}}
        # What `log.info` does, without a search of the stack for the line that logs.
        log.handle(
            log.makeRecord(log.name, logging.INFO, __file__, 0, "request", (), None, extra=extra)
        )
