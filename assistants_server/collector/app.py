"""What AgentOps' client and exporter ask of their service, answered on this machine."""

import gzip
import hmac
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assistants_server.collector.forward import Forwarder
from assistants_server.collector.spans import decode
from assistants_server.collector.storage import Storage

MOST_BYTES = 64 * 1024 * 1024
PROTOBUF = "application/x-protobuf"


def create_app(
    storage: Storage, token: str, make_forwarder: Callable[[], Forwarder | None]
) -> Starlette:
    """Return the ASGI application.

    Args:
        token: what clients send as their AgentOps key, and get back as their token.
        make_forwarder: called once the event loop runs; None keeps everything here.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.forwarder = make_forwarder()
        yield
        if app.state.forwarder is not None:
            await app.state.forwarder.close()

    def is_known(request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), token.encode())

    async def auth(request: Request) -> Response:
        key = str((await request.json()).get("api_key", ""))
        if not hmac.compare_digest(key.encode(), token.encode()):
            return _error(401, "This collector takes only the token of its own start.")
        return JSONResponse({"token": token, "project_id": "local", "project_prem_status": "pro"})

    async def traces(request: Request) -> Response:
        if not is_known(request):
            return _error(401, "Authorization is missing or wrong.")
        body = await request.body()
        try:
            spans = decode(_inflated(body, request.headers.get("content-encoding", "")))
        except (DecodeError, OSError, EOFError, ValueError, zlib.error) as error:
            return _error(400, f"This is not an OTLP request in protobuf: {error}")
        storage.add(spans)
        if request.app.state.forwarder is not None:
            request.app.state.forwarder.spans(body, _content_headers(request))
        return Response(status_code=200, media_type=PROTOBUF)

    async def logs(request: Request) -> Response:
        if not is_known(request):
            return _error(401, "Authorization is missing or wrong.")
        trace_id = request.headers.get("trace-id", "")
        body = await request.body()
        try:
            storage.add_log(f"{int(trace_id):032x}", str((await request.json())["body"]))
        except (ValueError, KeyError, TypeError):
            return _error(400, "A log needs a Trace-Id and a JSON object with a body.")
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
    return Starlette(routes=routes, lifespan=lifespan)


def _inflated(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        body = gzip.decompress(body)
    elif encoding == "deflate":
        body = zlib.decompress(body)
    elif encoding:
        raise ValueError(f"the encoding {encoding} is not known here")
    if len(body) > MOST_BYTES:
        raise ValueError(f"it has {len(body)} bytes, {MOST_BYTES} is the most")
    return body


def _content_headers(request: Request) -> dict[str, str]:
    names = ("content-type", "content-encoding", "user-agent")
    return {name: request.headers[name] for name in names if name in request.headers}


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)
