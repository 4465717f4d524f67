"""Logs as lines of JSON, with ids, statuses and times, and without what anybody wrote."""

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from typing import TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistants_server.plain import without_escapes

log = logging.getLogger(__name__)

OURS = "assistants_server"
# The first lines of their warnings are their own words: "Invalid HTTP request received.",
# "socket.accept() out of system resource". Those of other libraries may quote a request or a file.
TRUSTED = ("uvicorn.error", "asyncio")
TRACEBACK = "Traceback (most recent call last):"
MOST_CHARACTERS = 500


class JsonLines(logging.Formatter):
    """One JSON object for each record.

    Args:
        in_full: whether to add an exception's words and its traceback, and all that other
            libraries say. They may quote what users wrote, so by default only an exception's type
            and place are logged, and first lines of those that are `TRUSTED`.
    """

    def __init__(self, in_full: bool = False) -> None:
        super().__init__()
        self._in_full = in_full

    def format(self, record: logging.LogRecord) -> str:
        foreign = not record.name.startswith(OURS)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.name if foreign else record.msg,
            **(self._said(record) if foreign else {}),
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

    def _said(self, record: logging.LogRecord) -> dict[str, str]:
        """Return what may be told of a record of another library's."""
        said = {"at": f"{record.module}:{record.lineno}"}
        if self._in_full:
            return {**said, "message": record.getMessage()}
        if record.name not in TRUSTED:
            return said
        message = record.getMessage().strip()
        if message.startswith(TRACEBACK):  # uvicorn's message when the start has failed
            return {**said, **_told_by(message)}
        return {**said, "message": message.partition("\n")[0][:MOST_CHARACTERS]}


def _told_by(traceback: str) -> dict[str, str]:
    """Return the type and the place of an exception, but not its words, from a traceback's text."""
    places = re.findall(r'^  File ".*?([^"/\\]+)", line (\d+)', traceback, re.MULTILINE)
    types = re.findall(
        r"^([A-Za-z_][\w.]*)(?::|$)", traceback.removeprefix(TRACEBACK), re.MULTILINE
    )
    told = {"at": ":".join(places[-1])} if places else {}
    return {**told, "exception": types[0]} if types else told


class FewPerMinute(logging.Filter):
    """Lets few records of other libraries from one place of their code through in a minute.

    A full table of sockets once made 370,000 equal lines. The last that goes through says that it
    is the last; the first after the minute says how many were left out.

    Args:
        most: how many go through.
        clock: seconds that only go forward.
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
        fields = {}
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
    """Log to `stream` from now on, this server's events and the warnings of others."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(in_full))
    handler.addFilter(FewPerMinute())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(logging.INFO)


class LogRequests:
    """ASGI middleware that logs each request: its method, path, status and time."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not log.isEnabledFor(logging.INFO):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            fields = {"method": scope["method"], "path": scope["path"][:MOST_CHARACTERS]}
            log.info("request", extra={"fields": {**fields, "status": status, "ms": milliseconds}})
