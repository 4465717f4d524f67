"""What AgentOps' client and exporter ask of their service, answered on this machine."""

import asyncio
import hmac
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assistants_server.collector.bodies import MEGABYTE, MOST_BYTES, Bodies, inflated
from assistants_server.collector.forward import Forwarder
from assistants_server.collector.spans import Decoded, decode
from assistants_server.collector.storage import Storage

MOST_AUTH_BYTES = 16 * 1024
MOST_LOG_BYTES = 8 * MEGABYTE
PROTOBUF = "application/x-protobuf"


def create_app(
    storage: Storage, token: str, make_forwarder: Callable[[], Forwarder | None]
) -> Starlette:
    """Return the ASGI application.

    Args:
        token: what clients send as their AgentOps key, and get back as their token.
        make_forwarder: called once the event loop runs; None keeps everything here.
    """
    bodies = Bodies()
    # Reading and storing take one thread, so that at most one request is spread out in memory, and
    # nobody else waits for a file that is locked.
    worker = ThreadPoolExecutor(1, "collector")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.forwarder = make_forwarder()
        yield
        if app.state.forwarder is not None:
            await app.state.forwarder.close()
        worker.shutdown()

    def check(request: Request) -> None:
        """Before the body is read, see whether the client is known."""
        if not _same(request.headers.get("authorization", "").removeprefix("Bearer "), token):
            raise HTTPException(401, "Authorization is missing or wrong.")

    async def work(function: Callable[..., Any], *args: Any) -> Any:
        try:
            result = worker.submit(function, *args)
        except RuntimeError:  # Python is ending: the last spans come when its pools have closed
            return function(*args)
        return await asyncio.wrap_future(result)

    async def auth(request: Request) -> Response:
        async with bodies.body(request, MOST_AUTH_BYTES) as body:
            key = _field(body, "api_key")
        if not isinstance(key, str) or not _same(key, token):
            raise HTTPException(401, "This collector takes only the token of its own start.")
        return JSONResponse({"token": token, "project_id": "local", "project_prem_status": "pro"})

    def keep_spans(body: bytes, encoding: str) -> Decoded:
        decoded = decode(inflated(body, encoding))
        storage.add(decoded.spans)
        return decoded

    async def traces(request: Request) -> Response:
        check(request)
        async with bodies.body(request, MOST_BYTES) as body:
            encoding = request.headers.get("content-encoding", "").lower()
            try:
                decoded = await work(keep_spans, body, encoding)
            except (DecodeError, ValueError) as error:
                raise HTTPException(
                    400, f"This is not an OTLP request in protobuf: {error}"
                ) from None
            if decoded.rejected and not decoded.spans:
                raise HTTPException(400, f"None of the spans can be kept: {decoded.reason}.")
            if request.app.state.forwarder is not None:
                request.app.state.forwarder.spans(body, _content_headers(request))
        answer = ExportTraceServiceResponse()
        if decoded.rejected:
            answer.partial_success.rejected_spans = decoded.rejected
            answer.partial_success.error_message = decoded.reason
        return Response(answer.SerializeToString(), media_type=PROTOBUF)

    def keep_log(trace_id: str, body: bytes) -> None:
        text = _field(body, "body")
        if not (trace_id.isascii() and trace_id.isdecimal() and 0 < int(trace_id) < 1 << 128):
            raise ValueError("the Trace-Id is not a decimal number of 128 bits")
        if not isinstance(text, str):
            raise ValueError("its body is not a text")
        storage.add_log(f"{int(trace_id):032x}", text)

    async def logs(request: Request) -> Response:
        check(request)
        trace_id = request.headers.get("trace-id", "")
        async with bodies.body(request, MOST_LOG_BYTES) as body:
            try:
                await work(keep_log, trace_id, body)
            except ValueError as error:
                message = f"A log needs a Trace-Id and a JSON object with a body: {error}"
                raise HTTPException(400, message) from None
            if request.app.state.forwarder is not None:
                headers = {**_content_headers(request), "Trace-Id": trace_id}
                request.app.state.forwarder.api("/v4/logs/upload/", body, headers)
        return JSONResponse({"url": "", "size": len(body)})

    async def metrics(_: Request) -> Response:
        # AgentOps sends them without its token, so its own service would refuse them.
        return Response(status_code=200, media_type=PROTOBUF)

    routes = [
        Route("/v3/auth/token", auth, methods=["POST"]),
        Route("/v1/traces", traces, methods=["POST"]),
        Route("/v1/metrics", metrics, methods=["POST"]),
        Route("/v4/logs/upload/", logs, methods=["POST"]),
    ]
    handlers = {
        HTTPException: _refusal,
        sqlite3.Error: _not_kept,
        ClientDisconnect: lambda *_: Response(status_code=400),  # nobody reads it
    }
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


async def _refusal(_: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _not_kept(_: Request, error: sqlite3.Error) -> Response:
    # The exporter sends it again after a while.
    return JSONResponse({"error": f"It cannot be kept now: {error}."}, 503, {"Retry-After": "1"})


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def _field(body: bytes, name: str) -> object:
    """Return what a JSON object has under a name; None if it is no object or has no such name.

    Raises:
        HTTPException: 400, it is not JSON.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON, or is nested too deep.") from None
    return content.get(name) if isinstance(content, dict) else None


def _content_headers(request: Request) -> dict[str, str]:
    names = ("content-type", "content-encoding", "user-agent")
    return {name: request.headers[name] for name in names if name in request.headers}
