"""Lets an HTTP client speak to an application of the same process, without a socket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from starlette.types import ASGIApp, Message, Scope

log = logging.getLogger(__name__)


class InProcess(httpx2.AsyncBaseTransport):
    """A transport that hands each request to an ASGI application.

    httpx2's own `ASGITransport` returns a response when it is complete; this one streams it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response as soon as it has begun.

        Raises:
            httpx2.RemoteProtocolError: the application ends without one.
        """
        url = request.url
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (url.host, url.port),
            "client": None,
        }
        answer = _Answer(self._app, scope, await request.aread())
        try:
            begun = await answer.next("http.response.start")
        except BaseException:
            await answer.aclose()
            raise
        return httpx2.Response(begun["status"], headers=begun["headers"], stream=answer)


class _Answer(httpx2.AsyncByteStream):
    """What the application answers, in a task of its own, which ends when this is closed."""

    def __init__(self, app: ASGIApp, scope: Scope, content: bytes) -> None:
        self._content: bytes | None = content
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(app, scope))

    async def next(self, kind: str) -> dict[str, Any]:
        """Return the next message, which must be of that type."""
        message = await self._sent.get()
        if message is None or message["type"] != kind:
            raise httpx2.RemoteProtocolError("The application broke off its answer.")
        return dict(message)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.next("http.response.body")
            more = message.get("more_body", False)
            if body := message.get("body"):
                yield body

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception:
            log.exception("model turn")
        finally:
            self._sent.put_nowait(None)

    async def _receive(self) -> Message:
        content, self._content = self._content, None
        if content is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": content, "more_body": False}

    async def _send(self, message: Message) -> None:
        self._sent.put_nowait(message)
