"""Logs as lines of JSON, with ids, statuses and times, and without what anybody wrote."""

import json
import logging
import sys
import time
from typing import TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """One JSON object for each record.

    Args:
        in_full: whether to add an exception's words and its traceback. They may quote what users
            wrote, so by default only its type and its place are logged.
    """

    def __init__(self, in_full: bool = False) -> None:
        super().__init__()
        self._in_full = in_full

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.msg if record.name.startswith("assistants_server") else record.name,
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
        return json.dumps(line)


def configure(in_full: bool = False, stream: TextIO = sys.stderr) -> None:
    """Log to `stream` from now on, this server's events and the warnings of others."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(in_full))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("assistants_server").setLevel(logging.INFO)


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
            fields = {"method": scope["method"], "path": scope["path"]}
            log.info("request", extra={"fields": {**fields, "status": status, "ms": milliseconds}})
