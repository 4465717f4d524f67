"""Everything that is not ours goes to the upstream, in live mode: one client serves a whole program."""

import httpx2
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from assistants_server.api.errors import ApiError
from assistants_server.engine import Upstream

router = APIRouter()

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
SECONDS = httpx2.Timeout(600, connect=10)
# These belong to one connection, or are ours; the client's token never leaves this machine.
NOT_SENT_ON = {"authorization", "host", "content-length", "connection", "transfer-encoding"}
NOT_SENT_BACK = {"content-length", "content-encoding", "connection", "transfer-encoding"}


def client_for(upstream: Upstream) -> httpx2.AsyncClient:
    """Return the HTTP client that `pass_through` uses, with the upstream's key."""
    headers = {"Authorization": f"Bearer {upstream.api_key}"}
    base_url = upstream.base_url.rstrip("/") + "/"
    return httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=SECONDS)


@router.api_route("/{path:path}", methods=METHODS, include_in_schema=False)
async def pass_through(path: str, request: Request) -> Response:
    http: httpx2.AsyncClient = request.app.state.pass_through
    upstream: Upstream = request.app.state.upstream
    headers = {k: v for k, v in request.headers.items() if k.lower() not in NOT_SENT_ON}
    sent = http.build_request(
        request.method,
        path,
        params=request.url.query.encode(),
        headers=headers,
        content=await request.body(),
    )
    try:
        answer = await http.send(sent, stream=True)
    except httpx2.TransportError as error:
        raise ApiError(
            502,
            f"The model's server at {upstream.shown} does not answer ({type(error).__name__}). "
            "Look at OPENAI_BASE_URL.",
            type="server_error",
        ) from error
    headers = {k: v for k, v in answer.headers.items() if k.lower() not in NOT_SENT_BACK}
    if answer.is_error:  # some servers repeat the key that they do not like
        said = upstream.without_key((await answer.aread()).decode(errors="replace"))
        return Response(said, answer.status_code, headers)
    return StreamingResponse(
        answer.aiter_bytes(),
        status_code=answer.status_code,
        headers=headers,
        background=BackgroundTask(answer.aclose),
    )
