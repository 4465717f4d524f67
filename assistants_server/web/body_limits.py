"""Refuses a body that is too large, before it fills memory or disk."""

from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistants_server.web.errors import ApiError

MEGABYTE = 1024 * 1024
UPLOAD_LIMIT = 513 * MEGABYTE  # OpenAI's 512 MB for one file, and the form around it
# A million tokens. The event loop would stand still while more of it is read and checked.
OBJECT_LIMIT = 4 * MEGABYTE
PROMPT_LIMIT = 32 * MEGABYTE  # what goes to a model has its images in it, up to 20 MB of them
OBJECTS = ("/v1/assistants", "/v1/threads", "/v1/vector_stores")


class LimitBody:
    """ASGI middleware that answers 413 to a body beyond the limit.

    A client that is still sending gets to read the answer: the connection throws away what comes
    after it, for a while.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = _limit(scope["path"], headers.get("content-type", ""))
        if int(headers.get("content-length") or 0) > limit:
            await _refusal(limit)(scope, receive, send)
            return
        body, started = _CountedBody(receive, limit), False

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            if not body.too_large:
                started = True
                await send(message)

        with suppress(ClientDisconnect):
            await self.app(scope, body.receive, send_unless_refused)
        if body.too_large and not started:
            await _refusal(limit)(scope, receive, send)


def _limit(path: str, content_type: str) -> int:
    if content_type.startswith("multipart/form-data"):
        return UPLOAD_LIMIT
    return OBJECT_LIMIT if path.startswith(OBJECTS) else PROMPT_LIMIT


def _refusal(limit: int) -> Response:
    return ApiError(
        413,
        f"The request is too large: at most {limit // MEGABYTE} MB are allowed.",
        code="request_too_large",
    ).response()


class _CountedBody:
    """Looks to the application as if the client had gone, once there is too much of it."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.too_large = False
        self._receive = receive
        self._limit = limit
        self._seen = 0

    async def receive(self) -> Message:
        if not self.too_large:
            message = await self._receive()
            self._seen += len(message.get("body", b""))
            self.too_large = self._seen > self._limit
        return {"type": "http.disconnect"} if self.too_large else message
