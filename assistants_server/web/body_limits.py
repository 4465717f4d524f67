"""Rejects request bodies that are too large before they fill memory or disk."""

from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistants_server.web.errors import ApiError

MEGABYTE = 1024 * 1024
# 512 MB for a file, and the form around it. https://platform.openai.com/docs/api-reference/files
UPLOAD_LIMIT = 513 * MEGABYTE
# About a million tokens. Parsing and checking a larger body would block the event loop too long.
OBJECT_LIMIT = 4 * MEGABYTE
PROMPT_LIMIT = 32 * MEGABYTE  # a request to a model may hold up to 20 MB of images in base64
OBJECTS = ("/v1/assistants", "/v1/threads", "/v1/vector_stores")


class LimitBody:
    """ASGI middleware that answers 413 if the body is larger than the limit for its path.

    A client that is still sending can read the response, because the connection discards the rest
    of the body for a while before it is closed.
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
        seen, started = 0, False

        async def receive_up_to_limit() -> Message:
            nonlocal seen
            if seen <= limit:
                message = await receive()
                seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > limit else message

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            if seen <= limit:
                started = True
                await send(message)

        with suppress(ClientDisconnect):
            await self.app(scope, receive_up_to_limit, send_unless_refused)
        if seen > limit and not started:
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
